"""Operators in float64 from their definitions, where ONNX's reference evaluator has none or fails."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from tests.support.oracle_bodies import Loop, Scan
from tests.support.oracle_microsoft import (
    Attention,
    BiasGelu,
    FastGelu,
    FusedMatMul,
    QuickGelu,
    SkipLayerNormalization,
)

Array = NDArray[np.float64]
ROUNDING = "tests.rounding"
"""Domain of what rounds results of other ops."""
RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


class ConvTranspose(OpRun):
    """The operator from its definition: each input value adds the kernel, scaled, to the output.

    It stands in for that of ONNX's reference evaluator, which fails on more than one group.
    """

    op_domain = ""

    def _run(  # the evaluator's names
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        assert auto_pad in (None, "NOTSET")
        assert output_shape is None
        del kernel_shape
        axes, kernel = x.ndim - 2, weight.shape[2:]
        strides, dilations = strides or [1] * axes, dilations or [1] * axes
        extra, pads, group = output_padding or [0] * axes, pads or [0] * 2 * axes, group or 1
        sizes = [(x.shape[2 + i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + extra[i] for i in range(axes)]
        children = weight.shape[1]
        full = np.zeros((len(x), children * group, *sizes))
        for number, (inputs, part) in enumerate(zip(np.split(x, group, 1), np.split(weight, group, 0), strict=True)):
            outputs = full[:, number * children : (number + 1) * children]
            for position in np.ndindex(*kernel):
                window = tuple(
                    slice(
                        position[i] * dilations[i],
                        position[i] * dilations[i] + (x.shape[2 + i] - 1) * strides[i] + 1,
                        strides[i],
                    )
                    for i in range(axes)
                )
                outputs[(slice(None), slice(None), *window)] += np.einsum(
                    "nc...,cm->nm...", inputs, part[(slice(None), slice(None), *position)]
                )
        cut = tuple(slice(pads[i], sizes[i] - pads[axes + i]) for i in range(axes))
        result = full[(slice(None), slice(None), *cut)]
        return (result if bias is None else result + bias.reshape(1, -1, *[1] * axes),)


def _along(values: Array, axis: int, rank: int) -> Array:
    """Return one or several values, shaped to stand along an axis."""
    if values.ndim == 0 or values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if number == axis % rank else 1 for number in range(rank)])


class DequantizeLinear(OpRun):
    """`(x - zero) * scale`."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        scale: Array,
        zero: Array | None = None,
        *,
        axis: int | None = None,
        block_size: int | None = None,
        output_dtype: int | None = None,
    ) -> tuple[NDArray[np.generic]]:
        assert not block_size
        del output_dtype
        place = 1 if axis is None else axis
        centred = x.astype(np.float64) - (0 if zero is None else _along(zero.astype(np.float64), place, x.ndim))
        return (centred * _along(scale.astype(np.float64), place, x.ndim),)


class QuantizeLinear(OpRun):
    """`clip(round(x / scale) + zero)`, divided in float32: the standard divides in the type of the tensor."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        scale: Array,
        zero: Array | None = None,
        *,
        axis: int | None = None,
        saturate: int | None = None,
        block_size: int | None = None,
        output_dtype: int | None = None,
        precision: int | None = None,
    ) -> tuple[NDArray[np.generic]]:
        assert not block_size
        del saturate, output_dtype, precision
        place, kind = 1 if axis is None else axis, np.dtype(np.uint8) if zero is None else zero.dtype
        levels = np.rint(x.astype(np.float32) / _along(scale.astype(np.float32), place, x.ndim)).astype(np.float64)
        shifted = levels + (0 if zero is None else _along(zero.astype(np.float64), place, x.ndim))
        return (np.clip(shifted, *RANGES[kind.name]).astype(kind),)


class BatchNormalization(OpRun):
    """Scale and shift by stored statistics, as at inference."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        scale: Array,
        bias: Array,
        mean: Array,
        variance: Array,
        *,
        epsilon: float | None = None,
        momentum: float | None = None,
        spatial: int | None = None,
        training_mode: int | None = None,
    ) -> tuple[Array]:
        assert spatial in (None, 1)
        assert not training_mode
        del momentum
        deviation = np.sqrt(_along(variance, 1, x.ndim) + (1e-5 if epsilon is None else epsilon))
        return ((x - _along(mean, 1, x.ndim)) / deviation * _along(scale, 1, x.ndim) + _along(bias, 1, x.ndim),)


class RoundToFloat32(OpRun):
    """What a result is in float32, still held in float64; anything else as it is."""

    op_domain = ROUNDING

    def _run(self, x: NDArray[np.generic]) -> tuple[NDArray[np.generic]]:
        return (x.astype(np.float32).astype(np.float64) if x.dtype == np.float64 else x,)


def _enlarged(x: Array, scales: Sequence[float] | Array) -> Array:
    """Return a tensor each position of which is that of the input at `floor(position / scale)`."""
    for axis, scale in enumerate(scales):
        size = int(np.floor(x.shape[axis] * scale))
        x = x.take(np.floor(np.arange(size) / scale).astype(np.int64), axis)
    return x


class Upsample(OpRun):
    """Each position from the nearest one before it; scales are an attribute before opset 9."""

    op_domain = ""

    def _run(self, x: Array, scales: Sequence[float] | Array, *, mode: str | None = None) -> tuple[Array]:
        assert mode in (None, "nearest")
        return (_enlarged(x, scales),)


class Resize(OpRun):
    """As opset 10 has it: that of `Upsample`, by another name. Later forms are the evaluator's own."""

    op_domain = ""

    def _run(self, x: Array, scales: Array, *, mode: str | None = None, **_: object) -> tuple[Array]:
        assert mode in (None, "nearest")
        assert {entry.name for entry in self.onnx_node.attribute} <= {"mode"}  # others are defaults of later forms
        return (_enlarged(x, scales),)


class AveragePool(OpRun):
    """The mean in float32, within what its sum may be off; for models that round to steps.

    A tie of two steps may hang on the order of the sum, which no definition tells: it is ONNX Runtime's own.
    """

    op_domain = ""

    def _run(self, x: Array, **_: object) -> tuple[Array]:
        op = helper.make_node(self.onnx_node.op_type, ["x"], ["y"])
        op.attribute.extend(self.onnx_node.attribute)
        pooled = [_run_alone(op, values) for values in (x.astype(np.float32), np.abs(x).astype(np.float32))]
        (exact,) = ReferenceEvaluator(_alone(op, TensorProto.DOUBLE)).run(None, {"x": x})
        assert (np.abs(pooled[0] - np.asarray(exact)) <= x[0, 0].size * np.finfo(np.float32).eps * pooled[1]).all()
        return (pooled[0].astype(np.float64),)


class GlobalAveragePool(AveragePool):
    """As `AveragePool`, over all places."""


def _alone(op: onnx.NodeProto, kind: int) -> onnx.ModelProto:
    """Return a model of one op on one tensor."""
    given, result = (helper.make_tensor_value_info(name, kind, None) for name in ("x", "y"))
    graph = helper.make_graph([op], "alone", [given], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _run_alone(op: onnx.NodeProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(_alone(op, TensorProto.FLOAT).SerializeToString())
    return np.asarray(session.run(None, {"x": x})[0])


POOLS: Sequence[type[OpRun]] = (AveragePool, GlobalAveragePool)
"""Stand-ins for models that round to steps."""
LAST_WITHOUT_ROI = 10
"""Opset up to which Resize takes a tensor and scales alone."""


def ops_of(opset: int) -> list[type[OpRun]]:
    """Return the ops that stand in for those of ONNX's reference evaluator."""
    return [*OPS, Resize] if opset <= LAST_WITHOUT_ROI else list(OPS)


OPS: Sequence[type[OpRun]] = (
    Attention,
    ConvTranspose,
    DequantizeLinear,
    QuantizeLinear,
    BatchNormalization,
    BiasGelu,
    FastGelu,
    FusedMatMul,
    Loop,
    QuickGelu,
    RoundToFloat32,
    Scan,
    SkipLayerNormalization,
    Upsample,
)
