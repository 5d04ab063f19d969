"""Graphs as vendors' tools leave them: each was once wrong in silence, or could be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import FlowKind
from onnxcausal.errors import ModelError, NothingToAnalyseError, SamplesError
from onnxcausal.onnxgraph.file.model import load_model
from tests.support.networks import Builder, mlp
from tests.support.opened import Opened, assert_equal_to_edited_weights, open_proto, treatment_effects

X = np.random.default_rng(7).normal(size=(6, 6)).astype(np.float32)


def opened(builder: Builder, output: str, opset: int = 17) -> Opened:
    return open_proto(builder.model(["N", 6], output, opset=opset), X)


def with_second_layer(builder: Builder, hidden: str, width: int) -> Opened:
    return opened(builder, builder.add("MatMul", [builder.add("Relu", [hidden]), builder.weight(width, 3)]), opset=21)


def analysed(folder: Path, proto: onnx.ModelProto, count: int = 80, **settings: Any) -> Analysis:
    onnx.save(proto, folder / "m.onnx")
    rng = np.random.default_rng(0)
    return analyze(folder / "m.onnx", (rng.normal(size=(count, 6)), np.arange(count) % 2), **settings)


def quantised(b: Builder) -> str:
    parameters = [b.store(np.array(0.02, np.float32)), b.store(np.array(0, np.int8))]
    return b.add("DequantizeLinear", [b.add("QuantizeLinear", [b.weight(6, 4), *parameters]), *parameters])


def halves(b: Builder) -> str:
    first, second = "half_a", "half_b"
    b.ops.append(helper.make_node("Split", [b.weight(6, 8), b.integers(4, 4)], [first, second], axis=1))
    return second


WEIGHTS: dict[str, Callable[[Builder], str]] = {
    "quantised while training": quantised,
    "scaled": lambda b: b.add("Mul", [b.weight(6, 4), b.store(np.array(0.5, np.float32))]),
    "half of a split": halves,
    "joined": lambda b: b.add("Concat", [b.weight(6, 1), b.weight(6, 3)], axis=1),
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_a_weight_that_follows_from_stored_tensors_alone_is_intervened_on(what: str) -> None:
    b = Builder(np.random.default_rng(0))
    model = with_second_layer(b, b.add("MatMul", ["x", WEIGHTS[what](b)]), 4)
    assert len(model.layers) == 2
    assert_equal_to_edited_weights(model, X, 0.0, 1)


def test_a_sparse_weight_is_intervened_on() -> None:
    b = Builder(np.random.default_rng(0))
    weight = np.zeros((6, 4), np.float32)
    weight[[0, 2, 5], [1, 3, 0]] = [1.0, -2.0, 3.0]
    name = b.store(weight)
    hidden = b.add("MatMul", ["x", name])
    proto = b.model(["N", 6], b.add("MatMul", [b.add("Relu", [hidden]), b.weight(4, 3)]))
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
    proto.graph.initializer.remove(stored)
    values = numpy_helper.from_array(weight[weight != 0], name)
    indices = numpy_helper.from_array(np.flatnonzero(weight).astype(np.int64), "indices")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [6, 4]))
    model = open_proto(proto, X)
    assert len(model.layers) == 2
    assert_equal_to_edited_weights(model, X, 0.0, 2)


def test_layers_inside_local_functions_are_found() -> None:
    b = Builder(np.random.default_rng(0))
    weight = b.weight(6, 4)
    hidden = b.add("Dense", ["x", weight], domain="vendor")
    output = b.add("MatMul", [hidden, b.weight(4, 3)])
    graph = helper.make_graph(
        b.ops,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(values, name) for name, values in b.stored.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("vendor", 1)]
    body = [helper.make_node("MatMul", ["a", "w"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
    function = helper.make_function("vendor", "Dense", ["a", "w"], ["y"], body, opsets[:1])
    proto = helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)
    model = open_proto(proto, X)
    assert [layer.parents for layer in model.layers] == [6, 4]
    assert_equal_to_edited_weights(model, X, 0.0, 3)


def kind_from_first_layer(model: Opened) -> set[tuple[str | None, FlowKind]]:
    return {(link.consumer, link.kind) for link in model.wiring.flow.links[model.layers[0].name]}


def test_an_index_that_depends_on_the_sample_is_not_taken_from_one_sample() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 5)])
    order = "order"
    b.ops.append(helper.make_node("TopK", ["x", b.integers(3)], ["values", order], axis=1))
    first = b.add("Reshape", [b.add("Slice", [order, b.integers(0), b.integers(1)]), b.integers(-1)])
    model = opened(b, b.add("MatMul", [b.add("Gather", [hidden, first], axis=1), b.weight(3, 3)]))
    assert kind_from_first_layer(model) == {(model.layers[1].name, FlowKind.UNTRACKED)}


def test_children_that_enter_by_an_index_are_not_lost() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Sigmoid", [b.add("MatMul", ["x", b.weight(6, 1)])])
    chosen = b.add("Cast", [b.add("Squeeze", [hidden, b.integers(1)])], to=TensorProto.INT64)
    table = b.add("Gather", [b.weight(3, 5), chosen])
    model = opened(b, b.add("MatMul", [table, b.weight(5, 3)]))
    assert kind_from_first_layer(model) == {(model.layers[1].name, FlowKind.UNTRACKED)}


def test_children_that_enter_by_the_scale_of_a_normalisation_are_not_lost() -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 4)])
    scale = b.add("ReduceMean", [hidden], axes=[0], keepdims=0)
    normal = b.add("LayerNormalization", ["x", b.add("Concat", [scale, b.weight(2)], axis=0)], axis=-1)
    model = opened(b, b.add("MatMul", [normal, b.weight(6, 3)]))
    assert kind_from_first_layer(model) == {(model.layers[1].name, FlowKind.UNTRACKED)}


def test_a_residual_through_the_bias_of_a_gemm_is_not_lost() -> None:
    b = Builder(np.random.default_rng(0))
    first = b.add("MatMul", ["x", b.weight(6, 4)])
    second = b.add("Gemm", [first, b.weight(4, 4), first])
    model = opened(b, b.add("MatMul", [second, b.weight(4, 3)]))
    reached = {consumer for consumer, _ in kind_from_first_layer(model)}
    assert reached == {model.layers[1].name, model.layers[2].name}


def test_a_gate_of_one_child_does_not_merge_the_features_it_scales() -> None:
    b = Builder(np.random.default_rng(0))
    gate = b.add("Sigmoid", [b.add("MatMul", ["x", b.weight(6, 1)])])
    model = opened(b, b.add("MatMul", [b.add("Mul", ["x", gate]), b.weight(6, 3)]))
    assert len(model.wiring.flow.nodes[model.layers[1].name]) == 6


def test_a_flattened_map_of_one_channel_is_still_one_node() -> None:
    b = Builder(np.random.default_rng(0))
    maps = b.add("Relu", [b.add("Conv", ["x", b.weight(1, 4, 3, 3)])])
    proto = b.model(["N", 4, 6, 6], b.add("MatMul", [b.add("Flatten", [maps]), b.weight(16, 3)]))
    model = open_proto(proto, np.zeros((1, 4, 6, 6), np.float32))
    assert len(model.wiring.flow.nodes[model.layers[1].name]) == 1


def test_a_matrix_times_a_vector_is_a_layer() -> None:
    b = Builder(np.random.default_rng(0))
    vector = b.add("Squeeze", ["x", b.integers(0)])
    hidden = b.add("Relu", [b.add("MatMul", [b.weight(4, 6), vector])])
    output = b.add("Unsqueeze", [b.add("MatMul", [b.weight(3, 4), hidden]), b.integers(0)])
    model = open_proto(b.model([1, 6], output), X[:1])
    assert [(layer.parents, layer.children) for layer in model.layers] == [(6, 4), (4, 3)]
    assert_equal_to_edited_weights(model, X[:1], 0.0, 4)


def test_a_long_chain_of_weights_is_followed_in_linear_time() -> None:
    b = Builder(np.random.default_rng(0))
    weight = b.weight(6, 3)
    for _ in range(3000):
        weight = b.add("Identity", [weight])
    graph = b.model(["N", 6], b.add("MatMul", ["x", weight]))
    assert len(open_proto(graph, X).layers) == 1


def test_an_input_that_decides_nothing_needs_no_value() -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], b.add("MatMul", ["x", b.weight(6, 3)]))
    proto.graph.input.insert(0, helper.make_tensor_value_info("unused", TensorProto.INT64, [1]))
    assert open_proto(proto, X).network.spec.name == "x"


def test_an_input_without_a_declared_shape_takes_what_it_gets(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], b.add("MatMul", ["x", b.weight(6, 3)]))
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert analysed(tmp_path, proto).graphs


def test_samples_that_influence_each_other_are_run_one_at_a_time(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    mean = b.add("ReduceMean", ["x"], axes=[0], keepdims=1)
    little = b.add("Mul", [mean, b.store(np.array(1e-4, np.float32))])
    proto = b.model(["N", 6], b.add("MatMul", [b.add("Add", ["x", little]), b.weight(6, 2)]))
    analysis = analysed(tmp_path, proto)
    assert any("one at a time" in note for note in analysis.notes)


def test_samples_without_a_defined_outcome_are_an_error_not_a_misclassification(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], b.add("MatMul", [b.add("Sqrt", ["x"]), b.weight(6, 2)]))
    with pytest.raises(SamplesError, match="NaN or infinite"):
        analysed(tmp_path, proto)


def test_probabilities_that_are_taken_for_scores_are_told(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    positive = b.add("Softplus", [b.add("MatMul", ["x", b.weight(6, 2)])])
    share = b.add("Div", [positive, b.add("ReduceSum", [positive, b.integers(1)])])
    analysis = analysed(tmp_path, b.model(["N", 6], share))
    assert any("holds probabilities" in note for note in analysis.notes)


def test_the_float_floor_follows_the_scores_of_all_classes(tmp_path: Path) -> None:
    # Every node has the same weight to both classes: its effect on the margin is 0, but for rounding at scores of 300.
    rng = np.random.default_rng(0)
    shared = rng.normal(100, 5, size=(1, 8))
    own = np.zeros((2, 8))
    own[:, 0] = [1.0, -1.0]
    weights = [rng.normal(size=(8, 6)), np.repeat(shared, 2, axis=0) + own]
    analysis = analysed(tmp_path, mlp(weights, [np.zeros(8), np.zeros(2)]), outcome="margin", samples=30)
    for graph in analysis.graphs:
        assert {role.value for role in graph.layers[0].roles[1:]} == {"dead"}


def external_constant(folder: Path, location: str) -> Path:
    folder.mkdir(exist_ok=True)
    b = Builder(np.random.default_rng(0))
    tensor = numpy_helper.from_array(np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32), "w")
    (folder / "w.bin").write_bytes(tensor.raw_data)
    weight = b.add("Constant", [], value=tensor)
    proto = b.model(["N", 6], b.add("MatMul", ["x", weight]))
    held = proto.graph.node[0].attribute[0].t
    held.ClearField("raw_data")
    held.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "72")):
        held.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "m.onnx"


def test_external_data_of_a_constant_op_comes_from_the_models_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = external_constant(tmp_path / "model", "w.bin")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "w.bin").write_bytes(np.zeros(18, np.float32).tobytes())
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = load_model(path)
    held = numpy_helper.to_array(first.proto.graph.node[0].attribute[0].t)
    assert held.any()
    (tmp_path / "model" / "w.bin").write_bytes((tmp_path / "model" / "w.bin").read_bytes()[::-1])
    assert load_model(path).sha256 != first.sha256


@pytest.mark.parametrize("location", ["/dev/zero", "../secret", "missing.bin"])
def test_external_data_elsewhere_is_refused_before_it_is_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 72)
    with pytest.raises(ModelError, match=r"cannot be used|outside its folder"):
        load_model(external_constant(tmp_path / "model", location))


def test_an_integer_product_is_passed_over_and_named(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 4)])
    whole = b.add("Cast", [hidden], to=TensorProto.INT32)
    product = b.add("MatMul", [whole, b.store(np.ones((4, 2), np.int32))])
    proto = b.model(["N", 6], b.add("Cast", [product], to=TensorProto.FLOAT))
    analysis = analysed(tmp_path, proto)
    assert [layer.name for layer in analysis.graphs[0].layers] == [f"/{hidden}/MatMul"]
    assert any("no layers and were not intervened on: MatMul" in note for note in analysis.notes)


def test_integer_scores_are_refused(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    whole = b.add("Floor", [b.add("MatMul", ["x", b.weight(6, 2)])])
    product = b.add("MatMul", [b.add("Cast", [whole], to=TensorProto.INT32), b.store(np.eye(2, dtype=np.int32))])
    with pytest.raises(ModelError, match="not a score"):
        analysed(tmp_path, b.model(["N", 6], product, output_type=TensorProto.INT32))


def test_a_sparse_constant_is_a_weight() -> None:
    b = Builder(np.random.default_rng(0))
    values = numpy_helper.from_array(np.array([1.0, -2.0, 3.0], np.float32), "values")
    indices = numpy_helper.from_array(np.array([1, 7, 10], np.int64), "indices")
    weight = b.add("Constant", [], sparse_value=helper.make_sparse_tensor(values, indices, [6, 2]))
    model = opened(b, b.add("MatMul", ["x", weight]))
    te, floor = treatment_effects(model, model.layers[0], np.array([0, 1]), X, 1)
    expected = np.zeros((6, 6))  # of weights to class 1, node 0 has 1 and node 3 has -2
    expected[0], expected[3] = -X[:, 0], 2 * X[:, 3]
    np.testing.assert_allclose(te, expected, rtol=0, atol=floor)


def test_tensors_python_cannot_hold_are_analysed_around(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 4)])
    narrow = b.add("Cast", [b.add("Cast", [hidden], to=TensorProto.BFLOAT16)], to=TensorProto.FLOAT)
    assert analysed(tmp_path, b.model(["N", 6], b.add("MatMul", [narrow, b.weight(4, 2)]))).graphs


def test_external_data_behind_a_link_says_what_to_do(tmp_path: Path) -> None:
    path = external_constant(tmp_path / "model", "w.bin")
    (tmp_path / "model" / "w.bin").rename(tmp_path / "blob")
    (tmp_path / "model" / "w.bin").symlink_to(tmp_path / "blob")
    with pytest.raises(ModelError, match="cannot be used") as caught:
        load_model(path)
    assert "copy the real file" in caught.value.remedy


def test_a_product_of_stored_tensors_that_makes_a_weight_is_not_called_passed_over() -> None:
    b = Builder(np.random.default_rng(0))
    weight = b.add("MatMul", [b.weight(6, 4), b.weight(4, 2)])
    model = opened(b, b.add("MatMul", ["x", weight]))
    assert len(model.layers) == 1
    assert model.wiring.passed_over == ()


def test_weights_in_ops_that_are_not_supported_are_named_as_the_reason(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], b.add("Einsum", ["x", b.weight(6, 2)], equation="nk,kc->nc"))
    with pytest.raises(ModelError, match="not supported") as caught:
        analysed(tmp_path, proto)
    assert "Einsum" in caught.value.why


@pytest.mark.parametrize("op_type", ["Identity", "Softmax"])
def test_scores_that_are_the_input_itself_leave_nothing_to_analyse(op_type: str, tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    with pytest.raises(NothingToAnalyseError, match="no layer") as caught:
        analysed(tmp_path, b.model(["N", 6], b.add(op_type, ["x"])))
    assert "the scores are an input" in caught.value.why
