"""Detectors with an output for each size of boxes are read as their heads would join them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.runner import Runner
from tests.support.detectors import ANCHORS, CLASSES, NONE, SIDE, ULTRALYTICS, Properties, levels
from tests.support.opened import assert_equal_to_edited_weights, open_proto

Array = NDArray[np.floating]
ASKED, WHOLE = Reading(task=Task.DETECTOR), Reading()
NAMED = {"names": ULTRALYTICS["names"]}
X = np.random.default_rng(0).normal(0, 2, (5, 3, SIDE, SIDE)).astype(np.float32)
KINDS: dict[str, tuple[Properties, Reading]] = {
    "scores": (NONE, WHOLE),
    "split": (NONE, ASKED),
    "anchors": (NAMED, ASKED),
    "without": (ULTRALYTICS, WHOLE),
}


def opened(proto: onnx.ModelProto, reading: Reading) -> Network:
    return open_network(Model("d.onnx", proto, hashlib.sha256(proto.SerializeToString()).hexdigest()), reading)


def best(kind: str, made: Sequence[Array]) -> Array:
    """Return the best score of each class over all levels, by numpy alone."""
    match kind:
        case "scores":
            found = [level.max(axis=1) for level in made]
        case "without":
            found = [expit(level[:, 64:]).max(axis=(2, 3)) for level in made]
        case "split":
            sure = [expit(level.reshape(len(level), -1, 5 + CLASSES)) for level in made]
            found = [(level[:, :, 5:] * level[:, :, 4:5]).max(axis=1) for level in sure]
        case _:
            sure = [expit(level.reshape(len(level), ANCHORS, 5 + CLASSES, -1)) for level in made]
            found = [(level[:, :, 5:] * level[:, :, 4:5]).max(axis=(1, 3)) for level in sure]
    return np.asarray(np.max(found, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_box_of_all_levels_decides(kind: str) -> None:
    properties, reading = KINDS[kind]
    proto = levels(kind, properties=properties)
    network = opened(proto, reading)
    outputs = [value.name for value in proto.graph.output if value.name in used(kind, proto)]
    made = Runner(proto, network.spec, "d.onnx").run(X, outputs)
    np.testing.assert_allclose(network.scores(X), best(kind, made) - 0.25, atol=1e-6)
    assert network.task is Task.MULTILABEL


def used(kind: str, proto: onnx.ModelProto) -> list[str]:
    """Return the outputs that scores are in."""
    return [value.name for value in proto.graph.output if kind != "scores" or value.name.startswith("sigmoid")]


@pytest.mark.parametrize("kind", KINDS)
def test_effects_are_those_of_edited_weights(kind: str) -> None:
    properties, reading = KINDS[kind]
    assert_equal_to_edited_weights(open_proto(levels(kind, properties=properties), X, reading), X, 0.0, seed=1)


@pytest.mark.parametrize(
    ("kind", "properties", "reading"),
    [
        ("anchors", NONE, ASKED),  # how many classes there are is not known
        ("without", NONE, ASKED),
        ("anchors", {"names": "['a', 'b']"}, ASKED),
        ("anchors", NAMED, WHOLE),  # nobody says that it is a detector
        ("split", NONE, WHOLE),
        ("scores", NONE, Reading(task=Task.MULTILABEL)),
    ],
)
def test_what_is_not_known_is_refused(kind: str, properties: Properties, reading: Reading) -> None:
    with pytest.raises(ModelError, match=r"several outputs|is not known"):
        opened(levels(kind, properties=properties), reading)


def test_a_level_alone_is_read_where_it_is_named() -> None:
    proto = levels("scores")
    name = proto.graph.output[0].name
    network = opened(proto, Reading(output=name, task=Task.MULTILABEL))
    assert network.outcome.tensor != "onnxcausal/concat"
