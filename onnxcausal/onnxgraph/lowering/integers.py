"""Products of whole numbers (QLinearConv, QLinearMatMul, QGemm, ConvInteger, MatMulInteger) as float32 products.

A product of quantised tensors is `scale * sum (x - x_zero) (w - w_zero)`. The sum is computed in float32 on the whole
numbers themselves: exact, and so the same in every order, as long as it stays below 2^24. What is intervened on is
`w - w_zero`, the dequantised weight but for its scale; a removed path is the quantised weight at its zero point. The
result is scaled and rounded as ONNX Runtime does it: `clip(round(sum * (x_scale * w_scale / y_scale)) + y_zero)`.
"""

import numpy as np
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.graph.index import attribute
from onnxcausal.onnxgraph.lowering.expansion import Expansion

RANGES: dict[int, tuple[float, float]] = {
    TensorProto.UINT8: (0.0, 255.0),
    TensorProto.INT8: (-128.0, 127.0),
    TensorProto.UINT16: (0.0, 65535.0),
    TensorProto.INT16: (-32768.0, 32767.0),
}
"""Smallest and largest value of each quantised type."""
CHANNELS_OUT, FIRST = 1, 0
"""Axis of the output channels of a convolution's result; of its weight."""


def qlinear_conv(e: Expansion) -> bool:
    """QLinearConv: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias."""
    rank = e.rank(e.given(3))
    if rank is None:
        return False
    x = centred(e, e.given(0), e.given(2))
    w = centred(e, e.given(3), e.given(5), axis=FIRST, rank=rank)
    bias = [e.to_float(e.given(8))] if e.given(8) else []
    total = e.add("Conv", [x, w, *bias], name=e.op.name, **e.settings())
    scale = quotient(e, product(e, e.given(1), e.given(4)), e.given(6))
    return requantise(e, total, along(e, scale, e.given(4), CHANNELS_OUT, rank), e.given(7))


def qlinear_matmul(e: Expansion) -> bool:
    """QLinearMatMul: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""
    if _by_row(e, 1) or _by_row(e, 2):
        return False  # as many scales as rows: they would stand along the wrong axis
    total = e.add("MatMul", [centred(e, e.given(0), e.given(2)), centred(e, e.given(3), e.given(5))], name=e.op.name)
    return requantise(e, total, quotient(e, product(e, e.given(1), e.given(4)), e.given(6)), e.given(7))


def qgemm(e: Expansion) -> bool:
    """QGemm of com.microsoft: a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero; float without a y_scale."""
    a = centred(e, e.given(0), e.given(2))
    b = centred(e, e.given(3), e.given(5), axis=FIRST if attribute(e.op, "transB", 0) else -1, rank=2)
    c = [e.to_float(e.given(6))] if e.given(6) else []
    total = e.add("Gemm", [a, b, *c], name=e.op.name, **e.settings("transA", "transB"))
    scale = product(e, e.given(1), e.given(4))
    alpha = e.settings("alpha").get("alpha", 1.0)
    if alpha != 1.0:
        scale = product(e, scale, e.constant(np.float32(alpha)))
    if not e.given(7):
        e.add("Mul", [total, scale], output=e.op.output[0])
        return True
    return requantise(e, total, quotient(e, scale, e.given(7)), e.given(8))


def conv_integer(e: Expansion) -> bool:
    """ConvInteger: x, w, x_zero, w_zero; the sum itself."""
    rank = e.rank(e.given(1))
    if rank is None:
        return False
    x = centred(e, e.given(0), e.given(2))
    w = centred(e, e.given(1), e.given(3), axis=FIRST, rank=rank)
    return as_sum(e, e.add("Conv", [x, w], name=e.op.name, **e.settings()))


def matmul_integer(e: Expansion) -> bool:
    """MatMulInteger: a, b, a_zero, b_zero; the sum itself."""
    if _by_row(e, 2):
        return False
    return as_sum(
        e, e.add("MatMul", [centred(e, e.given(0), e.given(2)), centred(e, e.given(1), e.given(3))], name=e.op.name)
    )


def centred(e: Expansion, tensor: str, zero: str, *, axis: int = -1, rank: int = 0) -> str:
    """Return a quantised tensor less its zero point, in float32.

    Args:
        e: takes the ops.
        tensor: its name.
        zero: its zero point, one or one per index of `axis`; empty for 0.
        axis: the axis that several zero points stand along.
        rank: number of axes of the tensor, where `axis` is not the last.
    """
    values = e.to_float(tensor)
    if not zero:
        return values
    return e.add("Sub", [values, along(e, e.to_float(zero), zero, axis, rank)])


def along(e: Expansion, values: str, like: str, axis: int, rank: int) -> str:
    """Return one or several values, shaped to stand along an axis of a tensor; `like` has their number of axes."""
    if axis == -1 or e.rank(like) == 0:
        return values
    return e.add("Reshape", [values, e.shape(*(-1 if number == axis else 1 for number in range(rank)))])


def requantise(e: Expansion, total: str, scale: str, zero: str) -> bool:
    """Make the op's output: the sum, scaled, rounded to the nearest even number, in the output's type."""
    element = element_type(e, zero)
    if zero and element not in RANGES:
        return False
    lowest, highest = RANGES[element]
    rounded = e.add("Round", [e.add("Mul", [total, scale])])
    shifted = e.add("Add", [rounded, e.to_float(zero)]) if zero else rounded
    clipped = e.add("Min", [e.add("Max", [shifted, e.constant(np.float32(lowest))]), e.constant(np.float32(highest))])
    e.add("Cast", [clipped], output=e.op.output[0], to=element)
    return True


def as_sum(e: Expansion, total: str) -> bool:
    """Make the op's output: whole numbers; as they are where they are only cast to float32, so that parts count."""
    uses = e.index.uses.get(e.op.output[0], ())
    casts = [e.index.ops[use.op] for use in uses]
    if casts and all(op.op_type == "Cast" and attribute(op, "to", 0) == TensorProto.FLOAT for op in casts):
        e.add("Identity", [total], output=e.op.output[0])
    else:
        e.add("Cast", [e.add("Round", [total])], output=e.op.output[0], to=TensorProto.INT32)
    return True


def element_type(e: Expansion, tensor: str) -> int:
    """Return the ONNX element type of a stored zero point; unsigned 8-bit where there is none."""
    stored = e.index.initializers.get(tensor)
    if stored is not None:
        return int(stored.data_type)
    constant = e.index.producing(tensor)
    if constant is not None and constant.op_type == "Constant":
        return int(helper.get_attribute_value(constant.attribute[0]).data_type)
    return int(TensorProto.UINT8) if not tensor else int(TensorProto.UNDEFINED)


def _by_row(e: Expansion, position: int) -> bool:
    """Whether an operand has a scale or zero point for each of its rows, or may have."""
    name = e.given(position)
    made = e.index.producing(name)
    found_in_the_run = made is not None and made.op_type == "DynamicQuantizeLinear"  # one for the whole tensor
    return bool(name) and not found_in_the_run and not e.is_single(name)


def product(e: Expansion, first: str, second: str) -> str:
    """Return the product of two tensors."""
    return e.add("Mul", [first, second])


def quotient(e: Expansion, first: str, second: str) -> str:
    """Return the quotient of two tensors."""
    return e.add("Div", [first, second])
