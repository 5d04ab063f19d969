"""How one op hands on the children of a layer (docs/method.md, "Targets").

A tensor *carries* children of one source layer: every position holds the index of a child, or `NONE`. Ops that move
values are executed on these indices by ONNX Runtime itself, so that an index map is exactly the op's own. Ops that act
channel by channel leave them. Everything else mixes, and the flow is then untracked, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.op_traits import (
    BLIND,
    FUSED_DOMAIN,
    FUSED_POINTWISE,
    MOVING,
    NORMALISING,
    OWN_DOMAINS,
    POINTWISE,
    SKIPPING,
    drops_axes,
    holds_data,
    mixed_axes,
)
from onnxcausal.onnxgraph.runner import run_op

Strand: TypeAlias = NDArray[np.int64]
"""Child at each position of a tensor, of the tensor's rank; size 1 along an axis means the same all along it."""

NONE = 0
"""No child stands at this position; children are stored as index + 1, so that zero padding means no child."""

MOST_STRANDS = 8
"""More children than this at one position count as mixing."""

HANDING_ON = frozenset(["Cast", "Reshape", "Squeeze", "Unsqueeze"])
"""Ops that leave a statistic one."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What a tensor carries of one layer's children.

    Attributes:
        strands: several where several children share a position (residual addition).
        normalised: a normalisation was passed.
        mixed: every position may depend on every child; no strands then.
        statistic: it is mixed, but only a statistic of the tensor that it is made to scale (dynamic quantisation).
    """

    strands: tuple[Strand, ...] = ()
    normalised: bool = False
    mixed: bool = False
    statistic: bool = False


MIXED = Carried(mixed=True)
STATISTIC = Carried(mixed=True, statistic=True)


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """One input of an op.

    Attributes:
        shape: its shape in the traced run; None where it was not seen.
        value: what it holds, where that is fixed or was recorded.
        carried: what it carries; None for nothing.
    """

    shape: tuple[int, ...] | None
    value: NDArray[np.generic] | None = None
    carried: Carried | None = None


def hand_on(
    op: onnx.NodeProto,
    operands: Sequence[Operand | None],
    shapes: Sequence[tuple[int, ...] | None],
    opset: int,
) -> tuple[Carried | None, ...]:
    """Return what each output of an op carries, given what its inputs carry.

    Args:
        op: the op, not a layer.
        operands: its inputs in order; None for optional ones left out.
        shapes: shape of each output in the traced run, None where it was not seen.
        opset: version of the default operator set.
    """
    carrying = [operand.carried for operand in operands if operand is not None and operand.carried is not None]
    if not carrying or op.op_type in BLIND:
        return (None,) * len(op.output)
    if any(carried.statistic for carried in carrying):
        return _with_statistic(op, operands, shapes, opset)
    if op.domain == FUSED_DOMAIN and not any(carried.mixed for carried in carrying):
        return _fused(op, operands, carrying)
    parameters = [] if op.op_type in POINTWISE or op.op_type == "Concat" else operands[1:]
    if (
        op.domain not in OWN_DOMAINS
        or any(carried.mixed for carried in carrying)
        or any(operand is not None and operand.carried is not None for operand in parameters)
    ):
        return (MIXED,) * len(op.output)
    if op.op_type in MOVING:
        return _moved(op, operands, opset) or (MIXED,) * len(op.output)
    if op.op_type in POINTWISE:
        strands: list[Strand] | None = _pointwise(operands)
    else:
        strands = _from_first(op, operands, shapes[0], opset)
    normalised = any(carried.normalised for carried in carrying) or op.op_type in NORMALISING
    first = MIXED if strands is None else Carried(_merged(strands), normalised)
    return (first, *[MIXED] * (len(op.output) - 1))


def _with_statistic(
    op: onnx.NodeProto,
    operands: Sequence[Operand | None],
    shapes: Sequence[tuple[int, ...] | None],
    opset: int,
) -> tuple[Carried | None, ...]:
    """Return what the outputs carry where some inputs are statistics: what they scale or shift is normalised."""
    carried = [operand.carried for operand in operands if operand is not None and operand.carried is not None]
    own = op.domain in OWN_DOMAINS
    if all(one.statistic for one in carried):
        return (STATISTIC if own and op.op_type in POINTWISE | HANDING_ON else MIXED,) * len(op.output)
    if not own or op.op_type not in POINTWISE:
        return (MIXED,) * len(op.output)
    without = [
        replace(operand, carried=None)
        if operand is not None and operand.carried is not None and operand.carried.statistic
        else operand
        for operand in operands
    ]
    found = hand_on(op, without, shapes, opset)
    return tuple(one if one is None or one.mixed else replace(one, normalised=True) for one in found)


def _fused(
    op: onnx.NodeProto, operands: Sequence[Operand | None], carrying: Sequence[Carried]
) -> tuple[Carried | None, ...]:
    """Return what the outputs of an optimiser's op carry."""
    normalised = any(carried.normalised for carried in carrying)
    if op.op_type in FUSED_POINTWISE:
        return (Carried(_merged(_pointwise(operands)), normalised), *[MIXED] * (len(op.output) - 1))
    parameters = operands[2:4]  # gamma, beta; a bias comes last
    if op.op_type in SKIPPING and all(operand is None or operand.carried is None for operand in parameters):
        added = _merged(_pointwise([*operands[:2], *operands[4:]]))
        results = (Carried(added, normalised=True), MIXED, MIXED, Carried(added, normalised))
        return results[: len(op.output)]
    return (MIXED,) * len(op.output)


def _pointwise(operands: Sequence[Operand | None]) -> list[Strand]:
    """Return the strands of all operands, which broadcast against each other."""
    present = [operand for operand in operands if operand is not None]
    rank = max((len(operand.shape) for operand in present if operand.shape is not None), default=0)
    strands = [strand for operand in present if operand.carried is not None for strand in operand.carried.strands]
    return [strand.reshape((1,) * (rank - strand.ndim) + strand.shape) for strand in strands]


def _from_first(
    op: onnx.NodeProto, operands: Sequence[Operand | None], after: tuple[int, ...] | None, opset: int
) -> list[Strand] | None:
    """Return the strands of an op that works on its first operand; None where it mixes."""
    first = operands[0]
    if first is None or first.carried is None or first.shape is None:
        return None
    strands = list(first.carried.strands)
    if op.op_type in NORMALISING:
        return strands
    second = operands[1].value if len(operands) > 1 and operands[1] is not None else None
    axes = mixed_axes(op, first.shape, after, opset, second)
    kept = _unless_varying(strands, axes)
    if kept is None or axes is None or not drops_axes(op):
        return kept
    return [strand.squeeze(axis=tuple(axes)) for strand in kept]


def _merged(strands: Sequence[Strand]) -> tuple[Strand, ...]:
    """Return fewer strands that say the same: children at different positions share one."""
    merged: list[Strand] = []
    for strand in map(compressed, strands):
        for number, other in enumerate(merged):
            if not ((strand != other) & (strand != NONE) & (other != NONE)).any():
                merged[number] = compressed(np.maximum(strand, other))
                break
        else:
            merged.append(strand)
    return tuple(strand for strand in merged if strand.any())


def compressed(strand: Strand) -> Strand:
    """Return the strand with size 1 along every axis it does not change along."""
    for axis, size in enumerate(strand.shape):
        if size > 1:
            first = strand.take([0], axis=axis)
            if (strand == first).all():
                strand = first
    return strand


def _unless_varying(strands: list[Strand], axes: Sequence[int] | None) -> list[Strand] | None:
    """Return the strands if children do not change along the axes that are mixed, else None."""
    if axes is None or any(strand.shape[axis] > 1 for strand in strands for axis in axes):
        return None
    return strands


def _moved(op: onnx.NodeProto, operands: Sequence[Operand | None], opset: int) -> tuple[Carried | None, ...] | None:
    """Execute the op on the children themselves."""
    carriers = [operand.carried for operand in operands if operand is not None and operand.carried is not None]
    count = max(len(carried.strands) for carried in carriers)
    normalised = any(carried.normalised for carried in carriers)
    outputs: list[list[Strand]] = [[] for _ in op.output]
    for number in range(count):
        inputs = [_labels(op, position, operand, number) for position, operand in enumerate(operands)]
        if any(given is None and operand is not None for given, operand in zip(inputs, operands, strict=True)):
            return None
        try:
            results = run_op(op, inputs, opset)
        except ModelError:  # whatever keeps the op from running alone: the flow is not known
            return None
        named = [found for found, name in zip(outputs, op.output, strict=True) if name]
        for found, result in zip(named, results, strict=True):
            found.append(_without_borders(op, operands, number, np.rint(result).astype(np.int64)))
    return tuple(Carried(merged, normalised) if (merged := _merged(found)) else None for found in outputs)


def _labels(op: onnx.NodeProto, position: int, operand: Operand | None, number: int) -> NDArray[np.generic] | None:
    """Return one operand of a moving op: the children it carries, none at all, or its own value (a parameter).

    Children are given as float32, the one type that every op takes, which is exact up to 2^24.
    """
    if operand is None:
        return None
    if not holds_data(op, position):
        fill = op.op_type == "Pad" and position == 2  # noqa: PLR2004  # the value of the border: no child
        return np.zeros((), np.float32) if fill else operand.value
    if operand.shape is None:
        return None
    strands = operand.carried.strands if operand.carried is not None else ()
    if number >= len(strands):
        return np.zeros(operand.shape, np.float32)
    return np.broadcast_to(strands[number], operand.shape).astype(np.float32)


def _without_borders(op: onnx.NodeProto, operands: Sequence[Operand | None], number: int, result: Strand) -> Strand:
    """Return the strand of a padded tensor with its border given to the child it surrounds.

    A border around a map is part of the map: else a pooling that follows would seem to mix children.
    """
    first = operands[0]
    if op.op_type != "Pad" or first is None or first.carried is None or number >= len(first.carried.strands):
        return result
    for axis, size in enumerate(first.carried.strands[number].shape):
        if size == 1:
            result = result.max(axis=axis, keepdims=True)
    return result
