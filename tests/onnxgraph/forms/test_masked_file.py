"""Repaired files: all forms are the edit of the weights, and nothing else of the file changes."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import helper

from onnxcausal.analysis.formats.masks import MaskRecord, in_order
from onnxcausal.analysis.formats.repair_metadata import KEY, Form, from_text
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import input_spec
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.masked_file import repair, without_masks
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.original.original import Original, record_of
from tests.support.assets import PREPARED, model_path, needs_assets, prepared
from tests.support.networks import classifiers, mlp
from tests.support.opened import TOLERANCE, open_proto
from tests.support.repairs import (
    VERSION,
    WHOLE,
    edited_scores,
    from_file,
    in_code,
    masks_of,
    repaired,
    run,
    some_masks,
    without_effect,
)

GENERATED = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def inputs(seed: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def bare(proto: onnx.ModelProto, weights: set[str]) -> bytes:
    """Return a file without what these tensors hold and without its record."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            tensor.raw_data = b""
    kept = [entry for entry in copy.metadata_props if entry.key != KEY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    return bytes(copy.SerializeToString(deterministic=True))


@GENERATED
@given(drawn=classifiers())
def test_every_form_computes_what_the_model_with_edited_weights_computes(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed)
    opened = open_proto(proto, x)
    entries = some_masks(opened.layers, np.random.default_rng(seed))
    expected = edited_scores(opened, entries, x)
    scale = max(1.0, float(np.abs(expected).max()))
    outputs = []
    for form in WHOLE:
        found = repaired(proto, form, *entries).proto
        onnx.checker.check_model(found, full_check=True)
        (scores,) = run(found, {"x": x})
        np.testing.assert_allclose(scores.reshape(expected.shape), expected, rtol=0, atol=TOLERANCE * scale)
        outputs.append(scores)
    masked, folded, _ = outputs
    np.testing.assert_array_equal(masked, folded)


@GENERATED
@given(drawn=classifiers())
def test_a_switchable_file_fed_with_ones_is_the_original(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed)
    layers = find_layers(index_graph(proto, 17))
    found = repaired(proto, Form.SWITCHABLE, *some_masks(layers, np.random.default_rng(seed)))
    (plain,) = run(proto, {"x": x})
    (switched,) = run(found.proto, {"x": x} | without_effect(found))
    np.testing.assert_allclose(switched, plain, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(plain).max())))


@GENERATED
@given(drawn=classifiers())
def test_factors_of_one_leave_the_outputs_bit_for_bit(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = inputs(seed)
    layers = find_layers(index_graph(proto, 17))
    entries = some_masks(layers, np.random.default_rng(seed), betas=[1.0])
    for form in (Form.MASKED, Form.FOLDED):
        found = repaired(proto, form, *entries)
        np.testing.assert_array_equal(run(found.proto, {"x": x})[0], run(proto, {"x": x})[0])


@GENERATED
@given(drawn=classifiers())
def test_taking_masks_out_gives_the_original_and_its_bytes(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    proto.doc_string, proto.graph.doc_string = "a model", "a graph"
    proto.graph.node[0].doc_string = "an op"
    helper.set_model_props(proto, {"author": "someone", "names": "{0: 'a'}"})
    before = proto.SerializeToString()
    entries = some_masks(find_layers(index_graph(proto, 17)), np.random.default_rng(seed))
    for form in (Form.MASKED, Form.SWITCHABLE):
        found = in_code(repaired(proto, form, *entries).proto)
        assert proto.SerializeToString() == before
        assert without_masks(found, record_of(found)).SerializeToString() == before


@GENERATED
@given(drawn=classifiers())
def test_folding_changes_what_weights_hold_and_the_inputs_of_layers_with_copies(
    drawn: tuple[onnx.ModelProto, int],
) -> None:
    proto, seed = drawn
    layers = find_layers(index_graph(proto, 17))
    found = repaired(proto, Form.FOLDED, *some_masks(layers, np.random.default_rng(seed))).proto
    number = len(proto.graph.initializer)
    copies = {tensor.name for tensor in found.graph.initializer[number:]}
    for op, old in zip(found.graph.node, proto.graph.node, strict=True):
        for position, name in enumerate(op.input):
            if name in copies:
                op.input[position] = old.input[position]
    del found.graph.initializer[number:]
    weights = {layer.weight for layer in layers}
    assert bare(found, weights) == bare(proto, weights)


def test_the_record_tells_how_the_file_was_made() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    original = in_code(proto)
    layers = find_layers(index_graph(proto, 17))
    entries = [MaskRecord(layer=layer.name, parents=[2, 0], beta=0.0) for layer in layers]
    masks = masks_of(original, entries, provenance={"data_sha256": "b" * 64})
    found = repair(original, masks, Form.MASKED, "1.2.3")
    (entry,) = found.proto.metadata_props
    record = from_text(entry.value, "here")
    assert entry.key == "onnxcausal.repair"
    assert (record.onnxcausal, record.form) == ("1.2.3", Form.MASKED)
    assert record.original.file_sha256 == original.model.sha256
    assert "shifts" not in entry.value  # without means it is what it was before there were any
    assert "means" not in entry.value
    assert record.masks == in_order(masks)
    assert record.inserted == {layer.name: f"{layer.name}.mask" for layer in layers}
    assert {tensor.name for tensor in found.proto.graph.initializer} >= set(record.inserted.values())


def test_the_order_of_entries_does_not_change_the_file() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    first, last = (layer.name for layer in find_layers(index_graph(proto, 17)))
    entries = [MaskRecord(layer=last, parents=[1], beta=0.5), MaskRecord(layer=first, parents=[0], beta=0.0)]
    one, other = (repaired(proto, Form.MASKED, *given).proto for given in (entries, entries[::-1]))
    assert one.graph == other.graph


def test_an_edge_of_several_entries_gets_the_smallest_factor() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    (layer,) = find_layers(index_graph(proto, 17))
    entries = [
        MaskRecord(layer=layer.name, parents=[0, 1], beta=0.5),
        MaskRecord(layer=layer.name, parents=[1], children=[0], beta=0.25),
        MaskRecord(layer=layer.name, parents=[1, 2], beta=0.75),
    ]
    found = repaired(proto, Form.FOLDED, *entries)
    np.testing.assert_array_equal(found.masks[layer.name], [[0.5, 0.25, 0.75], [0.5, 0.5, 0.75]])


def test_ir_3_takes_masks_that_are_constant() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    last = find_layers(index_graph(proto, 17))[-1]
    entry = MaskRecord(layer=last.name, parents=[0, 1, 2], beta=0.0)
    x = np.ones((1, 3), np.float32)
    for form in (Form.MASKED, Form.FOLDED):
        found = repaired(proto, form, entry).proto
        onnx.checker.check_model(found, full_check=True)
        np.testing.assert_array_equal(run(found, {"x": x})[0], [[3, 3]])
    masked = in_code(repaired(proto, Form.MASKED, entry).proto)
    assert without_masks(masked, record_of(masked)) == proto
    with pytest.raises(ModelError, match="no overridable initializers"):
        repaired(proto, Form.SWITCHABLE, entry)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (MaskRecord(layer="/gem_0/Gemm", parents=[0], beta=0.0), "no layer '/gem_0/Gemm'"),
        (MaskRecord(layer="/gemm_0/Gemm", parents=[2, 3], beta=0.0), "no parent 3"),
        (MaskRecord(layer="/gemm_0/Gemm", parents=[2], children=[9], beta=0.0), "no child 9"),
    ],
)
def test_masks_of_what_the_model_does_not_have_are_refused(entry: MaskRecord, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        repaired(mlp([np.ones((2, 3))], [np.zeros(2)]), Form.MASKED, entry)


def test_a_misspelt_layer_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        repaired(
            mlp([np.ones((2, 3))], [np.zeros(2)]),
            Form.MASKED,
            MaskRecord(layer="/gem_0/Gemm", parents=[0], beta=0.0),
        )
    assert "'/gemm_0/Gemm'" in caught.value.remedy


def test_a_repaired_file_is_not_repaired_again() -> None:
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[0], beta=0.0)
    found = repaired(mlp([np.ones((2, 3))], [np.zeros(2)]), Form.MASKED, entry)
    with pytest.raises(ConfigError, match="repaired already"):
        repaired(found.proto, Form.MASKED, entry)


def test_masks_do_not_come_out_of_a_folded_file_or_one_that_lost_them() -> None:
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[0], beta=0.0)
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    folded, masked = (in_code(repaired(proto, form, entry).proto) for form in (Form.FOLDED, Form.MASKED))
    with pytest.raises(ModelError, match="cannot be taken out of a folded file"):
        without_masks(folded, record_of(folded))
    next(op for op in masked.proto.graph.node if op.op_type == "Mul").op_type = "Add"
    with pytest.raises(ModelError, match="changed since"):
        without_masks(masked, record_of(masked))


def test_what_says_nothing_of_a_repair_or_nonsense_is_refused() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    with pytest.raises(ModelError, match="no repaired file"):
        record_of(in_code(proto))
    helper.set_model_props(proto, {KEY: '{"format": "onnxcausal-repair/9"}'})
    with pytest.raises(ModelError, match="cannot be read"):
        record_of(in_code(proto))


def test_annotations_sparse_tensors_functions_and_shapes_survive_every_form() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[0], beta=0.0)
    note = proto.graph.quantization_annotation.add(tensor_name="stored_0")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="stored_1")
    values = helper.make_tensor("/gemm_0/Gemm.mask", 1, [1], [3.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("places", 7, [1], [1]), [2])
    proto.graph.sparse_initializer.append(sparse)
    imports = [helper.make_opsetid("", 17)]
    proto.functions.append(
        helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], imports)
    )
    proto.graph.value_info.append(helper.make_tensor_value_info("note", 1, [5]))
    for form in WHOLE:
        found = repaired(proto, form, entry)
        for field in ("quantization_annotation", "sparse_initializer", "value_info"):
            assert getattr(found.proto.graph, field) == getattr(proto.graph, field)
        assert found.proto.functions == proto.functions
        assert found.record.inserted.get("/gemm_0/Gemm", "") != "/gemm_0/Gemm.mask"  # that name is taken


@needs_assets
@pytest.mark.parametrize("name", PREPARED)
def test_real_models_are_repaired_alike_in_every_form(name: str) -> None:
    original = from_file(model_path(name))
    opened = open_proto(original.proto, prepared(name, 2))
    entries = some_masks(opened.layers, np.random.default_rng(1))
    fixed = input_spec(original.proto, name).shape[0]
    feeds = {opened.network.spec.name: prepared(name, fixed or 2)}
    outputs = {}
    for form in WHOLE:
        if form is Form.SWITCHABLE and original.proto.ir_version < 4:
            continue
        found = repair(original, masks_of(original, entries), form, VERSION)
        outputs[form] = run(found.proto, feeds)[0]
        if form is not Form.FOLDED:
            held = Original(original.path, in_code(found.proto).model, found.proto)
            assert without_masks(held, found.record).SerializeToString() == original.proto.SerializeToString()
    scale = float(np.abs(outputs[Form.FOLDED]).max())
    for output in outputs.values():
        np.testing.assert_allclose(output, outputs[Form.FOLDED], rtol=0, atol=TOLERANCE * scale)
