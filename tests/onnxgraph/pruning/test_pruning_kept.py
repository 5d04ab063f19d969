"""Channels that the pruned form keeps, and the op or tensor it names as the reason."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.analysis.formats.masks import ReadingRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from tests.support.networks import mlp
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
    residual,
)
from tests.support.repairs import repaired


def test_a_shape_that_cannot_be_followed_keeps_the_channels() -> None:
    b = builder()
    maps = conv(b, "x", 4, 3)
    features = b.add("Mul", [b.add("Gather", [b.add("Shape", ["x"]), b.integers(2)], axis=0), b.integers(24)])
    shape = b.add("Concat", [b.integers(-1), features], axis=0)  # 6 * 24 = 4 * 36: it does not ask the maps
    proto = b.model(MAPS, gemm(b, b.add("Reshape", [maps, shape]), 144, 3))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 1), *range(36)))
    assert "(Reshape)" in caught.value.where


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


def test_a_quantised_weight_of_two_layers_keeps_its_channels() -> None:
    b = builder()
    weight = quantised(b, b.rng.normal(size=(4, 4)).astype(np.float32), None)
    first = b.add("Relu", [b.add("MatMul", [b.add("Relu", [gemm(b, "x", 5, 4)]), weight])])
    proto = b.model(["N", 5], gemm(b, b.add("Relu", [b.add("MatMul", [first, weight])]), 4, 3))
    with pytest.raises(ModelError) as caught:
        repaired(proto, Form.PRUNED, masked(layer_at(proto, 3), 2))
    assert "(MatMul)" in caught.value.where
    assert "something else uses its quantised operand too" in caught.value.why


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
