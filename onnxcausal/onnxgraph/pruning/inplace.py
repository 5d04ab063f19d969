"""Ops that leave channels where they are: what they mix, and which of their parameters follow."""

from collections.abc import Sequence

from onnx import NodeProto

from onnxcausal.onnxgraph.graph.index import attribute
from onnxcausal.onnxgraph.graph.op_traits import (
    ALONG_AXES,
    PER_CHANNEL,
    QUANTISING,
    REDUCING,
    WITHOUT_PARAMETERS,
    drops_axes,
    mixed_axes,
)
from onnxcausal.onnxgraph.pruning.channels import Tags
from onnxcausal.onnxgraph.pruning.transfer import Follow, Handed, OpInput, Shape, mixed_along

IN_PLACE = QUANTISING | PER_CHANNEL.keys() | ALONG_AXES
"""Ops of which parameters may follow the channels, and which may mix them."""
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
    if op.op_type in WITHOUT_PARAMETERS:
        return Handed((first.tags,) * len(op.output))
    if op.op_type in REDUCING:
        return _reduced(op, given, first.tags, opset)
    if op.op_type not in IN_PLACE or any(op.output[1:]):
        return "what it does with the channels is not known"
    cuts = _parameters(op, given, first.tags)
    if cuts is None:
        return "its parameters are not stored one a channel"
    return _mixing(first.tags, mixed_axes(op, first.shape, shapes[0], opset), cuts)


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


def _reduced(op: NodeProto, given: Sequence[OpInput | None], tags: Tags, opset: int) -> Handed | str:
    second = given[1].value if len(given) > 1 and given[1] is not None else None
    axes = mixed_axes(op, tags.shape, None, opset, second)
    if axes is None:
        return "the axes that it reduces are not known"
    handed = _mixing(tags, axes)
    if isinstance(handed, str) or not drops_axes(op):
        return handed
    assert handed.outputs[0] is not None
    return Handed((handed.outputs[0].squeeze(axis=tuple(axes)),), handed.coupled, stay=handed.stay)
