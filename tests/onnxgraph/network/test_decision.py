from collections.abc import Sequence

import numpy as np
import pytest

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.inspecting.static_wiring import wire_statically
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import cut_model, open_network
from tests.support.networks import Builder


def model(batch: int | str, *, scores: int = 3, shape: Sequence[int] = (), squashed: bool = False) -> Model:
    """Return a product of five features, its scores in another shape or squashed."""
    b = Builder(np.random.default_rng(0))
    tensor = b.add("MatMul", ["x", b.weight(5, scores)])
    if shape:
        tensor = b.add("Reshape", [tensor, b.integers(*shape)])
    if squashed:
        tensor = b.add("Sigmoid", [tensor])
    return Model("in_code.onnx", b.model([batch, 5], tensor, output_rank=len(shape) or 2), "0" * 64)


@pytest.mark.parametrize(
    ("found", "reading"),
    [
        (model("N"), Reading()),
        (model("N", scores=1), Reading()),
        (model("N", scores=1, squashed=True), Reading()),
        (model("N", scores=1), Reading(task=Task.BINARY)),
        (model(1, shape=(-1,)), Reading()),
        (model(1, shape=(-1,), scores=1), Reading()),
        (model(4, shape=(-1,), scores=1), Reading()),
        (model("N", shape=(0, 2, 3), scores=6), Reading(reduce=Reduction.MEAN, class_axis=2)),
        (model("N", shape=(0, 2, 3, 1), scores=6), Reading(reduce=Reduction.MAX)),
        (model("N", shape=(0, 1, 3, 2), scores=6), Reading(reduce=Reduction.SUM)),
    ],
)
def test_what_is_told_of_a_file_is_what_an_analysis_does_with_it(found: Model, reading: Reading) -> None:
    cut = cut_model(found, reading.output, reading.task)
    network, wired = open_network(cut, reading), wire_statically(cut, reading)
    assert wired.reason == ""
    assert (wired.task, wired.outcome) == (network.task, network.outcome.tensor)
    assert wired.trace is not None
    assert wired.outcome is not None
    x = np.zeros((network.plain.batch or 1, 5), np.float32)
    assert wired.trace.shapes[wired.outcome][1:] == network.plain.run(x, [network.outcome.tensor])[0].shape[1:]


@pytest.mark.parametrize(
    ("found", "reading", "what"),
    [
        (model("N"), Reading(reduce=Reduction.MEAN), "there is nothing to reduce"),
        (model("N"), Reading(task=Task.BINARY), "there is no single score to decide by"),
        (
            model("N", shape=(0, 2, 3), scores=6),
            Reading(reduce=Reduction.MEAN),
            "the axis of the classes is not known",
        ),
    ],
)
def test_what_an_analysis_refuses_is_told_of_the_file_in_the_same_words(
    found: Model, reading: Reading, what: str
) -> None:
    cut = cut_model(found, reading.output, reading.task)
    with pytest.raises(ConfigError) as refused:
        open_network(cut, reading)
    assert refused.value.what == what
    assert wire_statically(cut, reading).reason == f"{what}: {refused.value.why}"
