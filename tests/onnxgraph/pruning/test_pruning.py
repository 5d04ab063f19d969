"""The pruned form on small graphs with known answers: which channels go, and what is left of the graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from tests.support.pruned import (
    MAPS,
    builder,
    chain,
    conv,
    gemm,
    head,
    layer_at,
    layers_of,
    lost,
    masked,
    prune,
    residual,
    stored,
)
from tests.support.repairs import repaired


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


def test_a_weight_that_may_be_fed_is_smaller_from_now_on() -> None:
    proto = chain()
    weight = proto.graph.node[0].input[1]
    proto.graph.input.append(helper.make_tensor_value_info(weight, TensorProto.FLOAT, [5, 3, 3, 3]))
    found = prune(proto, masked(layer_at(proto, 1), 1)).proto
    assert [size.dim_value for size in found.graph.input[1].type.tensor_type.shape.dim] == [4, 3, 3, 3]


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
