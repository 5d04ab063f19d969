"""The pruned form where ops between layers move, join or count channels: what they need follows."""

import numpy as np
import onnx
import pytest
from onnx import helper

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from tests.support.pruned import (
    MAPS,
    builder,
    conv,
    gemm,
    head,
    layer_at,
    lost,
    masked,
    prune,
    quantised,
    stored,
)
from tests.support.repairs import repaired


def test_a_flattened_map_goes_when_all_its_features_are_masked() -> None:
    b = builder()
    flat = b.add("Flatten", [b.add("Relu", [conv(b, "x", 4, 3)])])
    proto = b.model(MAPS, gemm(b, flat, 4 * 36, 3))
    name = layer_at(proto, 1)
    found = prune(proto, masked(name, *range(36, 72), *range(110, 120)))
    assert lost(found) == {layer_at(proto, 0): ((), (1,)), name: (tuple(range(36, 72)), ())}
    assert [(kept.nodes, kept.reason.op) for kept in found.kept] == [(tuple(range(110, 120)), "/gemm_3/Gemm")]


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_number_of_features_in_a_shape_follows(dynamic: bool) -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    shape = b.integers(-1, 144)
    if dynamic:
        size = b.add("Gather", [b.add("Shape", [maps]), b.integers(0)], axis=0)
        shape = b.add("Concat", [size, b.integers(144)], axis=0)
    proto = b.model(MAPS, gemm(b, b.add("Reshape", [maps, shape]), 144, 3))
    found = prune(proto, masked(layer_at(proto, 1), *range(36)))
    assert lost(found)[layer_at(proto, 0)] == ((), (0,))
    assert any(value.tolist() in ([-1, 108], [108]) for value in stored(found.proto).values())


@pytest.mark.parametrize("follows", [False, True])
def test_sizes_that_follow_from_shapes_follow_by_themselves_or_keep_the_channels(follows: bool) -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    channels = b.add("Slice", [b.add("Shape", [maps if follows else "x"]), b.integers(1), b.integers(2), b.integers(0)])
    rest = b.add("Sub", [channels, b.integers(1)])
    sizes = (
        b.add("Concat", [b.integers(1), rest], axis=0)
        if follows
        else b.add("Concat", [b.integers(1), channels], axis=0)
    )
    b.ops.append(helper.make_node("Split", [maps, sizes], ["one", "others"], name="/split/Split", axis=1))
    proto = b.model(MAPS, head(b, b.add("Relu", ["others"]), 3))
    reader = layer_at(proto, 1)
    if follows:
        assert lost(prune(proto, masked(reader, 1))) == {layer_at(proto, 0): ((), (2,)), reader: ((1,), ())}
    else:
        with pytest.raises(ModelError) as caught:
            repaired(proto, Form.PRUNED, masked(reader, 1))
        assert "(Split)" in caught.value.where


def moved(op: str, opset: int) -> onnx.ModelProto:
    """Return a convolution of 6 channels, an op that moves some of them, and a layer that reads 4."""
    b = builder()
    maps = conv(b, "x", 6, 3)
    vectors = {"starts": [1, 0], "ends": [5, 6], "axes": [1, 2]}
    if op == "Slice":
        inputs = [b.integers(*values) for values in vectors.values()] if opset >= 10 else []
        out = b.add("Slice", [maps, *inputs], **({} if opset >= 10 else vectors))
    elif op == "Gather":
        out = b.add("Gather", [maps, b.integers(5, 0, -3 if opset >= 11 else 3, 1)], axis=1)
    elif op == "Split":
        parts = [f"part_{number}" for number in range(3)]
        if opset >= 13:
            op_here = helper.make_node("Split", [maps, b.integers(1, 4, 1)], parts, name="/split/Split", axis=1)
        else:
            op_here = helper.make_node("Split", [maps], parts, name="/split/Split", axis=1, split=[1, 4, 1])
        b.ops.append(op_here)
        b.add("Identity", [parts[0]])
        out = parts[1]
    else:
        half = b.add("Gather", [maps, b.integers(1, 4)], axis=1)
        pads = [0, 1, 1, 1, 0, 1, 1, 1]
        inputs = [b.integers(*pads)] if opset >= 11 else []
        wide = b.add("Pad", [half, *inputs], **({} if opset >= 11 else {"pads": pads}))
        out = b.add("Relu", [wide])
    return b.model(MAPS, head(b, out, 4), opset=opset)


@pytest.mark.parametrize("opset", [8, 11, 17, 21])
@pytest.mark.parametrize(("op", "child"), [("Slice", 3), ("Gather", 3), ("Split", 3), ("Pad", 4)])
def test_ops_that_move_channels_follow(op: str, child: int, opset: int) -> None:
    proto = moved(op, opset)
    found = prune(proto, masked(layer_at(proto, 1), 2))
    assert lost(found) == {layer_at(proto, 0): ((), (child,)), layer_at(proto, 1): ((2,), ())}


@pytest.mark.parametrize("op", ["Resize", "Expand", "Tile", "Where", "SpaceToDepth"])
def test_ops_that_name_the_shape_of_their_result_follow(op: str) -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    match op:
        case "Resize":
            out = b.add("Resize", [maps, "", "", b.integers(1, 4, 12, 12)], mode="nearest")
        case "Expand":
            out = b.add("Expand", [b.add("GlobalMaxPool", [maps]), b.integers(4, 5, 5)])
        case "Tile":
            out = b.add("Tile", [maps, b.integers(1, 2, 1, 1)])
        case "SpaceToDepth":
            out = b.add("SpaceToDepth", [maps], blocksize=2)
        case _:
            other = b.store(np.linspace(-1, 1, 4).astype(np.float32).reshape(1, 4, 1, 1))
            chosen = b.add("Greater", [maps, other])
            out = b.add("Where", [chosen, maps, other])
    width = {"Tile": 8, "SpaceToDepth": 16}.get(op, 4)
    proto = b.model([1, 3, 6, 6], head(b, out, width))
    reader = layer_at(proto, 1)
    found = prune(proto, masked(reader, *range(1, width, 4), *range(3, width, 4)))
    assert lost(found)[layer_at(proto, 0)] == ((), (1, 3))
    assert not found.kept
    if width > 4:  # the second copy is read, so that the first one stays too
        some = prune(proto, masked(reader, 1, *range(3, width, 4)))
        assert lost(some)[layer_at(proto, 0)] == ((), (3,))
        assert [(kept.nodes, kept.reason.why) for kept in some.kept] == [((1,), "it still reads the channel")]


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("turned", [False, True])
def test_quantised_weights_lose_channels_with_their_scales(axis: int | None, turned: bool) -> None:
    b = builder()
    hidden = b.add("Relu", [gemm(b, "x", 5, 6)])
    weights = b.rng.normal(size=(4, 6)).astype(np.float32)
    weight = quantised(b, weights if turned else weights.T, axis)
    if turned:
        weight = b.add("Transpose", [weight], perm=[1, 0])
    middle = b.add("Relu", [b.add("MatMul", [hidden, weight])])
    proto = b.model(["N", 5], gemm(b, middle, 4, 3))
    found = prune(proto, masked(layer_at(proto, 1), 0, 5), masked(layer_at(proto, 2), 2), optimised=False)
    assert lost(found)[layer_at(proto, 1)] == ((0, 5), (2,))
    dequantise = next(op for op in found.proto.graph.node if op.op_type == "DequantizeLinear")
    held = stored(found.proto)
    assert held[dequantise.input[0]].shape == ((3, 4) if turned else (4, 3))
    assert held[dequantise.input[0]].dtype == np.int8
    length = () if axis is None else (held[dequantise.input[0]].shape[axis],)
    assert held[dequantise.input[1]].shape == held[dequantise.input[2]].shape == length
    assert found.proto.graph.node == proto.graph.node


def test_scales_of_quantised_channels_follow() -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    scales = [
        b.store(np.array(values, kind))
        for values, kind in (([0.1, 0.2, 0.3, 0.4], np.float32), ([3, 2, 1, 0], np.uint8))
    ]
    rounded = b.add("DequantizeLinear", [b.add("QuantizeLinear", [maps, *scales], axis=1), *scales], axis=1)
    proto = b.model(MAPS, head(b, rounded, 4))
    found = prune(proto, masked(layer_at(proto, 1), 1), optimised=False)
    np.testing.assert_array_equal(stored(found.proto)[scales[1]], [3, 1, 0])


def test_channels_of_a_border_can_go_too() -> None:
    proto = moved("Pad", 17)
    found = prune(proto, masked(layer_at(proto, 1), 0))
    assert lost(found) == {layer_at(proto, 1): ((0,), ())}
    pads = next(value for name, value in stored(found.proto).items() if value.shape == (8,))
    np.testing.assert_array_equal(pads, [0, 0, 1, 1, 0, 1, 1, 1])


def test_a_border_beside_the_same_channel_twice() -> None:
    b = builder()
    twice = b.add("Gather", [conv(b, "x", 2, 3), b.integers(0, 0, 1)], axis=1)
    proto = b.model(MAPS, head(b, b.add("Pad", [twice, b.integers(0, 1, 0, 0, 0, 1, 0, 0)]), 5))
    found = prune(proto, masked(layer_at(proto, 1), 3))
    assert lost(found) == {layer_at(proto, 0): ((), (1,)), layer_at(proto, 1): ((3,), ())}


def test_equal_parts_are_stated_where_they_no_longer_are() -> None:
    b = builder()
    b.ops.append(
        helper.make_node("Split", [conv(b, "x", 4, 3)], ["one", "other"], name="/split/Split", axis=1, num_outputs=2)
    )
    both = b.add("Concat", [b.add("Relu", ["one"]), "other"], axis=1)
    proto = b.model(MAPS, head(b, both, 4), opset=18)
    found = prune(proto, masked(layer_at(proto, 1), 1)).proto
    split = found.graph.node[1]
    assert stored(found)[split.input[1]].tolist() == [1, 2]
    assert [entry.name for entry in split.attribute] == ["axis"]
    both_lose = prune(proto, masked(layer_at(proto, 1), 1, 2)).proto
    assert both_lose.graph.node[1] == proto.graph.node[1]


def test_a_shuffle_loses_a_row_of_channels_and_nothing_less() -> None:
    b = builder()
    maps = conv(b, "x", 6, 3)
    split = b.add("Reshape", [maps, b.integers(0, 2, 3, 6, 6)])
    turned = b.add("Transpose", [split], perm=[0, 2, 1, 3, 4])
    proto = b.model(MAPS, head(b, b.add("Reshape", [turned, b.integers(0, 6, 6, 6)]), 6))
    name = layer_at(proto, 1)
    found = prune(proto, masked(name, 2, 3))  # 2 and 3 after the shuffle are 1 and 4 before it
    assert lost(found) == {layer_at(proto, 0): ((), (1, 4)), name: ((2, 3), ())}
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(name, 2))
    assert "holes" in caught.value.why


def test_depth_goes_to_space_by_whole_channels() -> None:
    b = builder()
    space = b.add("DepthToSpace", [conv(b, "x", 8, 3)], blocksize=2)
    proto = b.model(MAPS, head(b, space, 2))
    found = prune(proto, masked(layer_at(proto, 1), 0))
    assert lost(found)[layer_at(proto, 0)] == ((), (0, 2, 4, 6))
