"""Layers of every kind, exact on their own."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.networks import Builder
from tests.support.opened import Opened, assert_equal_to_edited_weights, open_proto

RNG = np.random.default_rng(0)


def layers_of(proto: onnx.ModelProto) -> tuple[Layer, ...]:
    return find_layers(index_graph(proto, opset_of(proto)))


def opened(builder: Builder, shape: list[int], output: str, opset: int = 17) -> tuple[Opened, np.ndarray]:
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32)
    return open_proto(builder.model(["N", *shape], output, opset=opset), x), x


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_over_any_number_of_axes_are_exact(axes: int, transposed: bool) -> None:
    b = Builder(np.random.default_rng(axes))
    kernel, spatial = [3] * axes, [6] * axes
    if transposed:
        maps = b.add("ConvTranspose", ["x", b.weight(4, 3, *kernel), b.weight(6)], group=2, strides=[2] * axes)
    else:
        maps = b.add("Conv", ["x", b.weight(6, 2, *kernel), b.weight(6)], group=2, dilations=[2] * axes)
    pooled = b.add("GlobalAveragePool", [b.add("Relu", [maps])])
    model, x = opened(b, [4, *spatial], b.add("Gemm", [b.add("Flatten", [pooled]), b.weight(6, 3)]))
    assert_equal_to_edited_weights(model, x, 0.0, 1)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("weight_first", [False, True])
def test_gemm_is_exact_in_every_orientation(trans_a: int, trans_b: int, weight_first: bool) -> None:
    b = Builder(np.random.default_rng(0))
    turned = b.add("Transpose", ["x"], perm=[1, 0])
    attributes = {"transA": trans_a, "transB": trans_b, "alpha": 0.5, "beta": 3.0}
    if weight_first:
        weight = b.weight(5, 3) if trans_a else b.weight(3, 5)
        product = b.add("Gemm", [weight, "x" if trans_b else turned, b.weight(3, 1)], **attributes)
        output = b.add("Transpose", [product], perm=[1, 0])
    else:
        weight = b.weight(3, 5) if trans_b else b.weight(5, 3)
        output = b.add("Gemm", [turned if trans_a else "x", weight, b.weight(3)], **attributes)
    model, x = opened(b, [5], output)
    (layer,) = model.layers
    assert (layer.parents, layer.children) == (5, 3)
    assert_equal_to_edited_weights(model, x, 0.3, 2)


def one_weight_per_row(b: Builder) -> str:
    return b.add("Squeeze", [b.add("MatMul", ["x", b.weight(2, 5, 3)]), b.integers(2)])


MATMULS: dict[str, tuple[list[int], Callable[[Builder], str]]] = {
    "data first": ([2, 5], lambda b: b.add("MatMul", ["x", b.weight(5, 3)])),
    "weight first": ([5, 2], lambda b: b.add("Transpose", [b.add("MatMul", [b.weight(3, 5), "x"])], perm=[0, 2, 1])),
    "one weight per row": ([2, 1, 5], one_weight_per_row),
    "vector of weights": ([2, 5], lambda b: b.add("Unsqueeze", [b.add("MatMul", ["x", b.weight(5)]), b.integers(2)])),
    "vector first": ([5, 2], lambda b: b.add("Unsqueeze", [b.add("MatMul", [b.weight(5), "x"]), b.integers(2)])),
}
"""Products `[N, 2, children]` of inputs of a given shape."""


@pytest.mark.parametrize("what", MATMULS)
def test_matmul_is_exact_with_the_weight_on_either_side_and_of_any_rank(what: str) -> None:
    shape, product = MATMULS[what]
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [product(b)])
    children = 1 if "vector" in what else 3
    output = b.add("MatMul", [b.add("ReduceMax", [hidden], axes=[1], keepdims=0), b.weight(children, 2)])
    model, x = opened(b, shape, output)
    assert (model.layers[0].parents, model.layers[0].children) == (5, children)
    assert_equal_to_edited_weights(model, x, 0.0, 3)


CHAINS: dict[str, Callable[[Builder, NDArray[np.float32]], str]] = {
    "constant op": lambda b, w: b.add("Constant", [], value=numpy_helper.from_array(w)),
    "identity": lambda b, w: b.add("Identity", [b.store(w)]),
    "transpose": lambda b, w: b.add("Transpose", [b.store(w.T.copy())], perm=[1, 0]),
    "reshape": lambda b, w: b.add("Reshape", [b.store(w.reshape(-1)), b.integers(*w.shape)]),
    "squeeze": lambda b, w: b.add("Squeeze", [b.store(w[:, None]), b.integers(1)]),
    "unsqueeze": lambda b, w: b.add("Squeeze", [b.add("Unsqueeze", [b.store(w), b.integers(0)]), b.integers(0)]),
    "cast": lambda b, w: b.add("Cast", [b.store(w.astype(np.float16))], to=TensorProto.FLOAT),
    "dequantize": lambda b, w: b.add(
        "DequantizeLinear", [b.store((w * 50).astype(np.int8)), b.store(np.array(0.02, np.float32))]
    ),
}


@pytest.mark.parametrize("what", CHAINS)
def test_weights_are_found_behind_what_exporters_put_before_them(what: str) -> None:
    b = Builder(np.random.default_rng(0))
    weight = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    model, x = opened(b, [5], b.add("MatMul", ["x", CHAINS[what](b, weight)]), opset=21)
    (layer,) = model.layers
    assert layer.weight_shape == (5, 3)
    assert_equal_to_edited_weights(model, x, 0.0, 4)


def test_a_weight_that_depends_on_the_input_makes_no_layer() -> None:
    b = Builder(RNG)
    turned = b.add("Transpose", ["x"], perm=[1, 0])
    proto = b.model(["N", 4], b.add("MatMul", ["x", turned]))
    assert layers_of(proto) == ()


def test_a_product_of_two_stored_tensors_makes_no_layer() -> None:
    b = Builder(RNG)
    both = b.add("MatMul", [b.weight(4, 4), b.weight(4, 4)])
    assert layers_of(b.model(["N", 4], b.add("Add", ["x", both]))) == ()


def test_names_are_unique_even_where_the_file_has_none_or_doubles() -> None:
    b = Builder(RNG)
    outputs = ["x"]
    for _ in range(4):
        outputs.append(b.add("MatMul", [outputs[-1], b.weight(4, 4)]))
    proto = b.model(["N", 4], outputs[-1])
    for op, name in zip(proto.graph.node, ["", "same", "same", ""], strict=True):
        op.name = name
    names = [layer.name for layer in layers_of(proto)]
    assert names == [f"MatMul/{outputs[1]}", "same", f"same/{outputs[3]}", f"MatMul/{outputs[4]}"]


def test_ops_of_other_domains_are_no_layers() -> None:
    b = Builder(RNG)
    proto = b.model(["N", 4], b.add("MatMul", ["x", b.weight(4, 4)]))
    proto.graph.node[0].domain = "com.example"
    assert layers_of(proto) == ()


def test_ops_in_any_order_are_analysed_alike() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.weight(5, 6)])])
    model, x = opened(b, [5], b.add("MatMul", [hidden, b.weight(6, 3)]))
    shuffled = onnx.ModelProto()
    shuffled.CopyFrom(model.proto)
    ops = [onnx.NodeProto.FromString(op.SerializeToString()) for op in reversed(shuffled.graph.node)]
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(ops)
    again = open_proto(shuffled, x)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert_equal_to_edited_weights(again, x, 0.0, 5)


def test_a_fixed_batch_is_filled_up_and_gives_the_scores_of_each_sample() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.weight(5, 6)])])
    output = b.add("MatMul", [hidden, b.weight(6, 3)])
    fixed = b.model([4, 5], output)
    x = np.random.default_rng(1).normal(size=(11, 5)).astype(np.float32)
    model = open_proto(fixed, x)
    first, second = (np.asarray(b.stored[name], np.float64) for name in ("stored_0", "stored_1"))
    np.testing.assert_allclose(model.network.scores(x), np.maximum(x @ first, 0) @ second, rtol=1e-5, atol=1e-5)


def test_initializers_listed_as_inputs_are_no_inputs() -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 5], b.add("MatMul", ["x", b.weight(5, 3)]))
    proto.ir_version = 3
    stored = proto.graph.initializer[0]
    proto.graph.input.insert(0, helper.make_tensor_value_info(stored.name, stored.data_type, list(stored.dims)))
    x = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    model = open_proto(proto, x)
    assert model.network.spec.name == "x"
    assert_equal_to_edited_weights(model, x, 0.0, 6)
