"""The cut behind a layer: what follows it, and what crosses into that."""

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.flow.suffix import find_suffix
from onnxcausal.onnxgraph.graph.index import captured, index_graph
from tests.support.networks import Builder, classifier, classifiers
from tests.support.opened import open_proto


def images(seed: int, count: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=classifiers(), data=st.data())
def test_every_tensor_a_suffix_uses_is_made_in_it_stored_or_crosses(
    drawn: tuple[onnx.ModelProto, int], data: st.DataObject
) -> None:
    opened = open_proto(drawn[0], images(drawn[1]))
    layer = data.draw(st.sampled_from(opened.layers))
    index = index_graph(opened.network.proto, opened.network.model.opset)
    suffix = find_suffix(index, layer)
    known = {layer.output, *index.initializers, *suffix.crossing}
    for number in suffix.ops:
        op = index.ops[number]
        assert {name for name in (*op.input, *captured(op)) if name} <= known
        known |= set(op.output)
    assert opened.network.outcome.tensor in known
    # Nothing that crosses depends on the layer: reached from it by brute force.
    reached = {layer.output}
    for op in index.ops:
        if reached & {*op.input, *captured(op)}:
            reached |= set(op.output)
    assert not reached & set(suffix.crossing)


def test_a_skip_connection_crosses() -> None:
    opened = open_proto(classifier(["conv", "residual"], "average", 0), images(0))
    index = index_graph(opened.network.proto, opened.network.model.opset)
    first, inner, last = opened.layers[0], opened.layers[1], opened.layers[2]
    relu = index.ops[first.op + 1].output[0]
    assert find_suffix(index, first).crossing == ()
    assert find_suffix(index, inner).crossing == (relu,)
    assert find_suffix(index, last).crossing == (relu,)


def with_shape_chain(batch: int | str) -> onnx.ModelProto:
    """Flatten by a Reshape to a shape read off another tensor, as the old PyTorch exporter writes it."""
    b = Builder(np.random.default_rng(0))
    first = b.add("Relu", [b.add("Conv", ["x", b.weight(3, 4, 3, 3)], kernel_shape=[3, 3])])
    second = b.add("Relu", [b.add("Conv", [first, b.weight(3, 3, 3, 3)], kernel_shape=[3, 3])])
    rows = b.add("Gather", [b.add("Shape", ["x"]), b.store(np.array([0], np.int64))], axis=0)
    shape = b.add("Concat", [rows, b.integers(-1)], axis=0)
    flat = b.add("Reshape", [second, shape])
    return b.model([batch, 4, 6, 6], b.add("Gemm", [flat, b.weight(3, 12)], transB=1))


def test_shapes_are_found_again_from_the_rows_of_the_suffix() -> None:
    opened = open_proto(with_shape_chain("N"), images(1))
    index = index_graph(opened.network.proto, opened.network.model.opset)
    suffix = find_suffix(index, opened.layers[0])
    assert suffix.crossing == ("x",)  # for its shape: the number of rows
    assert {"Shape", "Gather", "Concat"} <= {index.ops[number].op_type for number in suffix.ops}


def test_a_body_that_captures_a_tensor_makes_it_cross() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("Gemm", ["x", b.weight(4, 4)], transB=1)])
    scores = b.add("Gemm", [hidden, b.weight(3, 4)], transB=1)
    doubled = helper.make_node("Add", ["captured_scores", "captured_scores"], ["then_out"])
    summed = helper.make_node("Add", ["captured_scores", "captured_side"], ["else_out"])
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("then_out", "else_out")]
    side = b.add("Gemm", ["x", b.weight(3, 4)], transB=1)
    for name, source in (("captured_scores", scores), ("captured_side", side)):
        b.ops.append(helper.make_node("Identity", [source], [name]))
    total = b.add("ReduceSum", ["x"], keepdims=0)
    positive = b.add("Greater", [total, b.store(np.array(1e9, np.float32))])
    chosen = b.add(
        "If",
        [positive],
        then_branch=helper.make_graph([doubled], "then", [], out[:1]),
        else_branch=helper.make_graph([summed], "else", [], out[1:]),
    )
    opened = open_proto(b.model(["N", 4], chosen), np.ones((2, 4), np.float32))
    index = index_graph(opened.network.proto, opened.network.model.opset)
    main = next(layer for layer in opened.layers if layer.output == scores)
    assert {"captured_side", positive} <= set(find_suffix(index, main).crossing)


@pytest.mark.parametrize("head", ["average", "matmul"])
def test_the_last_layer_hands_changes_on_as_they_are(head: str) -> None:
    opened = open_proto(classifier(["conv"], head, 0), images(2))
    index = index_graph(opened.network.proto, opened.network.model.opset)
    assert find_suffix(index, opened.layers[-1]).linear
    assert not find_suffix(index, opened.layers[0]).linear
