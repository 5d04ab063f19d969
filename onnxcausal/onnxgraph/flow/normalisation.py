"""Statistics of a tensor by which it is shifted or scaled itself: what normalisation written out is made of.

A statistic mixes channels a little, as inside a LayerNormalization op; the flow through what it scales is recorded as
normalised. Anything else that is done with it mixes.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import onnx

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, integers

OPERANDS = 2
SQUARE = 2.0
PRODUCTS = frozenset(["Conv", "ConvInteger", "Gemm", "MatMul", "MatMulInteger"])
PASSED = frozenset(["Cast", "Identity", "Round"])
CENTRED = frozenset(["Cast", "Sub"])
"""Ops between a quantised tensor and the product that takes it."""
Uses = Mapping[int, frozenset[int]]
"""By an op's position, at which of its inputs a statistic of its other input stands."""


def ranges(ops: Iterable[onnx.NodeProto]) -> dict[str, str]:
    """Return the scales and zero points that dynamic quantisation finds, each with the tensor that it quantises."""
    dynamic = (op for op in ops if op.op_type == "DynamicQuantizeLinear")
    return {name: op.output[0] for op in dynamic for name in op.output[1:] if name}


def dequantising_uses(index: GraphIndex, known: Mapping[str, str]) -> Uses:
    """Return where the scale of a quantised tensor scales a product of that tensor, and so takes back its division.

    Args:
        index: the graph.
        known: statistics, each with the tensor that it quantises.
    """
    found: dict[int, frozenset[int]] = {}
    for number, op in enumerate(index.ops):
        if op.op_type != "Mul" or len(op.input) != OPERANDS:
            continue
        for place in range(OPERANDS):
            scale = _scale(index, op.input[place], known)
            if scale is not None and _is_product_of(index, op.input[1 - place], known[scale]):
                found[number] = frozenset({place})
    return found


def _scale(index: GraphIndex, tensor: str, known: Mapping[str, str]) -> str | None:
    """Return the statistic that a tensor is, or is but for a stored factor."""
    if tensor in known:
        return tensor
    product = _made_by(index, tensor, "Mul")
    if product is None or len(product.input) != OPERANDS:
        return None
    for one, other in (tuple(product.input), tuple(reversed(product.input))):
        if one in known and other in index.leaves:
            return str(one)
    return None


def _is_product_of(index: GraphIndex, tensor: str, quantised: str) -> bool:
    """Whether a tensor is the product of a weight and a quantised tensor, less its zero point."""
    product = _behind(index, tensor, PASSED)
    op = index.producing(product)
    return op is not None and op.op_type in PRODUCTS and _behind(index, op.input[0], CENTRED, quantised) == quantised


def _behind(index: GraphIndex, tensor: str, passed: frozenset[str], sought: str = "") -> str:
    """Return the tensor before any ops of some types, or the one that is sought if that comes first."""
    op = index.producing(tensor)
    while tensor != sought and op is not None and op.op_type in passed:
        tensor = op.input[0]
        op = index.producing(tensor)
    return tensor


def normalising_uses(index: GraphIndex) -> Uses:
    """Return where mean and deviation stand in each LayerNormalization that is written out.

    That is `c / sqrt(mean(c * c) + eps)`, or times its reciprocal, where `c = x - mean(x)` over the same axes, and
    `eps` is stored.
    """
    found: dict[int, frozenset[int]] = {}
    for number, op in enumerate(index.ops):
        if op.op_type == "Div" and len(op.input) == OPERANDS:
            root = _made_by(index, op.input[1], "Sqrt")
        elif op.op_type == "Mul" and len(op.input) == OPERANDS:
            inverse = _made_by(index, op.input[1], "Reciprocal")
            root = None if inverse is None else _made_by(index, inverse.input[0], "Sqrt")
        else:
            continue
        if root is not None and _is_deviation(index, root, op.input[0]):
            found[number] = frozenset({1})
            for shift in _shifts(index, root, op.input[0]):
                found[shift] = frozenset({1})
    return found


def statistics_in(index: GraphIndex) -> frozenset[str]:
    """Return the tensors that hold statistics."""
    uses = normalising_uses(index)
    return frozenset(ranges(index.ops)) | {
        index.ops[number].input[place] for number, places in uses.items() for place in places
    }


def _is_deviation(index: GraphIndex, root: onnx.NodeProto, centred: str) -> bool:
    """Whether a square root is that of the mean square of a centred tensor."""
    shift, variance = _made_by(index, centred, "Sub"), _variance(index, root)
    if shift is None or variance is None:
        return False
    mean = _made_by(index, shift.input[1], "ReduceMean")
    squared = _squared(index, variance.input[0])
    if mean is None or squared is None or mean.input[0] != shift.input[0]:
        return False
    same = _made_by(index, squared, "Sub")
    axes = _axes(index, mean)
    return (
        same is not None
        and list(same.input) == list(shift.input)
        and axes is not None
        and axes == _axes(index, variance)
    )


def _shifts(index: GraphIndex, root: onnx.NodeProto, centred: str) -> Iterator[int]:
    """Yield the positions of the ops that centre the tensor: some exporters write it twice."""
    variance = _variance(index, root)
    squared = None if variance is None else _squared(index, variance.input[0])
    yield from {index.producer[name] for name in (centred, squared) if name is not None}


def _variance(index: GraphIndex, root: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the mean to which something stored is added before a square root."""
    added = _made_by(index, root.input[0], "Add")
    if added is None or len(added.input) != OPERANDS:
        return None
    for name, other in (tuple(added.input), tuple(reversed(added.input))):
        mean = _made_by(index, name, "ReduceMean")
        if mean is not None and other in index.leaves:
            return mean
    return None


def _squared(index: GraphIndex, tensor: str) -> str | None:
    """Return what a tensor is the square of."""
    product = _made_by(index, tensor, "Mul")
    if product is not None and len(product.input) == OPERANDS and product.input[0] == product.input[1]:
        return str(product.input[0])
    power = _made_by(index, tensor, "Pow")
    exponent = None if power is None else value_of(index, power.input[1])
    is_square = exponent is not None and exponent.dtype.kind in "iuf" and bool(np.all(exponent == SQUARE))
    return str(power.input[0]) if power is not None and is_square else None


def _axes(index: GraphIndex, op: onnx.NodeProto) -> tuple[int, ...] | None:
    """Return the axes an op reduces, as they are written; None where they are not known."""
    axes = integers(op, "axes")
    if axes is None and len(op.input) == OPERANDS:
        value = value_of(index, op.input[1])
        axes = None if value is None else tuple(int(axis) for axis in np.atleast_1d(value))
    return axes


def _made_by(index: GraphIndex, tensor: str, op_type: str) -> onnx.NodeProto | None:
    op = index.producing(tensor)
    return op if op is not None and op.op_type == op_type and op.domain in ("", "ai.onnx") else None
