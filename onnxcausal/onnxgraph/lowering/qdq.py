"""Layers between DequantizeLinear and QuantizeLinear (QDQ), computed on whole numbers (`lowering.integers`)."""

import numpy as np
import onnx
from onnx import TensorProto

from onnxcausal.onnxgraph.graph.index import attribute
from onnxcausal.onnxgraph.lowering.expansion import Expansion
from onnxcausal.onnxgraph.lowering.integers import CHANNELS_OUT, FIRST, RANGES, along, centred


def qdq_conv(e: Expansion) -> bool:
    """Conv of a dequantised tensor with a dequantised weight."""
    data, weight = _dequantised(e, 0), _dequantised(e, 1)
    rank = None if weight is None else e.rank(weight.input[0])
    if data is None or weight is None or rank is None or not _fits(e, data, weight, FIRST):
        return False
    w = centred(e, weight.input[0], _zero(weight), axis=FIRST, rank=rank)
    total = e.add("Conv", [centred(e, data.input[0], _zero(data)), w], name=e.op.name, **e.settings())
    scale = along(e, e.add("Mul", [data.input[1], weight.input[1]]), weight.input[1], CHANNELS_OUT, rank)
    bias = e.given(2) and e.add("Reshape", [e.given(2), e.shape(*(-1 if axis == 1 else 1 for axis in range(rank)))])
    return _scaled(e, total, scale, bias)


def qdq_gemm(e: Expansion) -> bool:
    """Gemm of a dequantised tensor with a dequantised weight, and a stored bias."""
    data, weight = _dequantised(e, 0), _dequantised(e, 1)
    transposed = attribute(e.op, "transB", 0)
    if data is None or weight is None or not _fits(e, data, weight, 0 if transposed else 1):
        return False
    if e.given(2) and e.given(2) not in e.index.leaves:
        return False
    w = centred(e, weight.input[0], _zero(weight), axis=0 if transposed else -1, rank=2)
    factors = e.settings("alpha", "beta")
    total = e.add("Gemm", [centred(e, data.input[0], _zero(data)), w], name=e.op.name, **e.settings("transA", "transB"))
    scale = _times(e, e.add("Mul", [data.input[1], weight.input[1]]), factors.get("alpha", 1.0))
    bias = e.given(2) and _times(e, e.given(2), factors.get("beta", 1.0))
    return _scaled(e, total, scale, bias)


def qdq_matmul(e: Expansion) -> bool:
    """MatMul of a dequantised tensor with a dequantised matrix."""
    data, weight = _dequantised(e, 0), _dequantised(e, 1)
    if data is None or weight is None or e.rank(weight.input[0]) != 2 or not _fits(e, data, weight, 1):  # noqa: PLR2004
        return False
    operands = [centred(e, data.input[0], _zero(data)), centred(e, weight.input[0], _zero(weight))]
    total = e.add("MatMul", operands, name=e.op.name)
    return _scaled(e, total, e.add("Mul", [data.input[1], weight.input[1]]), "")


def _dequantised(e: Expansion, position: int) -> onnx.NodeProto | None:
    """Return the DequantizeLinear behind an input, with one step for each index or for all."""
    op = e.index.producing(e.given(position))
    if (
        op is None
        or op.op_type != "DequantizeLinear"
        or op.domain not in ("", "ai.onnx")
        or attribute(op, "block_size", 0)
    ):
        return None
    scale = e.tensor(op.input[1])
    return op if scale is not None and scale.data_type == TensorProto.FLOAT else None


def _fits(e: Expansion, data: onnx.NodeProto, weight: onnx.NodeProto, child_axis: int) -> bool:
    """Whether the data has one scale, and the weight one or one for each child."""
    stored = e.tensor(weight.input[0])
    if stored is None or stored.data_type not in RANGES or data.input[0] in e.index.leaves:
        return False
    of_children = attribute(weight, "axis", 1) % len(stored.dims) == child_axis if stored.dims else False
    return e.is_single(data.input[1]) and (of_children or e.is_single(weight.input[1]))


def _zero(op: onnx.NodeProto) -> str:
    return op.input[2] if len(op.input) > 2 else ""  # noqa: PLR2004  # data, scale, zero point


def _times(e: Expansion, tensor: str, factor: float) -> str:
    return tensor if factor == 1.0 else e.add("Mul", [tensor, e.constant(np.float32(factor))])


def _scaled(e: Expansion, total: str, scale: str, bias: str) -> bool:
    """Make the op's output: the sum, scaled, and a bias."""
    output = e.op.output[0]
    scaled = e.add("Mul", [total, scale], output="" if bias else output)
    if bias:
        e.add("Add", [scaled, bias], output=output)
    return True
