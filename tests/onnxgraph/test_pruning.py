"""The pruned form on small graphs with known answers: what goes, what stays, and which op it stays for."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.analysis.masks import MaskRecord, ReadingRecord
from onnxcausal.analysis.repair import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.stored import count_parameters
from tests.networks import Builder, mlp
from tests.pruned import builder, conv, gemm, head, layer_at, layers_of, lost, masked, prune, stored
from tests.repairs import repaired

MAPS: list[int | str] = ["N", 3, 6, 6]


def batchnorm(b: Builder, x: str, size: int) -> str:
    scale, variance = (b.store(b.rng.uniform(0.5, 1.5, size).astype(np.float32)) for _ in range(2))
    return b.add("BatchNormalization", [x, scale, b.weight(size), b.weight(size), variance])


def chain() -> onnx.ModelProto:
    b = builder()
    first = b.add("Relu", [batchnorm(b, conv(b, "x", 5, 3), 5)])
    return b.model(MAPS, head(b, b.add("Relu", [conv(b, first, 4, 5)]), 4))


def test_a_masked_channel_leaves_its_layer_the_ops_between_and_the_layers_that_read_it() -> None:
    proto = chain()
    found = prune(proto, masked(layer_at(proto, 1), 1, 3))
    before, after = stored(proto), stored(found.proto)
    first, second = proto.graph.node[0], proto.graph.node[3]
    for name in (*first.input[1:], *proto.graph.node[1].input[1:]):
        np.testing.assert_array_equal(after[name], np.delete(before[name], [1, 3], axis=0))
    np.testing.assert_array_equal(after[second.input[1]], np.delete(before[second.input[1]], [1, 3], axis=1))
    untouched = {tensor.name: tensor for tensor in proto.graph.initializer}
    for tensor in found.proto.graph.initializer:
        if tensor.name not in (*first.input, *proto.graph.node[1].input, second.input[1]):
            assert tensor == untouched[tensor.name]
    assert lost(found) == {layer_at(proto, 0): ((), (1, 3)), layer_at(proto, 1): ((1, 3), ())}
    assert not found.kept


def test_the_graph_is_as_it_was_and_stated_shapes_are_those_of_the_smaller_tensors() -> None:
    proto = chain()
    proto.doc_string, proto.graph.node[0].doc_string = "a model", "an op"
    found = prune(proto, masked(layer_at(proto, 1), 1, 3)).proto
    assert found.graph.node == proto.graph.node
    assert found.doc_string == proto.doc_string
    assert [value.name for value in found.graph.value_info] == [value.name for value in proto.graph.value_info]
    inferred = onnx.ModelProto()
    inferred.CopyFrom(found)
    del inferred.graph.value_info[:]
    expected = {value.name: value for value in onnx.shape_inference.infer_shapes(inferred).graph.value_info}
    assert all(value == expected[value.name] for value in found.graph.value_info)


def test_what_was_not_masked_in_full_stays() -> None:
    proto = chain()
    entries = [masked(layer_at(proto, 1), 0, beta=0.5), masked(layer_at(proto, 1), 2, children=[0, 1, 3])]
    found = prune(proto, *entries)
    assert not found.removed
    assert not found.kept
    folded = repaired(proto, Form.FOLDED, *entries).proto
    assert found.proto.graph == folded.graph


def test_a_child_that_nothing_reads_takes_its_parents_with_it_layer_by_layer() -> None:
    b = builder()
    wide = conv(b, b.add("Relu", [conv(b, "x", 4, 3)]), 8, 4, group=4)  # two children a parent
    proto = b.model(MAPS, head(b, wide, 8))
    found = prune(proto, masked(layer_at(proto, 2), 2, 3, 6, 7))
    assert lost(found) == {
        layer_at(proto, 0): ((), (1, 3)),
        layer_at(proto, 1): ((1, 3), (2, 3, 6, 7)),
        layer_at(proto, 2): ((2, 3, 6, 7), ()),
    }
    attributes = {entry.name: entry.i for entry in found.proto.graph.node[2].attribute}
    assert attributes["group"] == 2


def test_half_of_a_depthwise_parents_children_stays_with_the_other_half() -> None:
    b = builder()
    wide = conv(b, conv(b, "x", 4, 3), 8, 4, group=4)
    proto = b.model(MAPS, head(b, wide, 8))
    found = prune(proto, masked(layer_at(proto, 2), 0, 2, 3))
    assert lost(found)[layer_at(proto, 1)] == ((1,), (2, 3))
    (kept,) = found.kept
    assert (kept.layer, kept.nodes, kept.reason.op) == (layer_at(proto, 2), (0,), "/conv_1/Conv")
    assert "groups must stay of one size" in kept.reason.why


def test_groups_lose_as_many_each_and_whole_ones_go() -> None:
    b = builder()
    middle = conv(b, conv(b, "x", 6, 3), 6, 6, group=3)
    proto = b.model(MAPS, head(b, middle, 6))
    names = [layer_at(proto, number) for number in range(3)]
    # The last group goes; of the other two, one parent each, though the first could lose both.
    entries = [masked(names[1], 0, 1, 3), masked(names[2], 4, 5)]
    found = prune(proto, *entries)
    assert lost(found) == {names[0]: ((), (1, 3, 4, 5)), names[1]: ((1, 3, 4, 5), (4, 5)), names[2]: ((4, 5), ())}
    assert [(kept.layer, kept.nodes) for kept in found.kept] == [(names[1], (0,))]


def residual() -> onnx.ModelProto:
    b = builder()
    stem = b.add("Relu", [conv(b, "x", 4, 3)])
    branch = conv(b, b.add("Relu", [conv(b, stem, 5, 4)]), 4, 5)
    return b.model(MAPS, head(b, b.add("Relu", [b.add("Add", [branch, stem])]), 4))


def test_a_channel_of_a_residual_stream_goes_from_all_that_make_and_read_it_or_from_none() -> None:
    proto = residual()
    names = [layer_at(proto, number) for number in range(4)]
    found = prune(proto, masked(names[1], 2), masked(names[3], 2))
    assert lost(found) == {names[0]: ((), (2,)), names[1]: ((2,), ()), names[2]: ((), (2,)), names[3]: ((2,), ())}
    with pytest.raises(ModelError, match="no channel can be removed") as caught:
        repaired(proto, Form.PRUNED, masked(names[3], 2))
    assert "/conv_2/Conv (Conv)" in caught.value.where
    assert "still reads the channel" in caught.value.why
    assert "--form folded" in caught.value.remedy


def test_the_end_of_a_branch_goes_where_the_stream_goes_on_without_it() -> None:
    b = builder()
    both = b.add("Concat", [conv(b, "x", 3, 3), conv(b, "x", 4, 3)], axis=1)
    proto = b.model(MAPS, head(b, b.add("Relu", [both]), 7))
    names = [layer_at(proto, number) for number in range(3)]
    found = prune(proto, masked(names[2], 1, 3, 6))
    assert lost(found) == {names[0]: ((), (1,)), names[1]: ((), (0, 3)), names[2]: ((1, 3, 6), ())}


def test_a_constant_channel_is_no_useless_one() -> None:
    proto = chain()
    found = prune(proto, masked(layer_at(proto, 1), *range(5), children=[2]))  # child 2 is its bias from now on
    assert not found.removed


def test_one_channel_of_each_tensor_stays() -> None:
    proto = chain()
    found = prune(proto, masked(layer_at(proto, 1), *range(5)))
    assert lost(found) == {layer_at(proto, 0): ((), (1, 2, 3, 4)), layer_at(proto, 1): ((1, 2, 3, 4), ())}
    (kept,) = found.kept
    assert (kept.nodes, kept.reason.op, kept.reason.why) == (
        (0,),
        "/conv_0/Conv",
        "one channel of its result must stay",
    )


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


def test_a_shape_that_cannot_be_followed_keeps_the_channels() -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    features = b.add("Mul", [b.add("Gather", [b.add("Shape", ["x"]), b.integers(2)], axis=0), b.integers(24)])
    shape = b.add("Concat", [b.integers(-1), features], axis=0)  # 6 * 24 = 4 * 36: it does not ask the maps
    proto = b.model(MAPS, gemm(b, b.add("Reshape", [maps, shape]), 144, 3))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), *range(36)))
    assert "(Reshape)" in caught.value.where


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


def test_a_computation_with_the_number_of_channels_keeps_them() -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    count = b.add("Cast", [b.add("Gather", [b.add("Shape", [maps]), b.integers(1)], axis=0)], to=TensorProto.FLOAT)
    proto = b.model(MAPS, head(b, b.add("Div", [maps, count]), 4))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 1))
    assert "(Div)" in caught.value.where
    assert "counts the channels" in caught.value.why


def test_a_number_of_other_channels_keeps_none() -> None:
    b = builder()
    first = conv(b, "x", 4, 3)
    count = b.add("Cast", [b.add("Gather", [b.add("Shape", [first]), b.integers(1)], axis=0)], to=TensorProto.FLOAT)
    proto = b.model(MAPS, head(b, b.add("Div", [conv(b, first, 5, 4), count]), 5))
    found = prune(proto, masked(layer_at(proto, 1), 2), masked(layer_at(proto, 2), 3))
    assert lost(found) == {layer_at(proto, 1): ((), (3,)), layer_at(proto, 2): ((3,), ())}
    assert [(kept.nodes, kept.reason.op_type) for kept in found.kept] == [((2,), "Div")]


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


def quantised(b: Builder, values: np.ndarray, axis: int | None, *, zero: bool = True) -> str:
    """Store a quantised tensor and append the op that makes it float again."""
    others = tuple(number for number in range(values.ndim) if number != axis)
    scale = np.asarray(np.abs(values).max(axis=others if axis is not None else None) / 100, np.float32)
    by = scale if axis is None else scale.reshape([-1 if number == axis else 1 for number in range(values.ndim)])
    stored_values = b.store(np.rint(values / by).astype(np.int8))
    inputs = [stored_values, b.store(scale), *([b.store(np.zeros(scale.shape, np.int8))] if zero else [])]
    return b.add("DequantizeLinear", inputs, **({} if axis is None else {"axis": axis}))


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


def test_a_quantised_weight_of_two_layers_keeps_its_channels() -> None:
    b = builder()
    weight = quantised(b, b.rng.normal(size=(4, 4)).astype(np.float32), None)
    first = b.add("Relu", [b.add("MatMul", [b.add("Relu", [gemm(b, "x", 5, 4)]), weight])])
    proto = b.model(["N", 5], gemm(b, b.add("Relu", [b.add("MatMul", [first, weight])]), 4, 3))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 3), 2))
    assert "(MatMul)" in caught.value.where
    assert "something else uses its quantised operand too" in caught.value.why


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


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_a_gemm_follows_either_way_its_weight_lies(trans_a: bool, trans_b: bool) -> None:
    b = builder()
    hidden = b.add("Relu", [gemm(b, "x", 5, 6)])
    data = b.add("Transpose", [hidden], perm=[1, 0]) if trans_a else hidden
    weight = b.weight(3, 6) if trans_b else b.weight(6, 3)
    out = b.add("Gemm", [data, weight, b.weight(1, 3)], transA=int(trans_a), transB=int(trans_b))
    proto = b.model(["N", 5], out)
    found = prune(proto, masked(layer_at(proto, 1), 4, 1))
    assert lost(found) == {layer_at(proto, 0): ((), (1, 4)), layer_at(proto, 1): ((1, 4), ())}
    assert stored(found.proto)[weight].shape == ((3, 4) if trans_b else (4, 3))


def test_parameters_of_ops_between_follow_wherever_they_are_stored() -> None:
    b = builder()
    slope = b.store(np.linspace(0.1, 0.5, 5).astype(np.float32).reshape(5, 1, 1))
    maps = b.add("PRelu", [conv(b, "x", 5, 3), slope])
    constant = helper.make_tensor("c", 1, [1, 5, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0])
    scaled = b.add("Mul", [b.add("Constant", [], value=constant), maps])
    turned = b.add("Reshape", [b.weight(5), b.integers(1, 5, 1, 1)])
    proto = b.model(
        MAPS, head(b, b.add("InstanceNormalization", [b.add("Add", [scaled, turned]), *(b.weight(5),) * 2]), 5)
    )
    found = prune(proto, masked(layer_at(proto, 1), 0, 3))
    after = stored(found.proto)
    assert after[slope].shape == (3, 1, 1)
    held = next(op for op in found.proto.graph.node if op.op_type == "Constant").attribute[0].t
    assert list(held.dims) == [1, 3, 1, 1]


def test_two_uses_that_lose_the_same_share_the_smaller_weight_and_others_get_their_own() -> None:
    b = builder()
    weight = b.weight(4, 4)
    first = b.add("MatMul", [b.add("Relu", [gemm(b, "x", 5, 4)]), weight])
    second = b.add("MatMul", [b.add("Relu", [first]), weight])
    proto = b.model(["N", 5], gemm(b, b.add("Relu", [second]), 4, 3))
    name = [layer_at(proto, number) for number in range(4)]
    # The first use loses child 1 alone, the second parent 1 and child 1.
    found = prune(proto, masked(name[2], 1), masked(name[3], 1))
    assert lost(found)[name[1]] == ((), (1,))
    assert lost(found)[name[2]] == ((1,), (1,))
    shapes = sorted(value.shape for tensor, value in stored(found.proto).items() if value.ndim == 2)
    assert (4, 3) in shapes
    assert (3, 3) in shapes
    assert weight not in stored(found.proto) or stored(found.proto)[weight].shape != (4, 4)


def test_the_same_parameter_of_two_ops_on_coupled_channels_is_cut_once() -> None:
    b = builder()
    shared = b.weight(4)
    one, other = (b.add("Mul", [b.add("Transpose", [conv(b, "x", 4, 3)], perm=[0, 2, 3, 1]), shared]) for _ in range(2))
    maps = b.add("Transpose", [b.add("Add", [one, other])], perm=[0, 3, 1, 2])
    proto = b.model(MAPS, head(b, maps, 4))
    found = prune(proto, masked(layer_at(proto, 2), 2))
    assert stored(found.proto)[shared].shape == (3,)
    assert found.proto.graph.node == proto.graph.node


def across(op: str) -> onnx.ModelProto:
    b = builder()
    maps = conv(b, "x", 4, 3)
    match op:
        case "LayerNormalization":
            last = b.add("Transpose", [maps], perm=[0, 2, 3, 1])
            normal = b.add("LayerNormalization", [last, b.weight(4)])
            out = b.add("Transpose", [normal], perm=[0, 3, 1, 2])
        case "LRN":
            out = b.add("LRN", [maps], size=3)
        case "Softmax":
            out = b.add("Softmax", [maps], axis=1)
        case "ReduceMean":
            out = b.add("Mul", [maps, b.add("ReduceMean", [maps, b.integers(1)])])
        case "CumSum":
            out = b.add("CumSum", [maps, b.store(np.array(1, np.int64))])
        case "Einsum":
            out = b.add("Einsum", [maps], equation="nchw->nwhc")
            out = b.add("Transpose", [out], perm=[0, 3, 2, 1])
        case "MatMul":
            tokens = b.add("Reshape", [maps, b.integers(0, 4, 36)])
            product = b.add("MatMul", [tokens, b.add("Transpose", [tokens], perm=[0, 2, 1])])
            out = b.add("Unsqueeze", [product, b.integers(3)])
        case _:
            out = b.add(
                "Add",
                [maps, b.add("Slice", [b.add("Tile", ["x", b.integers(1, 2, 1, 1)]), *map(b.integers, (0, 4, 1))])],
            )
    return b.model(MAPS, head(b, out, 4), opset=21)


@pytest.mark.parametrize(
    "op", ["LayerNormalization", "LRN", "Softmax", "ReduceMean", "CumSum", "Einsum", "MatMul", "Add"]
)
def test_an_op_that_needs_all_channels_is_named(op: str) -> None:
    proto = across(op)
    with pytest.raises(ModelError, match="no channel can be removed") as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 2))
    assert f"({op})" in caught.value.where


def test_features_of_the_models_input_stay() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 0), 1))
    assert "reads x, which is an input of the model" in caught.value.why
    found = prune(proto, masked(layer_at(proto, 0), 1), masked(layer_at(proto, 1), 2))
    assert [(kept.layer, kept.nodes) for kept in found.kept] == [(layer_at(proto, 0), (1,))]
    assert lost(found) == {layer_at(proto, 0): ((), (2,)), layer_at(proto, 1): ((2,), ())}


def test_an_output_keeps_its_shape() -> None:
    proto = residual()
    hidden = proto.graph.node[1].output[0]
    proto.graph.output.append(helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["N", 4, 6, 6]))
    names = [layer_at(proto, number) for number in range(4)]
    scores = ReadingRecord(output=proto.graph.output[0].name)
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(names[1], 2), masked(names[3], 2), reading=scores)
    assert f"gives out what it makes, as {hidden}" in caught.value.why


def test_what_a_body_takes_from_around_it_stays() -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    bodies = [
        helper.make_graph([helper.make_node(op, [maps], [op])], op, [], [helper.make_tensor_value_info(op, 1, None)])
        for op in ("Relu", "Neg")
    ]
    condition = b.store(np.array(1, np.bool_))
    chosen = b.add("If", [condition], then_branch=bodies[0], else_branch=bodies[1])
    proto = b.model(MAPS, head(b, chosen, 4))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 2))
    assert "(If)" in caught.value.where


@pytest.mark.parametrize("read", [False, True])
def test_what_nothing_used_before_stays_as_it_was(read: bool) -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    if read:
        conv(b, maps, 2, 4)  # nothing reads what it makes
    first = b.add("Slice", [maps, b.integers(0), b.integers(2), b.integers(1)])
    proto = b.model(MAPS, head(b, first, 2))
    reader = layer_at(proto, -1)
    if read:
        with pytest.raises(ModelError) as caught:
            repaired(proto, Form.PRUNED, masked(reader, 1))
        assert "/conv_1/Conv" in caught.value.where
    else:
        assert lost(prune(proto, masked(reader, 1))) == {layer_at(proto, 0): ((), (1,)), reader: ((1,), ())}


def test_a_weight_that_may_be_fed_is_smaller_from_now_on() -> None:
    proto = chain()
    weight = proto.graph.node[0].input[1]
    proto.graph.input.append(helper.make_tensor_value_info(weight, TensorProto.FLOAT, [5, 3, 3, 3]))
    found = prune(proto, masked(layer_at(proto, 1), 1)).proto
    assert [size.dim_value for size in found.graph.input[1].type.tensor_type.shape.dim] == [4, 3, 3, 3]


def test_a_parameter_that_may_be_fed_to_two_ops_keeps_the_channels() -> None:
    b = builder()
    slope = b.store(np.full((4, 1, 1), 0.5, np.float32))
    maps = b.add("Mul", [b.add("PRelu", [conv(b, "x", 4, 3), slope]), slope])
    proto = b.model(MAPS, head(b, maps, 4))
    proto.graph.input.append(helper.make_tensor_value_info(slope, TensorProto.FLOAT, [4, 1, 1]))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 2))
    assert "(PRelu)" in caught.value.where


def test_a_shape_that_may_be_fed_to_two_ops_keeps_the_channels() -> None:
    b = builder()
    shape = b.integers(0, 4, 36)
    one = b.add("Reshape", [conv(b, "x", 4, 3), shape])
    other = b.add("Reshape", [conv(b, "x", 4, 3), shape])
    flat = b.add("ReduceMean", [one, b.integers(2)], keepdims=0)
    proto = b.model(
        MAPS, b.add("Add", [gemm(b, flat, 4, 3), b.add("ReduceMean", [other, b.integers(1, 2)], keepdims=0)]), opset=18
    )
    reader = layer_at(proto, 2)
    assert lost(prune(proto, masked(reader, 2)))[reader] == ((2,), ())  # the one that changes gets its own
    proto.graph.input.append(helper.make_tensor_value_info(shape, TensorProto.INT64, [3]))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(reader, 2))
    assert "(Reshape)" in caught.value.where


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_channels_that_are_mirrored_stay(mode: str) -> None:
    b = builder()
    wide = b.add("Pad", [conv(b, "x", 4, 3), b.integers(0, 1, 0, 0, 0, 1, 0, 0)], mode=mode)
    proto = b.model(MAPS, head(b, wide, 6))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 2, 3))
    assert "otherwise than with a constant" in caught.value.why


def test_numbers_of_less_than_a_byte_stay() -> None:
    b = builder()
    hidden = gemm(b, "x", 5, 6)
    scale = b.store(np.array(0.1, np.float32))
    weight = b.add("DequantizeLinear", ["narrow", scale])
    narrow = helper.make_tensor("narrow", TensorProto.INT4, [6, 4], b.rng.integers(-8, 8, 24).tolist())
    middle = b.add("Relu", [b.add("MatMul", [hidden, weight])])
    out = gemm(b, middle, 4, 3)
    graph = b.graph(["N", 5], out)
    graph.initializer.append(narrow)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, -1), 2))
    assert "(MatMul)" in caught.value.where


def test_ir_3_lists_the_smaller_tensors_as_inputs() -> None:
    proto = chain()
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    found = prune(proto, masked(layer_at(proto, 1), 1, 3)).proto
    sizes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in found.graph.input}
    assert all(sizes[tensor.name] == list(tensor.dims) for tensor in found.graph.initializer)


def test_ops_in_another_order_are_followed_all_the_same() -> None:
    proto = chain()
    ops = list(proto.graph.node)[::-1]
    plain = repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), 1, 3))
    shuffled = onnx.ModelProto()
    shuffled.CopyFrom(proto)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(ops)
    (reader,) = [layer.name for layer in layers_of(shuffled) if layer.parents == 5]
    found = repaired(shuffled, Form.PRUNED, masked(reader, 1, 3))
    assert found.proto.graph.initializer == plain.proto.graph.initializer


def test_the_file_has_fewer_numbers() -> None:
    proto = chain()
    found = prune(proto, masked(layer_at(proto, 1), 1, 3)).proto
    saved = 2 * (3 * 9 + 1) + 2 * 4 + 2 * 4 * 9  # rows and biases, what normalises them, and the columns that read them
    assert count_parameters(proto).number - count_parameters(found).number == saved


def test_entries_of_one_parent_together_mask_it_in_full() -> None:
    proto = chain()
    name = layer_at(proto, 1)
    entries = [MaskRecord(layer=name, parents=[2], children=[0, 1], beta=0.0), masked(name, 2, children=[2, 3])]
    assert lost(prune(proto, *entries))[name] == ((2,), ())
