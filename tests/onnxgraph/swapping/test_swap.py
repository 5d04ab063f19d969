"""A layer computed by another file of its model: as defined by hand, and exactly as before if nothing differs."""

import itertools

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.causal.alignment import LayerOutline, match_layers
from onnxcausal.evaluation.deviation import Deviation, DeviationSum
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.swapping.swap import NotSwappableError, Side, Swap, Swapped
from onnxcausal.pipeline.localise import plain_names
from tests.support.networks import Builder
from tests.support.opened import Opened, open_proto
from tests.support.zoo import Specimen
from tests.support.zoo_quantised import PARENTS, QUANTISED

ROUNDED = 0.08
"""By how much 8 bits make a layer deviate, at most."""
BATCH = 5


def pairs(here: Opened, there: Opened) -> list[tuple[Layer, Layer]]:
    """Return the layers that are the same in two files."""
    outlines = [
        [
            LayerOutline(name, layer.op_type, layer.parents, layer.children, layer.groups)
            for name, layer in zip(plain_names([layer.name for layer in opened.layers]), opened.layers, strict=True)
        ]
        for opened in (here, there)
    ]
    return [(here.layers[match.old], there.layers[match.new]) for match in match_layers(*outlines)]


def swapped(host: Opened, layer: Layer, donor: Opened, others: Layer, x: NDArray[np.float32]) -> list[Swapped]:
    swap = Swap(Side(host.network, host.wiring), layer, Side(donor.network, donor.wiring), others)
    return list(swap.run(x, BATCH))


def deviation(found: list[Swapped], layer: Layer) -> Deviation:
    total = DeviationSum(layer.child_axis)
    for part in found:
        total.add(part.own, part.others)
    return total.found()


@pytest.mark.parametrize("specimen", QUANTISED, ids=lambda specimen: specimen.name)
def test_every_layer_of_every_kind_of_quantised_file_is_exchanged(specimen: Specimen) -> None:
    """What a layer in 8 bits makes of an input is what it makes in float, but for rounding; in both directions."""
    x = specimen.inputs()["x"]
    parent, quantised = open_proto(PARENTS[specimen.name](), x), open_proto(specimen.build(), x)
    matched = pairs(parent, quantised)
    assert len(matched) == len(parent.layers) == len(quantised.layers)
    for layer, others in matched:
        for host, own, donor, other in ((parent, layer, quantised, others), (quantised, others, parent, layer)):
            found = swapped(host, own, donor, other, x)
            assert 0 < deviation(found, own).whole < ROUNDED, own.name
            plain = np.concatenate([part.own_scores for part in found])
            scale = np.abs(plain).max()
            np.testing.assert_allclose(plain, host.network.scores(x), atol=0.02 * scale)


@pytest.mark.parametrize("specimen", QUANTISED[::3], ids=lambda specimen: specimen.name)
def test_a_file_against_itself_differs_in_nothing(specimen: Specimen) -> None:
    x = specimen.inputs()["x"]
    for proto in (PARENTS[specimen.name](), specimen.build()):
        here, there = open_proto(proto, x), open_proto(proto, x)
        for layer, others in pairs(here, there):
            found = swapped(here, layer, there, others, x)
            assert deviation(found, layer).whole == 0
            for part in found:
                np.testing.assert_array_equal(part.own, part.others)
                np.testing.assert_array_equal(part.own_scores, part.others_scores)


def stored(values: NDArray[np.generic], name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(values, name)


RNG = np.random.default_rng(0)
W1, B1 = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
W2, B2 = RNG.normal(size=(3, 4, 4, 4)).astype(np.float32), RNG.normal(size=3).astype(np.float32)
X = RNG.normal(size=(12, 3, 4, 4)).astype(np.float32)
SCALES = {"x": (0.02, -3), "w1": (0.02, 0), "h": (0.06, -128), "w2": (0.025, 0)}
"""Step and zero point of each tensor that is rounded."""


def step(name: str) -> list[onnx.TensorProto]:
    scale, zero = SCALES[name]
    return [stored(np.array(scale, np.float32), f"{name}_scale"), stored(np.array(zero, np.int8), f"{name}_zero")]


def rounding(tensor: str, name: str, output: str) -> list[onnx.NodeProto]:
    """Round a tensor to whole numbers and back."""
    settings = [f"{name}_scale", f"{name}_zero"]
    return [
        helper.make_node("QuantizeLinear", [tensor, *settings], [f"{output}_whole"]),
        helper.make_node("DequantizeLinear", [f"{output}_whole", *settings], [output]),
    ]


def by_hand(*, first: bool, second: bool, after: bool) -> onnx.ModelProto:
    """Return two Conv, the second of the whole map, with a ReLU between them.

    Args:
        first: round the input and the weight of the first.
        second: round the weight of the second.
        after: round what stands between the two layers.
    """
    ops = [*(rounding("x", "x", "xr") + rounding("w1", "w1", "w1r") if first else [])]
    given = ["xr", "w1r", "b1"] if first else ["x", "w1", "b1"]
    ops.append(helper.make_node("Conv", given, ["c"], name="conv", pads=[1] * 4))
    ops += [helper.make_node("Relu", ["c"], ["h"], name="relu"), *(rounding("h", "h", "hr") if after else [])]
    ops += rounding("w2", "w2", "w2r") if second else []
    given = ["hr" if after else "h", "w2r" if second else "w2", "b2"]
    ops += [helper.make_node("Conv", given, ["d"], name="fc"), helper.make_node("Flatten", ["d"], ["z"], name="flat")]
    graph = helper.make_graph(
        ops,
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3])],
        [stored(W1, "w1"), stored(B1, "b1"), stored(W2, "w2"), stored(B2, "b2"), *itertools.chain(*map(step, SCALES))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run_plain(proto: onnx.ModelProto, *outputs: str) -> list[NDArray[np.float32]]:
    """Return tensors of a file in ONNX Runtime, without anything that it would change."""
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name != "z")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    found: list[NDArray[np.float32]] = ort.InferenceSession(shown.SerializeToString(), options).run(
        list(outputs), {"x": X}
    )
    return found


@pytest.fixture(scope="module")
def both() -> tuple[Opened, Opened]:
    """Return the model in float, and with every rounding."""
    parent, quantised = (open_proto(by_hand(first=on, second=on, after=on), X) for on in (False, True))
    return parent, quantised


def assert_close(found: list[Swapped], held: str, wanted: NDArray[np.float32]) -> None:
    joined = np.concatenate([getattr(part, held) for part in found])
    np.testing.assert_allclose(joined, wanted, rtol=1e-6, atol=1e-6 * float(np.abs(wanted).max()), err_msg=held)


@pytest.mark.parametrize(("name", "makes"), [("conv", "hr"), ("fc", "d")])
def test_one_layer_alone_is_the_model_with_its_roundings_alone(
    both: tuple[Opened, Opened], name: str, makes: str
) -> None:
    """A layer rounds its input, its weight and what it makes; the file with these roundings alone is the definition."""
    parent, quantised = both
    layer = parent.layer(name)
    found = swapped(parent, layer, quantised, quantised.layer(name), X)
    made, scores = run_plain(by_hand(first=name == "conv", second=name == "fc", after=True), makes, "z")
    plain, before = run_plain(by_hand(first=False, second=False, after=False), makes.removesuffix("r"), "z")
    for held, wanted in zip(
        ("own", "others", "own_scores", "others_scores"), (plain, made, before, scores), strict=True
    ):
        assert_close(found, held, wanted)
    measured, difference = deviation(found, layer), (made - plain).astype(np.float64)
    centred = plain - plain.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    by_channel = np.sqrt((difference**2).mean(axis=(0, 2, 3)) / (centred**2).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(measured.channels, by_channel, atol=1e-6)
    assert measured.whole == pytest.approx(np.sqrt((difference**2).sum() / (centred**2).sum()), abs=1e-6)


@pytest.mark.parametrize("name", ["conv", "fc"])
def test_all_but_one_layer_is_the_file_without_its_roundings(both: tuple[Opened, Opened], name: str) -> None:
    parent, quantised = both
    found = swapped(quantised, quantised.layer(name), parent, parent.layer(name), X)
    assert_close(
        found, "others_scores", run_plain(by_hand(first=name == "fc", second=name == "conv", after=False), "z")[0]
    )
    assert_close(found, "own_scores", run_plain(by_hand(first=True, second=True, after=True), "z")[0])


def network(*, activation: bool, folded: bool = False, normalised: bool = False) -> onnx.ModelProto:
    """Return Conv, batch normalisation or weights that hold it, an activation, and a Gemm over places."""
    b = Builder(np.random.default_rng(1))
    factor = np.array([0.5, 2.0, 1.5, 3.0], np.float32)
    weight = W1 * factor[:, None, None, None] if folded else W1
    tensor = b.add("Conv", ["x", b.store(weight), b.store(B1 * factor if folded else B1)], pads=[1] * 4)
    if normalised:
        zeros, ones = np.zeros(4, np.float32), np.ones(4, np.float32)
        parts = [b.store(values) for values in (factor, zeros, zeros, ones)]
        tensor = b.add("BatchNormalization", [tensor, *parts], epsilon=0.0)
    if activation:
        tensor = b.add("Relu", [tensor])
    pooled = b.add("Flatten", [b.add("GlobalAveragePool", [tensor])])
    return b.model(["N", 3, 4, 4], b.add("Gemm", [pooled, b.store(W2[:, :, 0, 0].copy())], transB=1))


def test_a_normalisation_that_one_file_has_folded_belongs_to_its_layer() -> None:
    plain, folded = (open_proto(network(activation=True, folded=on, normalised=not on), X) for on in (False, True))
    (conv, others), _ = pairs(plain, folded)
    for host, own, donor, other in ((plain, conv, folded, others), (folded, others, plain, conv)):
        assert deviation(swapped(host, own, donor, other, X), own).whole < 1e-6


def test_a_layer_whose_activation_is_missing_in_the_other_file_is_not_exchanged() -> None:
    """Else a model without it would pass for one that rounds badly."""
    active, linear = (open_proto(network(activation=on), X) for on in (True, False))
    (conv, others), _ = pairs(active, linear)
    for host, own, donor, other in ((active, conv, linear, others), (linear, others, active, conv)):
        with pytest.raises(NotSwappableError, match="in one file alone"):
            swapped(host, own, donor, other, X)
