"""Layers of an analysis in the file itself: masked as in memory, or refused by name."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest

from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord, ReadingRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import FLOAT_TYPES, Layer, find_layers
from onnxcausal.onnxgraph.forms.masked_file import mask_values, repair, without_masks
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.masking.masked import with_masks
from onnxcausal.onnxgraph.masking.mean_ablation import parent_means, shifts_of
from onnxcausal.onnxgraph.original.layers import every_layer_in_file, layers_in_file
from onnxcausal.onnxgraph.original.original import record_of
from tests.support.networks import Builder, mlp
from tests.support.opened import Inputs, Opened, open_as_is
from tests.support.repairs import VERSION, WHOLE, few_masks, in_code, masks_of, run
from tests.support.repairs import repaired as repaired_file
from tests.support.support import AGREES, open_specimen
from tests.support.zoo import ZOO, Kind, Specimen

NAMES = [specimen.name for specimen in ZOO]
STEPS = 0.05
"""Largest difference between ranges of whole batches and those of samples, of the scores."""
QUANTISED = [specimen.name for specimen in ZOO if specimen.kind is Kind.QUANTISED]


@cache
def opened(name: str) -> tuple[Opened, Inputs]:
    return open_specimen(next(specimen for specimen in ZOO if specimen.name == name))


def reading_of(specimen: Specimen) -> ReadingRecord:
    return ReadingRecord.model_validate({key: specimen.settings.get(key) for key in ("output", "task")})


def refusal(found: Opened, layer: Layer, reading: ReadingRecord) -> str:
    """Return why a layer is not in the file, empty where it is."""
    try:
        in_file(found, [layer], reading)
    except ModelError as error:
        return f"{error.what}: {error.where}: {error.why}"
    return ""


def in_file(found: Opened, layers: Iterable[Layer], reading: ReadingRecord) -> dict[str, Layer]:
    """Return layers as they stand in the file."""
    names = [layer.name for layer in layers]
    held = layers_in_file(in_code(found.proto).model, names, output=reading.output, task=reading.task)
    return {name: layer.layer for name, layer in held.items()}


def scores(specimen: Specimen, proto: onnx.ModelProto) -> np.ndarray:
    """Return the scores of a file opened as an analysis does."""
    found, x = open_specimen(replace(specimen, build=lambda: proto))
    return found.network.scores(x)


@pytest.mark.slow
@pytest.mark.parametrize("specimen", ZOO, ids=NAMES)
def test_a_repaired_file_of_a_vendor_is_the_model_masked_in_memory(specimen: Specimen) -> None:
    found, x = opened(specimen.name)
    reading = reading_of(specimen)
    refused = {layer.name: refusal(found, layer, reading) for layer in found.layers}
    assert all(name in why and "cannot be masked in the file" in why for name, why in refused.items() if why)
    held = in_file(found, [layer for layer in found.layers if not refused[layer.name]], reading)
    original = in_code(found.proto)
    for form in WHOLE:
        layers = [
            layer
            for layer in found.layers
            if layer.name in held and (form is Form.FOLDED or held[layer.name].weight_type in FLOAT_TYPES)
        ]
        if form is Form.SWITCHABLE and found.proto.ir_version < OLDEST_OVERRIDABLE_IR:
            continue
        entries = few_masks(layers, np.random.default_rng(0))
        masks = masks_of(original, entries, reading=reading)
        try:
            repaired = repair(original, masks, form, VERSION).proto
        except ModelError:
            assert form is Form.FOLDED  # as test_folding tells
            continue
        if form is Form.FOLDED:
            assert len(repaired.graph.node) == len(found.proto.graph.node)
        else:
            again = in_code(repaired)
            assert without_masks(again, record_of(again)).SerializeToString() == found.proto.SerializeToString()
        values = mask_values({layer.name: layer for layer in layers}, entries)
        expected = with_masks(found.network, values, found.wiring).scores(x)
        # In a quantised model nothing is rounded between the two: they are the same sums of whole numbers.
        share = 0.0 if specimen.kind is Kind.QUANTISED else found.within(AGREES)
        atol = share * max(float(np.abs(expected).max()), float(np.abs(found.network.scores(x)).max()))
        np.testing.assert_allclose(scores(specimen, repaired), expected, rtol=0, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUANTISED)
def test_a_folded_quantised_file_gives_in_its_own_ops_what_memory_gives(name: str) -> None:
    found, x = opened(name)
    entries = few_masks(found.layers, np.random.default_rng(1))
    original = in_code(found.proto)
    folded = repair(original, masks_of(original, entries), Form.FOLDED, VERSION).proto
    onnx.checker.check_model(folded, full_check=True)
    assert [op.op_type for op in folded.graph.node] == [op.op_type for op in found.proto.graph.node]
    for tensor, before in zip(folded.graph.initializer, found.proto.graph.initializer, strict=True):
        assert (tensor.name, tensor.data_type, tensor.dims) == (before.name, before.data_type, before.dims)
    values = mask_values({layer.name: layer for layer in found.layers}, entries)
    expected = with_masks(found.network, values, found.wiring).scores(x)
    assert np.abs(expected - found.network.scores(x)).max() > STEPS
    samples = [run(folded, {"x": sample[None]})[0].reshape(-1) for sample in x]  # dynamic ranges are of each alone
    atol = 1e-4 if "int16" in name else 1e-6  # steps so fine that float sums before them take the other one
    np.testing.assert_allclose(samples, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["QLinearConv, grouped", "QLinearMatMul", "com.microsoft DynamicQuantizeMatMul"])
def test_whole_numbers_take_no_other_form_and_no_other_factor(name: str) -> None:
    found, _ = opened(name)
    layer = found.layers[-1]
    entry = MaskRecord(layer=layer.name, parents=[0], beta=0.0)
    for form in (Form.MASKED, Form.SWITCHABLE):
        with pytest.raises(ModelError, match="cannot be masked in this form") as caught:
            repaired_file(found.proto, form, entry)
        assert "whole numbers" in caught.value.why
        assert "--form folded" in caught.value.remedy
    half = entry.model_copy(update={"beta": 0.5})
    with pytest.raises(ModelError, match="cannot be multiplied into the weight") as caught:
        repaired_file(found.proto, Form.FOLDED, half)
    assert "a factor between 0 and 1 would be rounded" in caught.value.why
    assert "--form masked" not in caught.value.remedy


@pytest.mark.parametrize(
    "name", ["QLinearMatMul", "MatMulInteger, DynamicQuantizeLinear", "com.microsoft DynamicQuantizeMatMul"]
)
def test_sums_of_whole_numbers_without_a_bias_take_no_means(name: str) -> None:
    found, _ = opened(name)
    layer = found.layers[-1].name
    entry, mean = MaskRecord(layer=layer, parents=[0], beta=0.0), MeanRecord(layer=layer, parents=[0], values=[1.0])
    with pytest.raises(ModelError, match="a mean cannot take the place") as caught:
        repaired_file(found.proto, Form.FOLDED, entry, means=[mean])
    assert "no bias in the unit of its sum" in caught.value.why


def last_step(proto: onnx.ModelProto) -> float:
    """Return the step of the scores of a quantised model; of the sums they are made of, where they are float."""
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    last = proto.graph.node[-1]
    if last.op_type == "DequantizeLinear":
        return float(stored[last.input[1]])
    assert last.op_type == "QGemm"
    return float((stored[last.input[1]] * stored[last.input[4]]).max())


WITH_BIAS = [name for name in QUANTISED if name.startswith(("QDQ", "QLinearConv", "com.microsoft QGemm"))]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_BIAS)
def test_means_in_the_biases_of_quantised_layers_are_those_of_memory_but_for_a_step(name: str) -> None:
    specimen = next(specimen for specimen in ZOO if specimen.name == name)
    found, x = opened(name)
    means = parent_means(found.network, found.wiring, x)
    records = [
        MeanRecord(layer=name, parents=list(range(len(values))), values=values.tolist())
        for name, values in means.items()
    ]
    step = last_step(found.proto)
    for layers in (found.layers, found.layers[-1:]):
        entries = few_masks(layers, np.random.default_rng(0))
        masks = mask_values({layer.name: layer for layer in layers}, entries)
        shifts = shifts_of(found.network, found.wiring, masks, means)
        expected = with_masks(found.network, masks, found.wiring, shifts=shifts).scores(x)
        without = with_masks(found.network, masks, found.wiring).scores(x)
        assert np.abs(expected - without).max() > 4 * step
        repaired = repaired_file(found.proto, Form.FOLDED, *entries, means=records).proto
        onnx.checker.check_model(repaired, full_check=True)
        np.testing.assert_allclose(scores(specimen, repaired), expected, rtol=0, atol=1.01 * step)


BIAS_ALONE = [Form.FOLDED]


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("com.microsoft FusedConv, activation and residual input", BIAS_ALONE),
        ("com.microsoft FusedGemm", BIAS_ALONE),
        ("com.microsoft FusedMatMul", list(WHOLE)),
        ("QDQ, Gemm", list(WHOLE)),
    ],
)
def test_means_of_fused_and_dequantised_layers_are_those_of_memory(name: str, forms: list[Form]) -> None:
    specimen = next(specimen for specimen in ZOO if specimen.name == name)
    found, x = opened(name)
    layers = [layer for layer in found.layers if "usedMatMul" not in name or "usedmatmul" in layer.name]
    entries = few_masks(layers, np.random.default_rng(2))
    masks = mask_values({layer.name: layer for layer in layers}, entries)
    means = parent_means(found.network, found.wiring, x)
    records = [
        MeanRecord(layer=name, parents=list(range(len(values))), values=values.tolist())
        for name, values in means.items()
    ]
    shifts = shifts_of(found.network, found.wiring, masks, means)
    expected = with_masks(found.network, masks, found.wiring, shifts=shifts).scores(x)
    without = with_masks(found.network, masks, found.wiring).scores(x)
    assert np.abs(expected - without).max() > STEPS
    for form in WHOLE:
        if form not in forms:
            with pytest.raises(ModelError, match="a mean cannot take the place"):
                repaired_file(found.proto, form, *entries, means=records)
            continue
        repaired = repaired_file(found.proto, form, *entries, means=records).proto
        atol = 1e-5 * float(np.abs(expected).max())
        np.testing.assert_allclose(scores(specimen, repaired), expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("local functions of the model", "ConvRelu of domain vendor.blocks"),
        ("sparse initializer", "Gemm"),
        ("bfloat16 throughout, Casts at the ends", "Conv"),
        ("com.microsoft MatMulNBits", "MatMulNBits of domain com.microsoft"),
    ],
)
def test_a_layer_that_only_the_analysis_sees_is_refused_with_the_op_of_the_file(name: str, op: str) -> None:
    found, _ = opened(name)
    told = {refusal(found, layer, ReadingRecord()) for layer in found.layers}
    assert any(f"({op})" in why for why in told)


def test_a_float_weight_that_is_quantised_in_the_run_is_refused() -> None:
    b = Builder(np.random.default_rng(0))
    scale, zero = b.store(np.array(0.05, np.float32)), b.store(np.array(0, np.int8))
    turned = b.add("QuantizeLinear", [b.add("Transpose", ["x"], perm=[1, 0]), scale, zero])
    product = b.add("DynamicQuantizeMatMul", [b.weight(3, 4), turned, scale, zero], domain="com.microsoft")
    graph = b.graph(["N", 4], b.add("Transpose", [product], perm=[1, 0]))
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    proto = onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)
    opened_alone = open_as_is(proto, np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32))
    (layer,) = opened_alone.layers
    assert "(DynamicQuantizeMatMul of domain com.microsoft)" in refusal(opened_alone, layer, ReadingRecord())


def test_every_layer_that_stands_in_the_file_is_found_by_its_name() -> None:
    proto = mlp([np.ones((4, 3)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    layers = find_layers(index_graph(proto, 17))
    found = every_layer_in_file(in_code(proto).model)
    assert found == {layer.name: layer for layer in layers}
    hidden = layers[0].output
    assert list(every_layer_in_file(in_code(proto).model, output=hidden)) == [layers[0].name]
