"""Masks in the file: all ones change nothing, everything else survives."""

import hypothesis.strategies as st
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import input_spec, load_model, opset_of
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.masking.masks import MaskedModel, insert_masks, mask_shape, path_mask
from tests.support.assets import PREPARED, model_path, needs_assets, prepared
from tests.support.networks import Builder, classifiers
from tests.support.opened import TOLERANCE, edit, open_proto

GENERATED = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def masked(proto: onnx.ModelProto, *, overridable: bool = False) -> MaskedModel:
    return insert_masks(proto, find_layers(index_graph(proto, opset_of(proto))), overridable=overridable)


def run(proto: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(proto.SerializeToString())
    return list(session.run(None, {session.get_inputs()[0].name: x}))


def without_masks(model: MaskedModel, original: onnx.ModelProto) -> onnx.ModelProto:
    """Return the masked model with exactly what masks add taken out again."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    graph = proto.graph
    known = {op.output[0] for op in original.graph.node}
    weights = {op.output[0]: op.input[0] for op in graph.node if op.output[0] not in known}
    ops = [op for op in graph.node if op.output[0] in known]
    for op in ops:
        for position, name in enumerate(op.input):
            op.input[position] = weights.get(name, name)
    names = set(model.names.values())
    for field, kept in (
        (graph.node, ops),
        (graph.initializer, [tensor for tensor in graph.initializer if tensor.name not in names]),
        (graph.input, [value for value in graph.input if value.name not in names]),
    ):
        copies = [type(item).FromString(item.SerializeToString()) for item in kept]
        del field[:]
        field.extend(copies)
    return proto


@GENERATED
@given(drawn=classifiers())
def test_constant_masks_of_ones_leave_the_outputs_bit_for_bit(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = np.random.default_rng(seed).normal(size=(3, 4, 6, 6)).astype(np.float32)
    result = masked(proto)
    onnx.checker.check_model(result.proto, full_check=True)
    for old, new in zip(run(proto, x), run(result.proto, x), strict=True):
        np.testing.assert_array_equal(old, new)


@needs_assets
@pytest.mark.parametrize("name", PREPARED)
def test_real_models_keep_their_outputs_bit_for_bit_and_everything_in_the_file(name: str) -> None:
    proto = load_model(model_path(name)).proto
    result = masked(proto)
    fixed = input_spec(proto, name).shape[0]
    x = prepared(name, fixed or 2)
    for old, new in zip(run(proto, x), run(result.proto, x), strict=True):
        np.testing.assert_array_equal(old, new)
    assert without_masks(result, proto) == proto


@GENERATED
@given(drawn=classifiers(), overridable=st.booleans())
def test_masks_add_initializers_and_products_and_touch_nothing_else(
    drawn: tuple[onnx.ModelProto, int], overridable: bool
) -> None:
    proto, _ = drawn
    proto.doc_string, proto.graph.doc_string = "a model", "a graph"
    proto.graph.node[0].doc_string = "an op"
    helper.set_model_props(proto, {"author": "someone", "names": "{0: 'a'}"})
    before = proto.SerializeToString(deterministic=True)
    result = masked(proto, overridable=overridable)
    assert proto.SerializeToString(deterministic=True) == before
    assert without_masks(result, proto).SerializeToString(deterministic=True) == before


@GENERATED
@given(drawn=classifiers())
def test_overridable_masks_can_be_fed_and_default_to_ones(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = np.random.default_rng(seed).normal(size=(3, 4, 6, 6)).astype(np.float32)
    result = masked(proto, overridable=True)
    options = ort.SessionOptions()
    options.log_severity_level = 3  # it warns of every overridable initializer
    session = ort.InferenceSession(result.proto.SerializeToString(), options)
    assert {value.name for value in session.get_overridable_initializers()} == set(result.names.values())
    (plain,) = run(proto, x)
    (default,) = session.run(None, {"x": x})
    np.testing.assert_allclose(default, plain, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(plain).max())))
    layer = find_layers(index_graph(proto, opset_of(proto)))[-1]
    (removed,) = session.run(None, {"x": x, result.names[layer.name]: np.zeros(mask_shape(layer), np.float32)})
    # Without any path into the last layer the scores are its bias, whatever the input.
    np.testing.assert_array_equal(removed, np.broadcast_to(removed[:1], removed.shape))


@GENERATED
@given(drawn=classifiers(), factor=st.sampled_from([0.0, 0.5]))
def test_a_path_mask_changes_exactly_the_edges_of_the_path(drawn: tuple[onnx.ModelProto, int], factor: float) -> None:
    proto, seed = drawn
    rng = np.random.default_rng(seed)
    for layer in open_proto(proto, np.zeros((1, 4, 6, 6), np.float32)).layers:
        features = rng.choice(layer.parents, rng.integers(1, layer.parents + 1), replace=False)
        children = rng.choice(layer.children, rng.integers(1, layer.children + 1), replace=False)
        expected = edit(layer, np.ones(layer.weight_shape), features, children, factor)
        mask = path_mask(layer, features, children, factor)
        assert mask.shape == mask_shape(layer)
        np.testing.assert_array_equal(np.broadcast_to(mask, layer.weight_shape), expected)


def test_masks_have_one_entry_per_edge_and_the_type_of_the_weight() -> None:
    builder = Builder(np.random.default_rng(0))
    half = builder.store(np.ones((4, 2, 3, 3), np.float16))
    weight = builder.add("Cast", [half], to=onnx.TensorProto.FLOAT)
    pooled = builder.add("ReduceMean", [builder.add("Conv", ["x", weight], group=2)], axes=[2, 3], keepdims=0)
    proto = builder.model(["N", 4, 6, 6], pooled)
    (name,) = masked(proto).names.values()
    tensor = next(tensor for tensor in masked(proto).proto.graph.initializer if tensor.name == name)
    assert numpy_helper.to_array(tensor).shape == (4, 2, 1, 1)
    assert tensor.data_type == onnx.TensorProto.FLOAT


def test_given_values_are_written_into_the_file() -> None:
    builder = Builder(np.random.default_rng(0))
    proto = builder.model(["N", 4], builder.add("Gemm", ["x", builder.weight(4, 3)]))
    (layer,) = find_layers(index_graph(proto, opset_of(proto)))
    values = {layer.name: path_mask(layer, np.array([1]), np.arange(3), 0.0)}
    result = insert_masks(proto, [layer], values=values)
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    without = x.copy()
    without[:, 1] = 0
    np.testing.assert_allclose(run(result.proto, x)[0], run(proto, without)[0], rtol=0, atol=1e-6)


def test_a_weight_with_two_users_has_a_mask_for_each() -> None:
    builder = Builder(np.random.default_rng(0))
    weight = builder.weight(4, 4)
    first = builder.add("Relu", [builder.add("MatMul", ["x", weight])])
    proto = builder.model(["N", 4], builder.add("MatMul", [first, weight]))
    assert len(set(masked(proto).names.values())) == 2
    assert [layer.weight for layer in find_layers(index_graph(proto, opset_of(proto)))] == [weight, weight]


def test_a_format_without_overridable_initializers_is_refused() -> None:
    builder = Builder(np.random.default_rng(0))
    proto = builder.model(["N", 4], builder.add("MatMul", ["x", builder.weight(4, 4)]))
    proto.ir_version = 3
    with pytest.raises(ModelError, match="no overridable initializers"):
        masked(proto, overridable=True)
