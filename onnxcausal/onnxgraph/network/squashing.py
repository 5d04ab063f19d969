"""Ops, and formulas spelled out in ops, that turn scores into probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, integers

TRANSPARENT = frozenset({"Identity", "Cast", "ZipMap", "Dropout"})
"""Ops that hand the scores on."""
SUMS = frozenset({"ReduceSum", "ReduceL1"})
"""Ops by which exponentials are summed."""
FLATTENING_SOFTMAX = 13
"""Opset from which a softmax is along one axis, and not over all from one on."""


@dataclass(frozen=True, slots=True)
class Squash:
    """What turns scores into probabilities.

    Attributes:
        scores: the tensor of the scores.
        by: how it is named to people; begins with `Softmax`, `LogSoftmax` or `Sigmoid`.
        first: axis from which scores compete, counted from the last where negative; None where each is by itself.
        through_last: whether they compete over all axes from that one on.
    """

    scores: str
    by: str
    first: int | None = None
    through_last: bool = False


def squash_of(index: GraphIndex, tensor: str) -> Squash | None:
    """Return what made probabilities, or their logarithms, of scores; None where the tensor holds none."""
    op = index.producing(tensor)
    if op is None:
        return None
    for form in (_one_op, _softmax, _log_softmax, _sigmoid, _both_of_two):
        found = form(index, op)
        if found is not None:
            return found
    return None


def behind(index: GraphIndex, tensor: str, passed: frozenset[str] = TRANSPARENT) -> str:
    """Return the tensor before any ops of the given types."""
    op = index.producing(tensor)
    seen = {tensor}
    while op is not None and op.op_type in passed and op.input[0] not in seen:
        tensor = op.input[0]
        seen.add(tensor)
        op = index.producing(tensor)
    return tensor


def _named(op: onnx.NodeProto) -> str:
    return op.name or str(op.output[0])


def _one_op(index: GraphIndex, op: onnx.NodeProto) -> Squash | None:
    scores = behind(index, op.input[0]) if op.input else ""
    match op.op_type:
        case "Sigmoid":
            return Squash(scores, f"Sigmoid ({_named(op)})")
        case "Softmax" | "LogSoftmax" if index.opset < FLATTENING_SOFTMAX:
            return Squash(scores, f"{op.op_type} ({_named(op)})", attribute(op, "axis", 1), through_last=True)
        case "Softmax" | "LogSoftmax":
            return Squash(scores, f"{op.op_type} ({_named(op)})", attribute(op, "axis", -1))
        case _:
            return None


def _softmax(index: GraphIndex, op: onnx.NodeProto) -> Squash | None:
    """Return what a quotient of exponentials and their sum is made of."""
    if op.op_type == "LpNormalization" and attribute(op, "p", 2) == 1:
        return _of_exponentials(index, op, op.input[0], attribute(op, "axis", -1), "Softmax")
    for numerator, divisor in _quotients(index, op):
        summed = index.producing(behind(index, divisor))
        if summed is None or summed.op_type not in SUMS or not attribute(summed, "keepdims", 1):
            continue
        axis = _only_axis(index, summed)
        if axis is not None and behind(index, summed.input[0]) == behind(index, numerator):
            return _of_exponentials(index, op, numerator, axis, "Softmax")
    return None


def _log_softmax(index: GraphIndex, op: onnx.NodeProto) -> Squash | None:
    """Return what scores less the logarithm of the sum of their exponentials are made of."""
    found = _log_sum_exp(index, behind(index, op.input[1])) if op.op_type == "Sub" else None
    if found is None or found[0] != behind(index, op.input[0]):
        return None
    return Squash(_lowered(index, op.input[0], found[1]), _spelled("LogSoftmax", op), found[1])


def _log_sum_exp(index: GraphIndex, tensor: str) -> tuple[str, int] | None:
    """Return the scores, and their axis, of which a tensor is the logarithm of the sum of their exponentials."""
    op = index.producing(tensor)
    if op is None or op.op_type not in ("Log", "ReduceLogSumExp"):
        return None
    summed = op if op.op_type == "ReduceLogSumExp" else index.producing(behind(index, op.input[0]))
    if summed is None or summed.op_type not in SUMS | {"ReduceLogSumExp"} or not attribute(summed, "keepdims", 1):
        return None
    axis, scores = _only_axis(index, summed), behind(index, summed.input[0])
    if axis is None or op is summed:
        return None if axis is None else (scores, axis)
    exponential = index.producing(scores)
    if exponential is None or exponential.op_type != "Exp":
        return None
    return behind(index, exponential.input[0]), axis


def _sigmoid(index: GraphIndex, op: onnx.NodeProto) -> Squash | None:
    """Return the score of `1 / (1 + exp(-score))`."""
    divisor = ""
    if op.op_type == "Reciprocal":
        divisor = op.input[0]
    elif op.op_type == "Div" and _is_number(index, op.input[0], 1.0):
        divisor = op.input[1]
    added = index.producing(behind(index, divisor)) if divisor else None
    if added is None or added.op_type != "Add":
        return None
    for one, other in (added.input, tuple(reversed(added.input))):
        exponential = index.producing(behind(index, other))
        if not _is_number(index, one, 1.0) or exponential is None or exponential.op_type != "Exp":
            continue
        negated = index.producing(behind(index, exponential.input[0]))
        score = None if negated is None else _negated(index, negated)
        if score is not None:
            return Squash(behind(index, score), _spelled("Sigmoid", op))
    return None


def _negated(index: GraphIndex, op: onnx.NodeProto) -> str | None:
    """Return the tensor of which an op gives the negative."""
    if op.op_type == "Neg":
        return str(op.input[0])
    if op.op_type == "Sub" and _is_number(index, op.input[0], 0.0):
        return str(op.input[1])
    if op.op_type == "Mul":
        for number, score in (op.input, tuple(reversed(op.input))):
            if _is_number(index, number, -1.0):
                return str(score)
    return None


def _both_of_two(index: GraphIndex, op: onnx.NodeProto) -> Squash | None:
    """Return the score where an op puts `1 - p` and `p` side by side (scikit-learn's binary classifiers)."""
    if op.op_type != "Concat" or len(op.input) != 2:  # noqa: PLR2004
        return None
    positive = index.producing(behind(index, op.input[1]))
    negative = index.producing(behind(index, op.input[0]))
    if positive is None or negative is None or positive.op_type != "Sigmoid" or negative.op_type != "Sub":
        return None
    if behind(index, negative.input[1]) != positive.output[0]:
        return None
    return Squash(behind(index, positive.input[0]), f"Sigmoid ({_named(positive)})")


def _quotients(index: GraphIndex, op: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    """Yield numerator and divisor of an op that divides, or multiplies by a reciprocal."""
    if op.op_type == "Div":
        yield op.input[0], op.input[1]
    if op.op_type == "Mul":
        for numerator, factor in (op.input, tuple(reversed(op.input))):
            inverse = index.producing(behind(index, factor))
            if inverse is not None and inverse.op_type == "Reciprocal":
                yield numerator, inverse.input[0]


def _of_exponentials(index: GraphIndex, op: onnx.NodeProto, tensor: str, axis: int, name: str) -> Squash | None:
    exponential = index.producing(behind(index, tensor))
    if exponential is None or exponential.op_type != "Exp":
        return None
    return Squash(_lowered(index, exponential.input[0], axis), _spelled(name, op), axis)


def _lowered(index: GraphIndex, tensor: str, axis: int) -> str:
    """Return scores as they were before their own maximum along an axis was taken, which changes no softmax."""
    scores = behind(index, tensor)
    op = index.producing(scores)
    if op is None or op.op_type != "Sub":
        return scores
    highest = index.producing(behind(index, op.input[1]))
    if highest is None or highest.op_type != "ReduceMax" or not attribute(highest, "keepdims", 1):
        return scores
    over = _axes(index, highest)
    if over is None or (over and axis not in over):
        return scores  # another maximum for each of those that compete is no common shift
    own = behind(index, op.input[0])
    return own if behind(index, highest.input[0]) == own else scores


def _spelled(name: str, op: onnx.NodeProto) -> str:
    return f"{name} (spelled out, {op.op_type} {_named(op)})"


def _only_axis(index: GraphIndex, op: onnx.NodeProto) -> int | None:
    """Return the axis that an op reduces; None where there are several, or it is not stored."""
    axes = _axes(index, op)
    return axes[0] if axes is not None and len(axes) == 1 else None


def _axes(index: GraphIndex, op: onnx.NodeProto) -> tuple[int, ...] | None:
    """Return the axes that an op reduces, none of them where it reduces all; None where they are not stored."""
    axes = integers(op, "axes")
    if axes is None and len(op.input) > 1 and op.input[1]:
        held = value_of(index, op.input[1])
        return None if held is None else tuple(int(axis) for axis in held.reshape(-1))
    return axes or ()


def _is_number(index: GraphIndex, tensor: str, number: float) -> bool:
    """Whether a tensor is stored and holds one number everywhere."""
    held = value_of(index, tensor)
    return held is not None and held.dtype.kind in "fiu" and held.size > 0 and bool((held == number).all())
