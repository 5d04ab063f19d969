"""Means in the place of masked paths: against their definition, in every form, and in memory."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import onnxcausal.onnxgraph.masking.mean_ablation as module
from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.masked_file import mask_values, mean_values, without_masks
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.masking.masked import MeanContributions, with_masks
from onnxcausal.onnxgraph.masking.masks import mask_shape
from onnxcausal.onnxgraph.masking.mean_ablation import child_shifts, parent_means, shifts_of
from onnxcausal.onnxgraph.original.original import record_of
from tests.support.networks import Builder, classifiers, mlp
from tests.support.opened import TOLERANCE, open_proto
from tests.support.oracle_ops import ops_of
from tests.support.oracles import Array, run_float64
from tests.support.repairs import (
    WHOLE,
    in_code,
    masks_of,
    repaired,
    replaced_scores,
    run,
    some_masks,
    some_means,
    without_effect,
)

GENERATED = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
INSIDE = 24
"""Side of a map so large that kernels find a place away from its borders."""


def inputs(seed: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def by_running(op: onnx.NodeProto, weight: Array, means: Array) -> Array:
    """Return what a convolution makes of maps that hold means everywhere, away from borders, on average."""
    kept = [entry for entry in op.attribute if entry.name not in ("pads", "auto_pad", "output_padding", "output_shape")]
    alone = helper.make_node(op.op_type, ["x", "w"], ["y"])
    alone.attribute.extend(kept)
    graph = helper.make_graph(
        [alone],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, None)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    maps = np.broadcast_to(means[None, :, None, None], (1, len(means), INSIDE, INSIDE))
    (found,) = ReferenceEvaluator(model, new_ops=ops_of(17)).run(None, {"x": np.ascontiguousarray(maps)})
    margin = 4  # a multiple of the strides, as are what is left of the sides
    found = np.asarray(found)
    whole = [size - (size - 2 * margin) % 2 - margin for size in found.shape[2:]]
    inside = found[:, :, margin : whole[0], margin : whole[1]]
    return np.asarray(inside.mean(axis=(0, 2, 3)))


@GENERATED
@given(drawn=classifiers())
def test_a_convolution_makes_of_constant_maps_what_is_added(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    rng = np.random.default_rng(seed)
    index = index_graph(proto, 17)
    for layer in find_layers(index):
        if layer.op_type not in ("Conv", "ConvTranspose"):
            continue
        op = index.ops[layer.op]
        weight = value_of(index, op.input[layer.weight_input])
        assert weight is not None
        mask, means = rng.uniform(size=mask_shape(layer)), rng.normal(size=layer.parents)
        found = child_shifts(layer, op, weight, mask, means)
        assert found.shape == (1, layer.children, 1, 1)
        expected = by_running(op, weight.astype(np.float64) * (1 - mask), means)
        np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-12)


@GENERATED
@given(drawn=classifiers())
def test_every_form_and_memory_compute_the_edited_weights_and_the_means(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed)
    opened = open_proto(proto, x)
    rng = np.random.default_rng(seed)
    entries, means = some_masks(opened.layers, rng), some_means(opened.layers, rng)
    expected = replaced_scores(opened, entries, means, x)
    atol = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    for form in WHOLE:
        found = repaired(proto, form, *entries, means=means).proto
        onnx.checker.check_model(found, full_check=True)
        for optimised in (True, False):
            scores = run(found, {"x": x}, optimised=optimised)[0].reshape(expected.shape)
            np.testing.assert_allclose(scores, expected, rtol=0, atol=atol)
    layers = {layer.name: layer for layer in opened.layers}
    masks = mask_values(layers, entries)
    of_parents = mean_values(layers, masks_of(in_code(proto), entries, means=means))
    shifts = shifts_of(opened.network, opened.wiring, masks, of_parents)
    in_memory = with_masks(opened.network, masks, opened.wiring, shifts=shifts).scores(x)
    np.testing.assert_allclose(in_memory, expected, rtol=0, atol=atol)


@GENERATED
@given(drawn=classifiers())
def test_means_come_out_again_and_are_switched_off(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed)
    rng = np.random.default_rng(seed)
    layers = find_layers(index_graph(proto, 17))
    entries, means = some_masks(layers, rng), some_means(layers, rng)
    before = proto.SerializeToString()
    for form in (Form.MASKED, Form.SWITCHABLE):
        found = repaired(proto, form, *entries, means=means)
        held = in_code(found.proto)
        assert record_of(held).shifts == found.record.shifts
        assert without_masks(held, record_of(held)).SerializeToString() == before
    (plain,) = run(proto, {"x": x})
    (switched,) = run(found.proto, {"x": x} | without_effect(found))
    np.testing.assert_allclose(switched, plain, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(plain).max())))


@GENERATED
@given(drawn=classifiers())
def test_factors_of_one_take_nothing_that_a_mean_could_replace(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    layers = find_layers(index_graph(proto, 17))
    rng = np.random.default_rng(seed)
    entries, means = some_masks(layers, rng, betas=[1.0]), some_means(layers, rng)
    for form in WHOLE:
        found = repaired(proto, form, *entries, means=means)
        assert not found.record.shifts
        assert not found.shifts
        if form is not Form.SWITCHABLE:
            (scores,) = run(found.proto, {"x": inputs(seed)})
            np.testing.assert_array_equal(scores, run(proto, {"x": inputs(seed)})[0])


@GENERATED
@given(drawn=classifiers())
def test_means_of_parents_are_those_of_float64(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed, 7)
    opened = open_proto(proto, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_BYTES", 3 * sum(map(opened.wiring.trace.of_sample, opened.wiring.trace.rows)))
        found = parent_means(opened.network, opened.wiring, x)
    assert set(found) == {layer.name for layer in opened.layers}
    for layer in opened.layers:
        data = x.astype(np.float64) if layer.data == "x" else run_float64(proto, layer.data, x)
        expected = np.moveaxis(data, layer.parent_axis, 0).reshape(layer.parents, -1).mean(axis=1)
        atol = TOLERANCE * max(1.0, float(np.abs(data).max()))
        np.testing.assert_allclose(found[layer.name], expected, rtol=0, atol=atol)


def test_a_fixed_batch_that_is_filled_up_counts_its_samples_alone() -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model([4, 6], b.add("Gemm", [b.add("Relu", ["x"]), b.weight(6, 3)]))
    x = np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32)
    opened = open_proto(proto, x)
    (found,) = parent_means(opened.network, opened.wiring, x).values()
    np.testing.assert_allclose(found, np.maximum(x, 0).mean(axis=0), atol=1e-6)


def test_in_a_dense_layer_the_mean_is_the_mean_contribution() -> None:
    proto = mlp([np.random.default_rng(0).normal(size=(3, 6))], [np.ones(3)])
    x = np.random.default_rng(1).normal(size=(9, 6)).astype(np.float32)
    opened = open_proto(proto, x)
    (layer,) = opened.layers
    masks = {layer.name: np.random.default_rng(2).uniform(size=mask_shape(layer))}
    found = shifts_of(opened.network, opened.wiring, masks, parent_means(opened.network, opened.wiring, x))
    expected = MeanContributions(opened.network, opened.wiring, x)(masks)
    np.testing.assert_allclose(found[layer.name], expected[layer.name].ravel(), atol=1e-6)


def test_constant_means_vanish_into_the_biases_of_convolutions(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    tensor = "x"
    for _ in range(2):
        tensor = b.add("Relu", [b.add("Conv", [tensor, b.weight(4, 4, 3, 3), b.weight(4)])])
    proto = b.model(["N", 4, 6, 6], b.add("ReduceMean", [tensor], axes=[2, 3], keepdims=0))
    layers = find_layers(index_graph(proto, 17))
    rng = np.random.default_rng(0)
    entries = some_masks(layers, rng)
    means = [MeanRecord(layer=layer.name, parents=[0, 1, 2, 3], values=[1.0, 2.0, -1.0, 0.5]) for layer in layers]
    masked = repaired(proto, Form.MASKED, *entries, means=means).proto
    assert {op.op_type for op in masked.graph.node} >= {"Mul", "Add"}
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(masked.SerializeToString(), options)
    optimised = onnx.load(tmp_path / "optimised.onnx")
    assert [op.op_type for op in optimised.graph.node] == [op.op_type for op in proto.graph.node]


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_means_have_the_float_type_of_the_layer(kind: type) -> None:
    proto = mlp([np.random.default_rng(0).normal(size=(3, 4))], [np.ones(3)])
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(kind), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    opened = open_proto(proto, x)
    (layer,) = opened.layers
    entry = MaskRecord(layer=layer.name, parents=[0, 2], beta=0.0)
    mean = MeanRecord(layer=layer.name, parents=[0, 2], values=[3.0, -2.0])
    expected = replaced_scores(opened, [entry], [mean], x)
    for form in WHOLE:
        found = repaired(proto, form, entry, means=[mean]).proto
        onnx.checker.check_model(found, full_check=True)
        (scores,) = run(found, {"x": x.astype(kind)})
        np.testing.assert_allclose(scores, expected, rtol=0, atol=0.02 if kind is np.float16 else 1e-7)


def vector_model(rank: int) -> onnx.ModelProto:
    """Return `MatMul(weight, data)` where the data of a fixed batch of one is a vector, or a matrix."""
    b = Builder(np.random.default_rng(0))
    shape = b.integers(4) if rank == 1 else b.integers(4, 1)
    product = b.add("MatMul", [b.weight(3, 4), b.add("Reshape", [b.add("Relu", ["x"]), shape])])
    return b.model([1, 4], b.add("Reshape", [product, b.integers(1, 3)]))


@pytest.mark.parametrize("rank", [1, 2])
def test_a_weight_on_the_left_of_a_vector_has_no_axis_of_columns(rank: int) -> None:
    proto = vector_model(rank)
    x = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)
    opened = open_proto(proto, x)
    (layer,) = opened.layers
    assert layer.child_axis == (-1 if rank == 1 else -2)
    entry = MaskRecord(layer=layer.name, parents=[1, 3], beta=0.0)
    mean = MeanRecord(layer=layer.name, parents=[1], values=[2.0])
    expected = replaced_scores(opened, [entry], [mean], x)
    for form in WHOLE:
        (scores,) = run(repaired(proto, form, entry, means=[mean]).proto, {"x": x})
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_what_is_not_known_exactly_is_refused_by_name() -> None:
    b = Builder(np.random.default_rng(0))
    tokens = b.add("MatMul", [b.add("Relu", ["x"]), b.weight(2, 4, 3)])
    several = b.model([2, 5, 4], b.add("ReduceMean", [tokens], axes=[1], keepdims=0))
    unknown = vector_model(1)
    unknown.graph.node[1].domain, unknown.graph.node[1].op_type = "nowhere", "Mystery"
    del unknown.graph.value_info[:]
    for proto, told in ((several, "several matrices"), (unknown, "does not tell how many axes")):
        (layer,) = find_layers(index_graph(proto, 17))
        entry = MaskRecord(layer=layer.name, parents=[1], beta=0.0)
        mean = MeanRecord(layer=layer.name, parents=[1], values=[2.0])
        for form in WHOLE:
            repaired(proto, form, entry)
            with pytest.raises(ModelError) as caught:
                repaired(proto, form, entry, means=[mean])
            assert told in caught.value.why
            assert "leave" in caught.value.remedy


def test_means_of_what_the_model_does_not_have_are_refused() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[0], beta=0.0)
    with pytest.raises(ConfigError, match="no layer '/gem_0/Gemm'"):
        repaired(proto, Form.MASKED, entry, means=[MeanRecord(layer="/gem_0/Gemm", parents=[0], values=[1.0])])
    with pytest.raises(ConfigError, match="no parent 3"):
        repaired(proto, Form.MASKED, entry, means=[MeanRecord(layer="/gemm_0/Gemm", parents=[3], values=[1.0])])


def test_ir_3_and_names_that_are_taken_stand_in_no_ones_way() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    last = find_layers(index_graph(proto, 17))[-1].name
    for suffix in ("shift", "before_shift", "mask"):
        proto.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), f"{last}.{suffix}"))
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    entry = MaskRecord(layer=last, parents=[0, 1, 2], beta=0.0)
    mean = MeanRecord(layer=last, parents=[0, 1], values=[10.0, 20.0])
    for form in (Form.MASKED, Form.FOLDED):
        found = repaired(proto, form, entry, means=[mean]).proto
        onnx.checker.check_model(found, full_check=True)
        np.testing.assert_array_equal(run(found, {"x": np.ones((1, 3), np.float32)})[0], [[33, 33]])
    masked = in_code(repaired(proto, Form.MASKED, entry, means=[mean]).proto)
    assert record_of(masked).shifts == {last: f"{last}.shift_2"}
    assert without_masks(masked, record_of(masked)) == proto


def test_an_output_of_the_model_that_a_layer_makes_is_shifted_too() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[0], beta=0.0)
    mean = MeanRecord(layer="/gemm_0/Gemm", parents=[0], values=[5.0])
    for form in WHOLE:
        found = repaired(proto, form, entry, means=[mean]).proto
        assert found.graph.output == proto.graph.output
        np.testing.assert_array_equal(run(found, {"x": np.ones((1, 3), np.float32)})[0], [[7, 7]])


def test_means_of_a_layer_without_masks_change_nothing() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    first, last = (layer.name for layer in find_layers(index_graph(proto, 17)))
    entry = MaskRecord(layer=first, parents=[0], beta=0.0)
    found = repaired(proto, Form.MASKED, entry, means=[MeanRecord(layer=last, parents=[0], values=[1.0])])
    assert not found.record.shifts
    assert found.proto.graph == repaired(proto, Form.MASKED, entry).proto.graph


def test_ranges_are_of_all_samples_and_places() -> None:
    builder = Builder(np.random.default_rng(0))
    maps = builder.add("Relu", [builder.add("Conv", ["x", builder.weight(5, 4, 3, 3)], kernel_shape=[3, 3])])
    pooled = builder.add("Flatten", [builder.add("GlobalAveragePool", [maps])])
    opened = open_proto(builder.model(["N", 4, 6, 6], builder.add("Gemm", [pooled, builder.weight(5, 3)])), inputs(1))
    x = inputs(2, 7)
    first, second = (layer.name for layer in opened.wiring.flow.layers)
    ranges = module.parent_ranges(opened.network, opened.wiring, x, {first, second})
    np.testing.assert_array_equal(ranges[first], (x.min(axis=(0, 2, 3)), x.max(axis=(0, 2, 3))))
    means = parent_means(opened.network, opened.wiring, x)
    for name, (least, most) in ranges.items():
        assert ((least <= means[name] + 1e-6) & (means[name] <= most + 1e-6)).all()
    x[0, 1] = np.nan
    x[1, 2] = np.inf
    least, most = module.parent_ranges(opened.network, opened.wiring, x, {first})[first]
    assert np.isfinite(least).all()
    assert np.isfinite(most).all()
    nothing = np.full_like(x[:1], np.nan)
    least, most = module.parent_ranges(opened.network, opened.wiring, nothing, {first})[first]
    assert (least > most).all()
