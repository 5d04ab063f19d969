"""Layers of an analysis in the file itself: masked as in memory, or refused by name."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest

from onnxcausal.analysis.masks import ReadingRecord
from onnxcausal.analysis.repair import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.filelayers import layers_in_file
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.masked import with_masks
from onnxcausal.onnxgraph.original import record_of
from onnxcausal.onnxgraph.repairforms import mask_values, repair, without_masks
from tests.opened import Inputs, Opened
from tests.repairs import VERSION, in_code, masks_of, some_masks
from tests.support import AGREES, open_specimen
from tests.zoo import ZOO, Kind, Specimen

NAMES = [specimen.name for specimen in ZOO]
STEPS = 0.05
"""Largest difference between a file that rounds to whole numbers and the same sums in float, of the scores."""


@cache
def opened(name: str) -> tuple[Opened, Inputs]:
    return open_specimen(next(specimen for specimen in ZOO if specimen.name == name))


def reading_of(specimen: Specimen) -> ReadingRecord:
    return ReadingRecord.model_validate({key: specimen.settings.get(key) for key in ("output", "task")})


def refusal(found: Opened, layer: Layer, reading: ReadingRecord) -> str:
    """Return why a layer is not in the file, empty where it is."""
    try:
        layers_in_file(in_code(found.proto).model, [layer.name], output=reading.output, task=reading.task)
    except ModelError as error:
        return f"{error.what}: {error.where}: {error.why}"
    return ""


def scores(specimen: Specimen, proto: onnx.ModelProto) -> np.ndarray:
    """Return the scores of a file opened as an analysis does."""
    found, x = open_specimen(replace(specimen, build=lambda: proto))
    return found.network.scores(x)


@pytest.mark.slow
@pytest.mark.parametrize("specimen", ZOO, ids=NAMES)
def test_a_masked_file_of_a_vendor_is_the_model_masked_in_memory(specimen: Specimen) -> None:
    found, x = opened(specimen.name)
    reading = reading_of(specimen)
    refused = {layer.name: refusal(found, layer, reading) for layer in found.layers}
    assert all(name in why and "cannot be masked in the file" in why for name, why in refused.items() if why)
    layers = [layer for layer in found.layers if not refused[layer.name]]
    entries = some_masks(layers, np.random.default_rng(0), betas=[0.0])
    original = in_code(found.proto)
    masks = masks_of(original, entries, reading=reading)
    masked = repair(original, masks, Form.MASKED, VERSION)
    again = in_code(masked.proto)
    assert without_masks(again, record_of(again)).SerializeToString() == found.proto.SerializeToString()
    values = mask_values({layer.name: layer for layer in layers}, entries)
    expected = with_masks(found.network, values, found.wiring).scores(x)
    tolerance = STEPS if specimen.kind is Kind.QUANTISED else found.within(AGREES)
    atol = tolerance * max(float(np.abs(expected).max()), float(np.abs(found.network.scores(x)).max()))
    np.testing.assert_allclose(scores(specimen, masked.proto), expected, rtol=0, atol=atol)
    try:
        folded = repair(original, masks, Form.FOLDED, VERSION).proto
    except ModelError:  # as test_folding tells
        return
    assert len(folded.graph.node) == len(found.proto.graph.node)
    np.testing.assert_allclose(scores(specimen, folded), expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("local functions of the model", "ConvRelu of domain vendor.blocks"),
        ("sparse initializer", "Gemm"),
        ("bfloat16 throughout, Casts at the ends", "Conv"),
        ("com.microsoft FusedConv, activation and residual input", "FusedConv of domain com.microsoft"),
        ("com.microsoft FusedGemm", "FusedGemm of domain com.microsoft"),
        ("com.microsoft MatMulNBits", "MatMulNBits of domain com.microsoft"),
        ("QLinearConv, grouped", "QLinearConv"),
        ("QLinearMatMul", "QLinearMatMul"),
        ("ConvInteger, DynamicQuantizeLinear, int8 weights", "ConvInteger"),
        ("com.microsoft DynamicQuantizeMatMul", "DynamicQuantizeMatMul of domain com.microsoft"),
    ],
)
def test_a_layer_that_only_the_analysis_sees_is_refused_with_the_op_of_the_file(name: str, op: str) -> None:
    found, _ = opened(name)
    told = {refusal(found, layer, ReadingRecord()) for layer in found.layers}
    assert any(f"({op})" in why for why in told)
