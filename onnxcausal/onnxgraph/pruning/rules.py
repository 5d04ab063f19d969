"""How ops hand channels on, so that removing one before an op removes the same one after it.

A rule answers with tags, or with the reason why the channels must stay. Stricter than `flow.channel_rules`, which asks
where a value has an influence: here an op must compute the same for the channels that are left.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.index import integers
from onnxcausal.onnxgraph.graph.op_traits import (
    BLIND,
    FUSED_DOMAIN,
    FUSED_POINTWISE,
    MOVING,
    OWN_DOMAINS,
    POINTWISE,
    holds_data,
)
from onnxcausal.onnxgraph.pruning.channels import NEVER, Tags, compressed, varying
from onnxcausal.onnxgraph.pruning.inplace import in_place
from onnxcausal.onnxgraph.pruning.transfer import Follow, Handed, Making, OpInput, Shape
from onnxcausal.onnxgraph.runner import run_op

MOST_VALUES = 2**24
"""Values of a tensor that is moved, and channels, at most; float32, in which tags are moved, counts no further."""
UNKNOWN = "what it does with the channels is not known"


def hand_on(
    op: NodeProto,
    given: Sequence[OpInput | None],
    shapes: Sequence[Shape | None],
    opset: int,
    making: Making,
) -> Handed | str:
    """Return what an op makes of channels, or why they must stay.

    Args:
        op: the op, of which an input has tags.
        given: its inputs, None for those left out.
        shapes: shapes of its outputs.
        opset: version of the default operator set.
        making: how the op makes channels of its own.
    """
    own = op.domain in OWN_DOMAINS
    if op.op_type in POINTWISE if own else op.domain == FUSED_DOMAIN and op.op_type in FUSED_POINTWISE:
        return meeting(op, given)
    if not own:
        return UNKNOWN
    if op.op_type in BLIND:
        return Handed((None,) * len(op.output))
    return _moved(op, given, opset) if op.op_type == "Concat" else _of_first(op, given, shapes, opset, making)


def _of_first(
    op: NodeProto,
    given: Sequence[OpInput | None],
    shapes: Sequence[Shape | None],
    opset: int,
    making: Making,
) -> Handed | str:
    """Return what an op makes of the channels of its first operand; the others are parameters."""
    first = given[0]
    if first is None or first.tags is None or first.shape is None:
        return UNKNOWN
    if any(other is not None and other.tags is not None for other in given[1:]):
        return "a parameter of it has channels"
    if op.op_type == "Pad":
        return _padded(op, given, first.tags, making)
    return _moved(op, given, opset) if op.op_type in MOVING else in_place(op, given, shapes, opset)


def meeting(op: NodeProto, given: Sequence[OpInput | None]) -> Handed | str:
    """Return what an op makes of operands that broadcast against each other."""
    present = [(number, one) for number, one in enumerate(given) if one is not None]
    if any(one.shape is None for _, one in present):
        return "the shape of an operand is not known"
    rank = max(len(one.shape or ()) for _, one in present)
    lifted = {number: _lifted(one.tags, rank) for number, one in present if one.tags is not None}
    axes = {varying(tags) for tags in lifted.values()} - {()}
    if len(axes) > 1:
        return "its operands hold channels along different axes"
    if not axes:
        return Handed((next(iter(lifted.values())), *[None] * (len(op.output) - 1)))
    (axes_met,) = axes
    lifted = {number: _all_along(tags, given[number], axes_met) for number, tags in lifted.items()}
    main = next(tags for tags in lifted.values() if varying(tags))
    if any(varying(tags) and tags.shape != main.shape for tags in lifted.values()):
        return "its operands hold another number of channels each"
    coupled: list[tuple[Tags, Tags]] = []
    cuts: list[tuple[int, tuple[Follow, ...]]] = []
    for number, one in present:
        shape = (1,) * (rank - len(one.shape or ())) + (one.shape or ())
        met = [axis for axis in axes_met if shape[axis] > 1]
        tags = lifted.get(number)
        if tags is main or not met:
            continue
        if one.cuttable:
            before = rank - len(one.shape or ())
            cuts.append((number, tuple(Follow(axis - before, main, axis) for axis in met)))
        elif tags is not None and varying(tags):
            coupled.append((main, tags))
            main = np.where(main == NEVER, tags, main)
        else:
            coupled.append((main, np.zeros_like(main)))
    return Handed((compressed(main), *[None] * (len(op.output) - 1)), tuple(coupled), tuple(cuts))


def _lifted(tags: Tags, rank: int) -> Tags:
    return tags.reshape((1,) * (rank - tags.ndim) + tags.shape)


def _all_along(tags: Tags, given: OpInput | None, axes: Sequence[int]) -> Tags:
    """Return the tags of a tensor in which one channel stands all along some axes, once for each place."""
    assert given is not None
    assert given.shape is not None
    shape = (1,) * (tags.ndim - len(given.shape)) + given.shape
    if varying(tags) or (tags == NEVER).all():
        return tags
    return np.broadcast_to(tags, tuple(shape[axis] if axis in axes else 1 for axis in range(tags.ndim)))


def _padded(op: NodeProto, given: Sequence[OpInput | None], tags: Tags, making: Making) -> Handed | str:
    """Return the tags of a padded tensor: channels that are put beside others are channels of the op's own."""
    pads = pads_of(op, tags.ndim, *(None if one is None else one.value for one in given[1:]))
    if pads is None:
        return "how far it pads is not known"
    axes = varying(tags) if making.along is None else (making.along,)
    widths = {axis: pads[:, axis] for axis in axes if pads[:, axis].any()}
    if not widths:
        return Handed((tags,))
    if pads.max() > MOST_VALUES:
        return "it pads too far"
    mode = next((entry.s for entry in op.attribute if entry.name == "mode"), b"constant")
    if mode != b"constant" or (pads < 0).any() or len(varying(tags)) > 1:
        return "it pads the channels otherwise than with a constant"
    ((axis, (begin, end)),) = widths.items()
    if tags.shape[axis] == 1:  # the same channel all along: it may stand there more than once
        tags = np.repeat(tags, _size(given[0], axis), axis=axis)
    fresh = np.moveaxis(making.new(int(begin + end), axis).reshape(-1, *[1] * (tags.ndim - 1)), 0, axis)
    first, last = np.split(fresh, [begin], axis=axis)
    return Handed((np.concatenate([first, tags, last], axis=axis),))


def _size(given: OpInput | None, axis: int) -> int:
    assert given is not None
    assert given.shape is not None
    return given.shape[axis]


def pads_of(
    op: NodeProto,
    rank: int,
    pads: NDArray[np.generic] | None = None,
    _fill: NDArray[np.generic] | None = None,
    axes: NDArray[np.generic] | None = None,
) -> NDArray[np.int64] | None:
    """Return how far a Pad op pads, `[begin and end, axes]`; None where that is not known.

    Args:
        op: the op.
        rank: axes of the tensor.
        pads: its second input, where it has one.
        axes: its fourth.
    """
    stated = integers(op, "pads")
    widths = np.array(stated, np.int64) if stated is not None else pads
    if widths is None or (axes is None and len(op.input) > 3 and op.input[3]):  # noqa: PLR2004  # data, pads, fill, axes
        return None
    found = np.zeros((2, rank), np.int64)
    found[:, np.arange(rank) if axes is None else axes.astype(np.int64) % rank] = widths.reshape(2, -1)
    return found


def _moved(op: NodeProto, given: Sequence[OpInput | None], opset: int) -> Handed | str:
    """Execute the op on the tags themselves."""
    inputs: list[NDArray[np.generic] | None] = []
    for position, one in enumerate(given):
        if one is None:
            inputs.append(None)
        elif not holds_data(op, position):
            inputs.append(one.value)
            if one.value is None:
                return "where it moves the channels is not known"
        elif one.shape is None or np.prod(one.shape, dtype=np.float64) > MOST_VALUES:
            return "the shape of an operand is not known, or too large"
        elif one.tags is not None and one.tags.max() >= MOST_VALUES:
            return "there are too many channels"
        else:
            inputs.append(np.broadcast_to(np.float32(NEVER) if one.tags is None else one.tags, one.shape))
    data = [
        None if one is None else one.astype(np.float32) if holds_data(op, at) else one for at, one in enumerate(inputs)
    ]
    try:
        results = run_op(op, data, opset)
    except ModelError:  # whatever keeps the op from running alone
        return UNKNOWN
    found = iter(results)
    return Handed(tuple(compressed(np.rint(next(found)).astype(np.int64)) if name else None for name in op.output))
