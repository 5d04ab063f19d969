"""Quantised ops without weights (QLinearAdd and so on, com.microsoft): dequantised, computed, quantised again."""

import numpy as np

from onnxcausal.onnxgraph.lowering.expansion import Expansion, Rule

PER_AXIS = 13
"""Opset from which Softmax runs over one axis; before it, over all from its axis on."""


def binary(op_type: str) -> Rule:
    """Return the rule of an op on two tensors: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""

    def rule(e: Expansion) -> bool:
        result = e.add(op_type, [_float(e, 0), _float(e, 3)], name=e.op.name)
        return _quantised(e, result, e.given(6), e.given(7))

    return rule


def unary(op_type: str, *settings: str) -> Rule:
    """Return the rule of an op on one tensor: x, x_scale, x_zero, y_scale, y_zero.

    Args:
        op_type: the op on floats.
        *settings: attributes it has too.
    """

    def rule(e: Expansion) -> bool:
        if e.settings("channels_last").get("channels_last"):
            return False
        result = e.add(op_type, [_float(e, 0)], name=e.op.name, **(e.settings(*settings) if settings else {}))
        zero = e.given(4) or e.constant(np.zeros((), e.dtype(e.given(2)) if e.given(2) else np.uint8))
        return _quantised(e, result, e.given(3), zero)

    return rule


def softmax(e: Expansion) -> bool:
    """QLinearSoftmax: its attribute `opset` says of which version of Softmax it is, which must be the model's."""
    newer = (e.index.opset >= PER_AXIS, int(e.settings("opset").get("opset", 0)) >= PER_AXIS)
    return newer[0] == newer[1] and unary("Softmax", "axis")(e)


def concat(e: Expansion) -> bool:
    """QLinearConcat: y_scale, y_zero, then tensor, scale, zero of each part."""
    parts = [_float(e, position) for position in range(2, len(e.op.input), 3)]
    return _quantised(e, e.add("Concat", parts, name=e.op.name, **e.settings("axis")), e.given(0), e.given(1))


def _float(e: Expansion, position: int) -> str:
    """Return a tensor dequantised, given the position where it, its scale and its zero point stand."""
    return e.add("DequantizeLinear", [name for name in (e.given(position + i) for i in range(3)) if name])


def _quantised(e: Expansion, tensor: str, scale: str, zero: str) -> bool:
    e.add("QuantizeLinear", [name for name in (tensor, scale, zero) if name], output=e.op.output[0])
    return True
