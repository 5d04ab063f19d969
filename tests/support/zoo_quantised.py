"""Quantised models, and the float models they were quantised from."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from tests.support.zoo_exported import optimised
from tests.support.zoo_structures import (
    IMAGES,
    MICROSOFT,
    VECTORS,
    Build,
    Inputs,
    Kind,
    Sketch,
    Specimen,
    image_model,
    plain,
    sketch,
    value,
    vector_model,
)

INT8, UINT8 = QuantType.QInt8, QuantType.QUInt8


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # the package ships no types
    """Hands out samples, all at once."""

    def __init__(self, inputs: Inputs) -> None:
        self.batches = iter([inputs()])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.batches, None)


def static(parent: Build, inputs: Inputs = IMAGES, **settings: Any) -> onnx.ModelProto:
    """Return the parent quantised by the range of its values on the samples.

    Weights keep to 7 bits where uint8 activations meet int8 weights: processors without VNNI add two such products in
    16 bits, which overflow with 8.
    """
    settings.setdefault("reduce_range", settings.get("activation_type") == UINT8 and settings["weight_type"] == INT8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_static(parent(), path, Calibration(inputs), **settings)
        return onnx.load(path)


def dynamic(parent: Build, **settings: Any) -> onnx.ModelProto:
    """Return the parent with weights quantised (to 7 bits where int8), and activations as they come."""
    settings.setdefault("reduce_range", settings.get("weight_type", INT8) == INT8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_dynamic(parent(), path, **settings)
        return onnx.load(path)


def grouped(b: Sketch, x: str) -> str:
    return b.conv(b.relu(b.conv(x, 8, 4, group=2)), 4, 8, group=4)


def without_bias(b: Sketch, x: str) -> str:
    first = b.relu(b.add("Conv", [x, b.weight(4, 4, 3, 3)], kernel_shape=[3, 3], pads=[1] * 4))
    return b.add("Conv", [first, b.weight(4, 4, 3, 3)], kernel_shape=[3, 3], pads=[1] * 4)


def arithmetic(b: Sketch, x: str) -> str:
    """Append an Add, a gate, a Concat, an average pool and a leaky ReLU."""
    total = b.add("Add", [b.conv(x), x])
    pooled = b.add("AveragePool", [total], kernel_shape=[2, 2], strides=[2, 2])
    leaky = b.add("LeakyRelu", [b.conv(pooled)], alpha=0.1)
    gate = b.add("Sigmoid", [b.conv(b.add("GlobalAveragePool", [leaky]), kernel=1)])
    return b.conv(b.add("Concat", [b.add("Mul", [leaky, gate]), pooled], axis=1), 4, 8)


def products(b: Sketch, x: str) -> str:
    """Append a MatMul and its bias."""
    return b.relu(b.project(x, 6, 6))


def all_products() -> onnx.ModelProto:
    """Return an MLP of MatMul alone."""
    b = sketch(7)
    output = b.project(b.relu(b.project(b.relu(b.project("x", 6, 8)), 6, 6)), 3, 6)
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


def gemm_parent() -> onnx.ModelProto:
    """Return an MLP of two Gemm layers."""
    b = sketch(3)
    output = b.classify(b.relu(b.linear("x", 6, 8)), 3, 6)
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


def qgemm(*, quantised_output: bool) -> onnx.ModelProto:
    """Return the MLP of two Gemm layers in QGemm; the last gives int8 or, without an output scale, float."""
    parent = gemm_parent()
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in parent.graph.initializer}
    layers = [[stored[name] for name in op.input[1:]] for op in parent.graph.node if op.op_type == "Gemm"]
    x = VECTORS()["x"]
    hidden = np.maximum(x @ layers[0][0].T + layers[0][1], 0)
    ranges = [np.abs(values).max() / 127 for values in (x, hidden, hidden @ layers[1][0].T + layers[1][1])]
    b = sketch()
    scales = [b.scalar(number) for number in ranges]
    zero = b.scalar(0, np.int8)
    tensor = b.add("QuantizeLinear", ["x", scales[0], zero])
    for number, (weight, bias) in enumerate(layers):
        scale = np.abs(weight).max(axis=1) / 127
        whole = b.store(np.round(weight / scale[:, None]).astype(np.int8))
        into = b.store(np.round(bias / (ranges[number] * scale)).astype(np.int32))
        parts = [
            tensor,
            scales[number],
            zero,
            whole,
            b.store(scale.astype(np.float32)),
            b.store(np.zeros(3 if number else 6, np.int8)),
            into,
        ]
        end = [scales[number + 1], zero] if quantised_output or number == 0 else []
        tensor = b.add("QGemm", parts + end, domain=MICROSOFT, transB=1)
        if number == 0:
            tensor = b.add("Relu", [tensor])
    output = b.add("DequantizeLinear", [tensor, scales[2], zero]) if quantised_output else tensor
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


def twins() -> onnx.ModelProto:
    """Return an MLP in which two MatMul take one activation, so that neither can own its quantisation."""
    b = sketch(4)
    x = b.relu(b.project("x", 6, 8))
    both = b.add("Concat", [b.relu(b.project(x, 4, 6)), b.add("Sigmoid", [b.project(x, 4, 6)])], axis=1)
    output = b.project(both, 3, 8)
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


CNN: Build = partial(image_model, plain, 1)
GROUPED: Build = partial(image_model, grouped, 2)
BIASLESS: Build = partial(image_model, without_bias, 1)
ARITHMETIC: Build = partial(image_model, arithmetic, 1)
MIXED: Build = partial(vector_model, products, 7)
EXTENDED = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED

QDQ = partial(static, quant_format=QuantFormat.QDQ)
OPERATORS = partial(static, quant_format=QuantFormat.QOperator, activation_type=UINT8, weight_type=INT8)
SYMMETRIC: Mapping[str, Any] = {
    "activation_type": INT8,
    "weight_type": INT8,
    "extra_options": {"ActivationSymmetric": True},
}
ASYMMETRIC_WEIGHTS: Mapping[str, Any] = {"weight_type": UINT8, "extra_options": {"WeightSymmetric": False}}


def fused(parent: Build, **settings: Any) -> onnx.ModelProto:
    """Return the parent quantised as activations come, then optimised by ONNX Runtime."""
    return optimised(partial(dynamic, parent, **settings), EXTENDED)


_ROWS: tuple[tuple[str, Build, Build, Inputs], ...] = (
    ("QDQ, int8 symmetric per tensor", CNN, partial(QDQ, CNN, **SYMMETRIC), IMAGES),
    (
        "QDQ, uint8 activations, int8 weights per channel",
        CNN,
        partial(QDQ, CNN, activation_type=UINT8, weight_type=INT8, per_channel=True),
        IMAGES,
    ),
    ("QDQ, Gemm", gemm_parent, partial(QDQ, gemm_parent, VECTORS, activation_type=UINT8, weight_type=INT8), VECTORS),
    ("QDQ, MatMul", MIXED, partial(QDQ, MIXED, VECTORS, activation_type=UINT8, weight_type=INT8), VECTORS),
    ("QDQ, int16 activations", CNN, partial(QDQ, CNN, activation_type=QuantType.QInt16, weight_type=INT8), IMAGES),
    (
        "QLinearConv, uint8 activations, int8 weights per channel, int32 bias",
        CNN,
        partial(OPERATORS, CNN, per_channel=True),
        IMAGES,
    ),
    ("QLinearConv, int8 activations, int8 weights", CNN, partial(OPERATORS, CNN, **SYMMETRIC), IMAGES),
    ("QLinearConv, uint8 weights about zero points", CNN, partial(OPERATORS, CNN, **ASYMMETRIC_WEIGHTS), IMAGES),
    ("QLinearConv without bias", BIASLESS, partial(OPERATORS, BIASLESS), IMAGES),
    ("QLinearConv, grouped", GROUPED, partial(OPERATORS, GROUPED, per_channel=True), IMAGES),
    ("QLinearMatMul", all_products, partial(OPERATORS, all_products, VECTORS), VECTORS),
    (
        "QLinearMatMul, scales per column",
        all_products,
        partial(OPERATORS, all_products, VECTORS, per_channel=True),
        VECTORS,
    ),
    ("com.microsoft QGemm, int8 output", gemm_parent, partial(qgemm, quantised_output=True), VECTORS),
    ("com.microsoft QGemm, float output", gemm_parent, partial(qgemm, quantised_output=False), VECTORS),
    (
        "com.microsoft QLinearAdd, Mul, Concat, AveragePool, GlobalAveragePool, Sigmoid, LeakyRelu",
        ARITHMETIC,
        partial(OPERATORS, ARITHMETIC),
        IMAGES,
    ),
    ("ConvInteger, DynamicQuantizeLinear, int8 weights", CNN, partial(dynamic, CNN, weight_type=INT8), IMAGES),
    ("ConvInteger, DynamicQuantizeLinear, uint8 weights", CNN, partial(dynamic, CNN, weight_type=UINT8), IMAGES),
    ("MatMulInteger, DynamicQuantizeLinear", all_products, partial(dynamic, all_products), VECTORS),
    (
        "MatMulInteger, DynamicQuantizeLinear, scales per column",
        all_products,
        partial(dynamic, all_products, per_channel=True),
        VECTORS,
    ),
    ("com.microsoft DynamicQuantizeMatMul", all_products, partial(fused, all_products), VECTORS),
    (
        "com.microsoft DynamicQuantizeMatMul, scales per column",
        all_products,
        partial(fused, all_products, per_channel=True),
        VECTORS,
    ),
    ("com.microsoft MatMulIntegerToFloat", twins, partial(fused, twins), VECTORS),
)

QUANTISED: tuple[Specimen, ...] = tuple(
    Specimen(name, Kind.QUANTISED, build, inputs) for name, _, build, inputs in _ROWS
)
PARENTS: dict[str, Build] = {name: parent for name, parent, _, _ in _ROWS}
"""The float model behind each quantised specimen, by the specimen's name."""
