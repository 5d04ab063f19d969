"""Between which numbers a tensor stays, whatever the samples hold: interval arithmetic over the ops that make it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx
from onnx import helper

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, integers

Range: TypeAlias = tuple[float, float]
Operand: TypeAlias = Callable[[int], Range]
"""Gives the range of the operand at a position."""
Rule: TypeAlias = Callable[[onnx.NodeProto, Operand, GraphIndex], Range]
ANYTHING: Range = (-math.inf, math.inf)
UNIT: Range = (0.0, 1.0)
DEEPEST = 64
"""Ops that are looked through, one above the other; beyond, a tensor may hold anything."""
SLACK = 1e-6
"""By which rounding may leave the unit range."""

HANDING_ON = frozenset(
    [
        *("AveragePool", "Cast", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements"),
        *("GatherND", "GlobalAveragePool", "GlobalMaxPool", "Identity", "Max", "MaxPool", "Mean", "Min", "ReduceMax"),
        *("ReduceMean", "ReduceMin", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile"),
        *("Transpose", "Unsqueeze"),
    ]
)
"""Ops whose result holds nothing outside of what their operands hold."""
OF_SEVERAL = frozenset(["Concat", "Max", "Mean", "Min"])
"""Those of them all of whose operands count."""
FIXED: Mapping[str, Range] = {
    "Sigmoid": UNIT,
    "Softmax": UNIT,
    "HardSigmoid": UNIT,
    "Hardmax": UNIT,
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Cos": (-1.0, 1.0),
    "LogSoftmax": (-math.inf, 0.0),
    "Softplus": (0.0, math.inf),
}
"""What some ops make of anything."""
RISING: Mapping[str, Callable[[float], float]] = {
    "Exp": lambda x: math.exp(x) if x < 700 else math.inf,  # noqa: PLR2004  # beyond, a double overflows
    "Relu": lambda x: max(x, 0.0),
    "Sqrt": lambda x: math.sqrt(max(x, 0.0)),
    "Floor": lambda x: math.floor(x) if math.isfinite(x) else x,
    "Ceil": lambda x: math.ceil(x) if math.isfinite(x) else x,
    "Round": lambda x: float(round(x)) if math.isfinite(x) else x,
}
"""Functions that never fall."""
TWO_OPERANDS = frozenset(["Add", "Sub", "Mul", "Div"])


def stays_within_unit(index: GraphIndex, tensor: str) -> bool:
    """Whether a tensor's values are between 0 and 1, whatever the samples hold."""
    low, high = range_of(index, tensor)
    return low >= -SLACK and high <= 1 + SLACK


def range_of(index: GraphIndex, tensor: str) -> Range:
    """Return the least and the largest value that a tensor may have; infinite where none is known.

    Args:
        index: the graph.
        tensor: the tensor.
    """
    return _range(index, tensor, DEEPEST, {})


def _range(index: GraphIndex, tensor: str, depth: int, known: dict[tuple[str, int], Range]) -> Range:
    """Return the range of a tensor through so many ops; what was found once is not sought again, as ops may share."""
    if tensor in index.leaves:
        values = value_of(index, tensor)
        if values is None or values.dtype.kind not in "fiub" or not values.size or not np.isfinite(values).all():
            return ANYTHING
        return float(values.min()), float(values.max())
    op = index.producing(tensor)
    if op is None or not depth or op.domain not in ("", "ai.onnx"):
        return ANYTHING
    if (tensor, depth) not in known:
        found = _of(op, lambda position: _range(index, op.input[position], depth - 1, known), index)
        known[tensor, depth] = found
    return known[tensor, depth]


def _of(op: onnx.NodeProto, given: Operand, index: GraphIndex) -> Range:
    """Return the range of what an op makes, given those of its operands."""
    if op.op_type in FIXED:
        return FIXED[op.op_type]
    if op.op_type in HANDING_ON:
        return _handed_on(op, given)
    if op.op_type in RISING:
        low, high = given(0)
        return RISING[op.op_type](low), RISING[op.op_type](high)
    if op.op_type in TWO_OPERANDS:
        return _combined(op.op_type, given(0), given(1))
    rule = RULES.get(op.op_type)
    return ANYTHING if rule is None else rule(op, given, index)


def _handed_on(op: onnx.NodeProto, given: Operand) -> Range:
    if op.op_type == "AveragePool" and attribute(op, "count_include_pad", 0) and any(integers(op, "pads") or ()):
        return _around([given(0), (0.0, 0.0)])
    if op.op_type == "Resize" and b"cubic" in [entry.s for entry in op.attribute]:
        return ANYTHING  # overshoots
    if op.op_type == "Dropout" and len(op.input) > 2:  # noqa: PLR2004  # a training mode, which scales what it keeps
        return ANYTHING
    positions = range(len(op.input)) if op.op_type in OF_SEVERAL else (0,)
    ranges = [given(position) for position in positions]
    match op.op_type:
        case "Max":
            return max(low for low, _ in ranges), max(high for _, high in ranges)
        case "Min":
            return min(low for low, _ in ranges), min(high for _, high in ranges)
        case _:
            return _around(ranges)


def _combined(op_type: str, one: Range, other: Range) -> Range:
    """Return the range of a sum, difference, product or quotient of two numbers."""
    match op_type:
        case "Add":
            return one[0] + other[0], one[1] + other[1]
        case "Sub":
            return one[0] - other[1], one[1] - other[0]
        case "Div" if other[0] <= 0 <= other[1]:
            return ANYTHING
        case "Div":
            other = (1 / other[1], 1 / other[0])
    products = [0.0 if 0.0 in (a, b) else a * b for a in one for b in other]
    return min(products), max(products)


def _negated(_: onnx.NodeProto, given: Operand, __: GraphIndex) -> Range:
    low, high = given(0)
    return -high, -low


def _absolute(_: onnx.NodeProto, given: Operand, __: GraphIndex) -> Range:
    low, high = given(0)
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _inverted(_: onnx.NodeProto, given: Operand, __: GraphIndex) -> Range:
    return _combined("Div", (1.0, 1.0), given(0))


def _summed(op: onnx.NodeProto, given: Operand, _: GraphIndex) -> Range:
    ranges = [given(position) for position in range(len(op.input))]
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def _chosen(_: onnx.NodeProto, given: Operand, __: GraphIndex) -> Range:
    return _around([given(1), given(2)])


def _clipped(op: onnx.NodeProto, given: Operand, index: GraphIndex) -> Range:
    """Return the range of what is clipped: bounds are operands, or attributes before opset 11."""
    low, high = given(0)
    bounds = {entry.name: float(helper.get_attribute_value(entry)) for entry in op.attribute}
    for position, name in ((1, "min"), (2, "max")):
        if len(op.input) > position and op.input[position]:
            value = value_of(index, op.input[position])
            if value is not None and value.size == 1:
                bounds[name] = float(value.reshape(())[()])
    least, most = bounds.get("min", -math.inf), bounds.get("max", math.inf)
    return min(max(low, least), most), max(min(high, most), least)


def _around(ranges: Sequence[Range]) -> Range:
    """Return the range that holds all of some."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


RULES: Mapping[str, Rule] = {
    "Neg": _negated,
    "Abs": _absolute,
    "Reciprocal": _inverted,
    "Sum": _summed,
    "Where": _chosen,
    "Clip": _clipped,
}
"""Ops that need one of their own."""
