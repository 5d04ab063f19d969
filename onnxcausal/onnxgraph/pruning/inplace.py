"""Ops that leave channels where they are: what they mix, and which of their parameters follow."""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from onnxcausal.onnxgraph.graph.index import attribute, integers
from onnxcausal.onnxgraph.graph.op_traits import NORMALISING, REDUCING, SPATIAL, SQUASHING
from onnxcausal.onnxgraph.pruning.channels import Tags
from onnxcausal.onnxgraph.pruning.transfer import Follow, Handed, OpInput, Shape, mixed_along

ALIKE = frozenset(["Cast", "CastLike", "Dropout"])
"""Each position depends on the same one of the first operand; the others have no channels."""
QUANTISING = frozenset(["DequantizeLinear", "QuantizeLinear"])
TO_THE_END = frozenset(["LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"])
"""Normalise along their axis and all after it."""
PER_CHANNEL = {"BatchNormalization": 4, "InstanceNormalization": 2}
"""Ops with parameters that have one value a channel, and how many those are."""
IN_PLACE = QUANTISING | PER_CHANNEL.keys() | NORMALISING | SPATIAL | SQUASHING
SOFTMAX_PER_AXIS_OPSET = 13
UP_TO_CHANNELS = 2
"""Axes of a tensor up to its channels, samples before them."""
MIXING = "it mixes the channels"

Cuts = tuple[tuple[int, tuple[Follow, ...]], ...]


def in_place(
    op: NodeProto, given: Sequence[OpInput | None], shapes: Sequence[Shape | None], opset: int
) -> Handed | str:
    """Return what an op makes of channels that it leaves where they are, or why they must stay.

    Args:
        op: the op.
        given: its inputs, the first of them with tags and a shape.
        shapes: shapes of its outputs.
        opset: version of the default operator set.
    """
    first = given[0]
    assert first is not None
    assert first.tags is not None
    assert first.shape is not None
    if op.op_type in ALIKE:
        return Handed((first.tags,) * len(op.output))
    if op.op_type in REDUCING:
        return _reduced(op, given, first.tags)
    if op.op_type not in IN_PLACE or any(op.output[1:]):
        return "what it does with the channels is not known"
    cuts = _parameters(op, given, first.tags)
    if cuts is None:
        return "its parameters are not stored one a channel"
    mixed = _mixed(op, first.shape, shapes[0], opset)
    return _mixing(first.tags, mixed, cuts)


def _mixing(tags: Tags, axes: Sequence[int] | None, cuts: Cuts = ()) -> Handed | str:
    """Return what an op makes of channels that it mixes along axes."""
    if axes is None:
        return MIXING
    kept, coupled, mixes_all = mixed_along(tags, [axis for axis in axes if tags.shape[axis] > 1])
    return Handed((kept,), coupled, cuts, MIXING if mixes_all else "")


def _parameters(op: NodeProto, given: Sequence[OpInput | None], tags: Tags) -> Cuts | None:
    """Return which parameters follow; None where they cannot."""
    if op.op_type in QUANTISING:
        return _scales(op, given, tags)
    return _per_channel(given, tags, PER_CHANNEL.get(op.op_type, 0))


def _mixed(op: NodeProto, before: Shape, after: Shape | None, opset: int) -> Sequence[int] | None:
    """Return the axes along which an op mixes; None where that is not known."""
    if op.op_type in SPATIAL:
        return _spatial(op, before, after)
    if op.op_type in SQUASHING:
        return _squashed(op, len(before), opset)
    return _normalised(op, len(before)) if op.op_type in NORMALISING else ()


def _per_channel(given: Sequence[OpInput | None], tags: Tags, number: int) -> Cuts | None:
    if tags.ndim < UP_TO_CHANNELS or tags.shape[1] == 1:
        return ()
    parameters = given[1 : 1 + number]
    if not all(one is not None and one.cuttable and one.shape == tags.shape[1:2] for one in parameters):
        return None
    return tuple((position, (Follow(0, tags, 1),)) for position in range(1, 1 + number))


def _scales(op: NodeProto, given: Sequence[OpInput | None], tags: Tags) -> Cuts | None:
    """Return how scales and zero points follow; None where they cannot."""
    axis = attribute(op, "axis", 1)
    cuts = []
    for position, one in enumerate(given[1:], start=1):
        if one is None or one.shape in ((), (1,)):
            continue
        if attribute(op, "block_size", 0) or one.shape is None or len(one.shape) > 1:
            return None
        if tags.shape[axis % tags.ndim] == 1:
            continue
        if not one.cuttable:
            return None
        cuts.append((position, (Follow(0, tags, axis % tags.ndim),)))
    return tuple(cuts)


def _normalised(op: NodeProto, rank: int) -> Sequence[int]:
    if op.op_type in TO_THE_END:
        return range(attribute(op, "axis", -1) % rank, rank)
    match op.op_type:
        case "InstanceNormalization":
            return range(2, rank)
        case "LpNormalization":
            return (attribute(op, "axis", -1) % rank,)
        case "MeanVarianceNormalization":
            return tuple(axis % rank for axis in integers(op, "axes") or (0, 2, 3))
        case "LRN":
            return (1,)
        case _:  # GroupNormalization
            return range(rank)


def _spatial(op: NodeProto, before: Shape, after: Shape | None) -> Sequence[int] | None:
    if after is None or len(after) != len(before):
        return None
    if op.op_type in ("Resize", "Upsample"):
        return tuple(axis for axis, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return range(2, len(before))


def _squashed(op: NodeProto, rank: int, opset: int) -> Sequence[int]:
    if opset >= SOFTMAX_PER_AXIS_OPSET:
        return (attribute(op, "axis", -1) % rank,)
    return range(attribute(op, "axis", 1) % rank, rank)


def _reduced(op: NodeProto, given: Sequence[OpInput | None], tags: Tags) -> Handed | str:
    rank = tags.ndim
    axes = integers(op, "axes")
    if axes is None and len(given) > 1 and given[1] is not None:
        if given[1].value is None:
            return "the axes that it reduces are not known"
        axes = tuple(int(axis) for axis in np.atleast_1d(given[1].value))
    if not axes:
        axes = () if attribute(op, "noop_with_empty_axes", 0) else tuple(range(rank))
    axes = tuple(axis % rank for axis in axes)
    handed = _mixing(tags, axes)
    if isinstance(handed, str) or attribute(op, "keepdims", 1):
        return handed
    assert handed.outputs[0] is not None
    return Handed((handed.outputs[0].squeeze(axis=axes),), handed.coupled, stay=handed.stay)
