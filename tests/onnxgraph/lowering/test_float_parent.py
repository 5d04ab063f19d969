"""Effects of QDQ models against those of the float models they were made from, within what their steps explain."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType

from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import Layer
from tests.support.opened import Opened, edit
from tests.support.oracles import Array
from tests.support.quantisation_bound import Removed, bounded, float_tensors
from tests.support.support import AGREES, open_specimen
from tests.support.zoo import Kind, Specimen
from tests.support.zoo_quantised import CNN, MIXED, gemm_parent, static
from tests.support.zoo_structures import IMAGES, VECTORS, Build, Inputs

CLASSES = 3


def first_samples() -> dict[str, NDArray[Any]]:
    return {name: x[:2] for name, x in IMAGES().items()}


PARENTS: dict[str, tuple[Build, Inputs]] = {
    "Gemm": (gemm_parent, VECTORS),
    "Gemm, MatMul, Add": (MIXED, VECTORS),
    "Conv, residual": (CNN, first_samples),
}
STEPS: dict[str, Mapping[str, Any]] = {
    "int8 per tensor": {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8},
    "uint8, int8 per channel": {
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
        "reduce_range": False,
    },
    "int16": {"activation_type": QuantType.QInt16, "weight_type": QuantType.QInt16},
}
SHARES: dict[tuple[str, str], float] = {
    ("Gemm", "int8 per tensor"): 0.2,
    ("Gemm", "uint8, int8 per channel"): 0.15,
    ("Gemm", "int16"): 0.001,
    ("Gemm, MatMul, Add", "int8 per tensor"): 0.25,
    ("Gemm, MatMul, Add", "uint8, int8 per channel"): 0.18,
    ("Gemm, MatMul, Add", "int16"): 0.001,
    ("Conv, residual", "int8 per tensor"): 6.0,  # eight bits in four layers: true, and says nothing
    ("Conv, residual", "uint8, int8 per channel"): 5.0,
    ("Conv, residual", "int16"): 0.0025,
}
"""What the bound is, at most, as a share of the largest effect: measured, and rounded up."""
CASES = [
    pytest.param(parent, steps, marks=pytest.mark.slow if parent.startswith("Conv") else ())
    for parent in PARENTS
    for steps in STEPS
]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Every effect of two models, `[interventions and classes, samples]`.

    Attributes:
        parent: effects of the float model.
        deviation: how far those of the quantised one are off.
        bound: how far its steps, and saturation, let them be.
        saturated: where some value left the range of its pair.
        floor: what float32 rounds.
    """

    parent: Array
    deviation: Array
    bound: Array
    saturated: NDArray[np.bool_]
    floor: float


def interventions(opened: Opened) -> Iterator[tuple[Layer, int, Removed]]:
    """Yield every node of every layer, and the weights that are removed with it."""
    for layer in opened.layers:
        ones = np.ones(opened.weight(layer).shape)
        for node, features in enumerate(opened.wiring.flow.nodes[layer.name]):
            yield layer, node, (layer.name, edit(layer, ones, features, np.arange(layer.children), 0.0) == 0)


def covering(parent: onnx.ModelProto, opened: Opened, x: Array) -> dict[str, list[dict[str, np.floating]]]:
    """Return the range of each tensor over the samples, without intervention and under each."""
    stored = {tensor.name for tensor in parent.graph.initializer}
    runs = [float_tensors(parent, x, removed) for removed in (None, *(part for *_, part in interventions(opened)))]
    return {
        name: [
            {
                "rmin": np.float32(min(run[name].min() for run in runs)),
                "rmax": np.float32(max(run[name].max() for run in runs)),
            }
        ]
        for name in runs[0]
        if name not in stored
    }


def effects(opened: Opened, layer: Layer, node: int, x: NDArray[np.float32]) -> Array:
    """Return the effects of a node on each class, `[classes, samples]`."""
    every = opened.wiring.flow.nodes[layer.name]
    probe = PathProbe(layer, every, np.arange(layer.children)).of(np.array([node]))

    def score(number: int) -> Callable[[NDArray[np.floating]], Array]:
        return lambda scores: scores[:, number].astype(np.float64)

    engine = opened.engine()
    return np.stack([engine.effects(probe, x, score(number))[0] for number in range(CLASSES)])


@cache
def compared(parent: str, steps: str, *, over_interventions: bool) -> Compared:
    """Quantise a model, its ranges taken over interventions too or over samples alone; compare all effects."""
    build, inputs = PARENTS[parent]
    original = build()
    opened, x = open_specimen(Specimen(parent, Kind.QUANTISED, lambda: original, inputs))
    wide = x.astype(np.float64)
    settings = {"quant_format": QuantFormat.QDQ, **STEPS[steps]}
    options = {"TensorQuantOverrides": covering(original, opened, wide)} if over_interventions else {}
    proto = static(build, inputs, extra_options=options, **settings)
    quantised, _ = open_specimen(Specimen(steps, Kind.QUANTISED, lambda: proto, inputs))
    layers = {layer.name.removesuffix("_quant"): layer for layer in quantised.layers}
    plain = bounded(original, proto, wide)
    parts = []
    for layer, node, removed in interventions(opened):
        exact, edited = effects(opened, layer, node, x), bounded(original, proto, wide, removed)
        deviation = np.abs(effects(quantised, layers[layer.name], node, x) - exact)
        saturated = np.tile(plain.saturated | edited.saturated, (CLASSES, 1))
        parts.append((exact, deviation, (plain.bound + edited.bound).T, saturated))
    floor = opened.within(AGREES) * float(np.abs(plain.scores).max())
    exact, deviation, bound, saturated = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Compared(exact, deviation, bound, saturated.astype(np.bool_), floor)


def rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))


@pytest.mark.parametrize(("parent", "steps"), CASES)
def test_every_effect_is_that_of_the_float_parent_within_the_steps(parent: str, steps: str) -> None:
    found = compared(parent, steps, over_interventions=True)
    assert not found.saturated.any()
    assert (found.deviation <= found.bound + found.floor).all()
    largest = np.abs(found.parent).max()
    assert SHARES[parent, steps] / 2 < found.bound.max() / largest <= SHARES[parent, steps]
    assert found.floor < found.bound.min()
    # What is measured is less than the worst case of all roundings at once: a few percent of the effects, or 0.01 %.
    assert rms(found.deviation) <= (2e-4 if steps == "int16" else 0.05) * rms(found.parent)


@pytest.mark.parametrize(
    "parent", [pytest.param(name, marks=pytest.mark.slow if name.startswith("Conv") else ()) for name in PARENTS]
)
def test_the_bound_shrinks_with_the_steps_and_coarse_steps_break_that_of_fine_ones(parent: str) -> None:
    coarse, fine = (compared(parent, steps, over_interventions=True) for steps in ("int8 per tensor", "int16"))
    assert (fine.bound <= coarse.bound / 200).all()
    assert rms(fine.deviation) <= rms(coarse.deviation) / 100
    assert (coarse.deviation > fine.bound).mean() > 0.5


@pytest.mark.parametrize(("parent", "steps"), CASES)
def test_with_ranges_of_samples_alone_effects_differ_by_the_steps_and_what_saturates(parent: str, steps: str) -> None:
    found = compared(parent, steps, over_interventions=False)
    assert (found.deviation <= found.bound + found.floor).all()
    inside = ~found.saturated
    assert 0.2 < inside.mean() < 0.95
    # Where nothing saturates the bound is one of steps alone, and as small.
    assert found.bound[inside].max() <= SHARES[parent, steps] * np.abs(found.parent).max()
    assert rms(found.deviation[inside]) <= (2e-4 if steps == "int16" else 0.05) * rms(found.parent)
    assert rms(found.deviation[~inside]) >= 2 * rms(found.deviation[inside])
    assert 0.185 <= rms(found.deviation) / rms(found.parent) <= 0.335  # as docs/supported.md tells
