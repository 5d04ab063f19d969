"""What ops say of the sizes and places of channels, once some are gone: shapes, borders, indices, groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from onnxcausal.onnxgraph.graph.index import attribute, integers
from onnxcausal.onnxgraph.pruning.channels import Alive, Tags, along, varying
from onnxcausal.onnxgraph.pruning.propagation import Spread
from onnxcausal.onnxgraph.pruning.rules import pads_of

Integers = NDArray[np.int64]

SHAPED_BY = {"Reshape": 1, "Expand": 1, "Resize": 3}
"""Position of the input that names the shape of an op's result."""


@dataclass(frozen=True, slots=True, eq=False)
class OpChange:
    """What an op says from now on.

    Attributes:
        inputs: what its inputs hold, by position.
        parts: the same for inputs of the Concat that makes one of its inputs, by that op and position.
        attributes: its attributes; None where one goes.
    """

    inputs: dict[int, Integers] = field(default_factory=dict)
    parts: dict[tuple[int, int], Integers] = field(default_factory=dict)
    attributes: dict[str, int | list[int] | None] = field(default_factory=dict)


def change_of(spread: Spread, number: int, alive: Alive) -> OpChange:
    """Return what an op says from now on; whether that is right shows when channels are followed again.

    Args:
        spread: where channels stand.
        number: position of the op.
        alive: whether each channel stays.
    """
    op = spread.index.ops[number]
    before = spread.tags.get(op.input[0]) if op.input else None
    after = [spread.tags.get(name) for name in op.output]
    if op.op_type in SHAPED_BY and after[0] is not None:
        return _shaped(spread, op, after[0], alive)
    if before is None or all(tags is None or alive[tags].all() for tags in (before, *after)):
        return OpChange()
    changing = _CHANGING.get(op.op_type)
    return OpChange() if changing is None else changing(spread, op, before, after, alive)


def _shaped(spread: Spread, op: NodeProto, tags: Tags, alive: Alive) -> OpChange:
    """Put new sizes where the old ones stand in the shape that an op is given."""
    position = SHAPED_BY[op.op_type]
    name = op.input[position] if len(op.input) > position else ""
    sizes = {axis: len(along(tags, axis, alive)) for axis in varying(tags)}
    if not name or all(size == tags.shape[axis] for axis, size in sizes.items()):
        return OpChange()
    axes = integers(op, "axes") or range(tags.ndim)
    value = spread.known.value(spread.index, name)
    if value is None:
        return OpChange()
    before = value.size - tags.ndim if op.op_type == "Expand" else 0  # a shorter shape is meant from the last axis on
    target = value.astype(np.int64).copy()
    for entry in range(target.size):
        axis = axes[entry] % tags.ndim if op.op_type == "Resize" else entry - before
        if axis in sizes and target[entry] == tags.shape[axis]:
            target[entry] = sizes[axis]
    if np.array_equal(target, value):
        return OpChange()
    if name in spread.index.leaves:
        return OpChange({position: target})
    return _in_parts(spread, name, target)


def _in_parts(spread: Spread, name: str, target: Integers) -> OpChange:
    """Return the change of the stored parts that a shape is put together from."""
    maker = spread.index.producing(name)
    parts: dict[tuple[int, int], Integers] = {}
    start = 0
    if maker is None or maker.op_type != "Concat":
        return OpChange()
    for position, part in enumerate(maker.input):
        value = spread.known.value(spread.index, part)
        if value is None:
            return OpChange()
        wanted = target[start : start + value.size].reshape(value.shape)
        start += value.size
        if part in spread.index.leaves and not np.array_equal(wanted, value):
            parts[spread.index.producer[name], position] = wanted
    return OpChange(parts=parts)


def _sliced(spread: Spread, op: NodeProto, before: Tags, _after: Sequence[Tags | None], alive: Alive) -> OpChange:
    """Move the bounds of slices along the channels."""
    stated = integers(op, "starts"), integers(op, "ends"), integers(op, "axes"), None
    if stated[0] is None:
        stated = tuple(_vector(spread, op, position) for position in (1, 2, 3, 4))  # type: ignore[assignment]
    starts, ends, axes, steps = stated
    if starts is None or ends is None:
        return OpChange()
    axes = axes or tuple(range(len(starts)))
    new_starts, new_ends = list(starts), list(ends)
    for number, (start, end, axis) in enumerate(zip(starts, ends, axes, strict=True)):
        left = along(before, axis % before.ndim, alive)
        size = before.shape[axis % before.ndim]
        if len(left) == size or (steps or (1,) * len(starts))[number] != 1:
            continue
        first, last, _ = slice(start, end).indices(size)
        new_starts[number] = int((left < first).sum())
        new_ends[number] = int((left < last).sum())
    if integers(op, "starts") is not None:
        return OpChange(attributes={"starts": new_starts, "ends": new_ends})
    return OpChange({1: np.array(new_starts, np.int64), 2: np.array(new_ends, np.int64)})


def _vector(spread: Spread, op: NodeProto, position: int) -> tuple[int, ...] | None:
    """Return what a stored vector of integers holds."""
    name = op.input[position] if len(op.input) > position else ""
    value = spread.known.value(spread.index, name) if name in spread.index.leaves else None
    return None if value is None else tuple(int(entry) for entry in value.ravel())


def _split(spread: Spread, op: NodeProto, _before: Tags, after: Sequence[Tags | None], alive: Alive) -> OpChange:
    """State how much each part has."""
    sizes = []
    for name, tags in zip(op.output, after, strict=True):
        shape = spread.known.shapes.get(name)
        if shape is None:
            return OpChange()
        axis = attribute(op, "axis", 0) % len(shape)
        has_channels = tags is not None and tags.shape[axis] > 1
        sizes.append(len(along(tags, axis, alive)) if has_channels and tags is not None else shape[axis])
    if integers(op, "split") is not None or spread.index.opset < 13:  # noqa: PLR2004  # an attribute until then
        return OpChange(attributes={"split": sizes})
    if (len(op.input) < 2 or not op.input[1]) and len(set(sizes)) == 1:  # noqa: PLR2004  # data, sizes
        return OpChange()
    return OpChange({1: np.array(sizes, np.int64)}, attributes={"num_outputs": None})


def _gathered(spread: Spread, op: NodeProto, before: Tags, results: Sequence[Tags | None], alive: Alive) -> OpChange:
    """Count the indices anew."""
    (after,) = results
    axis = attribute(op, "axis", 0) % before.ndim
    indices = spread.known.value(spread.index, op.input[1])
    if before.shape[axis] == 1 or after is None or indices is None or op.input[1] not in spread.index.leaves:
        return OpChange()
    left = along(before, axis, alive)
    own = range(axis, axis + indices.ndim)
    grid = [
        along(after, place, alive) if after.shape[place] > 1 else np.arange(indices.shape[place - axis])
        for place in own
    ]
    chosen = indices[np.ix_(*grid)] if grid else indices
    found = np.searchsorted(left, chosen % before.shape[axis])
    return OpChange({1: found.astype(indices.dtype)})


def _padded(spread: Spread, op: NodeProto, before: Tags, results: Sequence[Tags | None], alive: Alive) -> OpChange:
    """State how many of the channels that the op puts beside others are left."""
    (after,) = results
    values = [spread.known.value(spread.index, name) if name else None for name in op.input[1:]]
    pads = pads_of(op, before.ndim, *values)
    axis = spread.padded.get(op.output[0])
    if pads is None or axis is None or after is None:
        return OpChange()
    line = np.moveaxis(after, axis, 0).reshape(after.shape[axis], -1)[:, 0]
    begin, end = pads[:, axis]
    pads[:, axis] = alive[line[:begin]].sum(), alive[line[len(line) - end :]].sum()
    if integers(op, "pads") is not None:
        return OpChange(attributes={"pads": pads.ravel().tolist()})
    stated = np.arange(before.ndim) if len(op.input) < 4 or not op.input[3] else values[2]  # noqa: PLR2004  # axes
    assert stated is not None
    return OpChange({1: pads[:, stated.astype(np.int64) % before.ndim].ravel()})


_CHANGING: dict[str, Callable[[Spread, NodeProto, Tags, Sequence[Tags | None], Alive], OpChange]] = {
    "Gather": _gathered,
    "Pad": _padded,
    "Slice": _sliced,
    "Split": _split,
}
