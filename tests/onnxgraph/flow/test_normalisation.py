"""Normalisation written out is followed; what only looks like it mixes."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import helper

from onnxcausal.causal.graph import FlowKind
from tests.support.networks import Builder
from tests.support.opened import Opened, open_proto
from tests.support.support import open_specimen
from tests.support.zoo import ZOO

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def normal(b: Builder, h: str, *, power: float | None = None, inverse: bool = False, eps: str = "") -> str:
    """Write a LayerNormalization out, in the ways exporters do."""
    centred = b.add("Sub", [h, b.add("ReduceMean", [h], axes=[1], keepdims=1)])
    if power is None:
        square = b.add("Mul", [centred, centred])
    else:
        square = b.add("Pow", [centred, b.store(np.array(power, np.float32))])
    variance = b.add("ReduceMean", [square], axes=[1], keepdims=1)
    root = b.add("Sqrt", [b.add("Add", [variance, eps or b.store(np.array(1e-5, np.float32))])])
    return b.add("Mul", [centred, b.add("Reciprocal", [root])]) if inverse else b.add("Div", [centred, root])


def hidden(b: Builder) -> str:
    return b.add("MatMul", ["x", b.weight(6, 8)])


def closed(b: Builder, tensor: str, width: int = 8) -> Opened:
    return open_proto(b.model(["N", 6], b.add("MatMul", [tensor, b.weight(width, 3)])), X)


def kinds(opened: Opened, layer: int = 0) -> set[FlowKind]:
    return {link.kind for link in opened.wiring.flow.links[opened.layers[layer].name]}


@pytest.mark.parametrize("settings", [{}, {"power": 2.0}, {"inverse": True}, {"power": 2.0, "inverse": True}])
def test_a_normalisation_written_out_keeps_channels_apart(settings: dict[str, object]) -> None:
    b = Builder(np.random.default_rng(1))
    opened = closed(b, normal(b, hidden(b), **settings))  # type: ignore[arg-type]  # as the parameters list them
    (link,) = opened.wiring.flow.links[opened.layers[0].name]
    assert link.kind is FlowKind.NORMALISED
    np.testing.assert_array_equal(link.features, link.children)


def cube(b: Builder, h: str) -> str:
    return normal(b, h, power=3.0)


def gated_square(b: Builder, h: str) -> str:
    centred = b.add("Sub", [h, b.add("ReduceMean", [h], axes=[1], keepdims=1)])
    gate = b.add("Exp", [b.add("MatMul", ["x", b.weight(6, 8)])])
    square = b.add("Mul", [centred, b.add("Mul", [centred, gate])])
    variance = b.add("ReduceMean", [square], axes=[1], keepdims=1)
    return b.add("Div", [centred, b.add("Sqrt", [b.add("Abs", [variance])])])


def gate_in_place_of_epsilon(b: Builder, h: str) -> str:
    return normal(b, h, eps=b.add("Exp", [b.add("MatMul", ["x", b.weight(6, 8)])]))


def mean_over_other_axes(b: Builder, h: str) -> str:
    centred = b.add("Sub", [h, b.add("ReduceMean", [h], axes=[1], keepdims=1)])
    variance = b.add("ReduceMean", [b.add("Mul", [centred, centred])], axes=[-1], keepdims=1)
    root = b.add("Sqrt", [b.add("Add", [variance, b.store(np.array(1e-5, np.float32))])])
    return b.add("Mul", [centred, root])  # times it, not over it


@pytest.mark.parametrize("build", [cube, gated_square, gate_in_place_of_epsilon, mean_over_other_axes])
def test_what_only_looks_like_a_normalisation_mixes(build: Callable[[Builder, str], str]) -> None:
    b = Builder(np.random.default_rng(2))
    opened = closed(b, build(b, hidden(b)))
    assert FlowKind.UNTRACKED in kinds(opened, 0)
    assert all(kinds(opened, number) for number in range(1, len(opened.layers) - 1))  # no gate's flow is lost


def test_a_mean_that_is_used_elsewhere_too_is_not_lost() -> None:
    b = Builder(np.random.default_rng(3))
    h = hidden(b)
    mean = b.add("ReduceMean", [h], axes=[1], keepdims=1)
    centred = b.add("Sub", [h, mean])
    variance = b.add("ReduceMean", [b.add("Mul", [centred, centred])], axes=[1], keepdims=1)
    root = b.add("Sqrt", [b.add("Add", [variance, b.store(np.array(1e-5, np.float32))])])
    both = b.add("Concat", [b.add("Div", [centred, root]), mean], axis=1)
    assert kinds(closed(b, both, 9)) == {FlowKind.UNTRACKED}


@pytest.mark.parametrize("name", ["MatMulInteger, DynamicQuantizeLinear", "com.microsoft DynamicQuantizeMatMul"])
def test_the_range_of_a_quantised_tensor_does_not_hide_which_channel_goes_where(name: str) -> None:
    opened, _ = open_specimen(next(specimen for specimen in ZOO if specimen.name == name))
    for layer in opened.layers[:-1]:
        assert {link.kind for link in opened.wiring.flow.links[layer.name]} <= {FlowKind.NORMALISED, FlowKind.TRACKED}


def test_a_range_that_scales_something_else_is_not_lost() -> None:
    b = Builder(np.random.default_rng(4))
    h = hidden(b)
    b.ops.append(helper.make_node("DynamicQuantizeLinear", [h], ["q", "s", "z"]))
    other = b.add("MatMul", ["x", b.weight(6, 4)])
    opened = closed(b, b.add("Mul", [other, "s"]), 4)
    first = next(layer for layer in opened.layers if layer.output == h)
    assert {link.kind for link in opened.wiring.flow.links[first.name]} == {FlowKind.UNTRACKED}
