"""That a smaller file hands on the channels that are left exactly as the file it was made from.

Channels are followed through the smaller file anew, from the same starts. Where a tensor does not hold what is left of
the tensor of the same name, and nothing else, the op that makes it cannot do without the channels that went.
"""

import numpy as np
import onnx

from onnxcausal.onnxgraph.graph.index import captured
from onnxcausal.onnxgraph.pruning.channels import Alive, Reason, Tags, remaining, told_of
from onnxcausal.onnxgraph.pruning.propagation import Spread, spread_channels
from onnxcausal.onnxgraph.pruning.solve import Solution

SHAPING = frozenset(
    ["ConstantOfShape", "Expand", "Gather", "Pad", "Range", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile",
     "Unsqueeze", "Upsample"]
)  # fmt: skip
"""Ops that take shapes and indices beside what they work on."""


def first_flaw(before: Spread, solution: Solution, after: onnx.ModelProto) -> tuple[Tags, Reason] | None:
    """Return which channels cannot go after all, and why; None where the smaller file is right.

    Args:
        before: where channels stood.
        solution: which of them stay.
        after: the smaller file, with all its weights.
    """
    alive = solution.alive
    found = spread_channels(after, before, alive)
    for op in (before.index.ops[number] for number in before.order):
        for name in op.output:
            tags = before.tags.get(name)
            if tags is not None and not _is_left(remaining(tags, alive), found.tags.get(name)):
                return _gone(tags, before, op, alive), told_of(op, "its result would not follow")
    by_output = {reader.layer.output: reader for reader in found.readers}
    for reader in before.readers:
        other = by_output.get(reader.layer.output)
        if other is None or not np.array_equal(other.parents, reader.parents[alive[reader.parents]]):
            op = before.index.ops[reader.layer.op]
            return _gone(reader.parents, before, op, alive), told_of(op, "it would read other channels")
    return _changed_numbers(before, found, solution)


def _is_left(expected: Tags, found: Tags | None) -> bool:
    return found is not None and np.array_equal(expected, found)


def _gone(tags: Tags, spread: Spread, op: onnx.NodeProto, alive: Alive) -> Tags:
    """Return the channels of a tensor that go; where it has none, those that its op takes in, else all."""
    taken_in = [spread.tags[name].ravel() for name in op.input if name in spread.tags]
    for some in (tags.ravel(), np.concatenate([np.empty(0, np.int64), *taken_in])):
        if not alive[some].all():
            return np.asarray(some[~alive[some]])
    return np.flatnonzero(~alive)


def _changed_numbers(before: Spread, after: Spread, solution: Solution) -> tuple[Tags, Reason] | None:
    """Return the channels whose number enters a computation, which would give something else without them."""
    counted: dict[str, set[str]] = {}  # tensors whose channels each changed number counts
    for op in (before.index.ops[number] for number in before.order):
        steady = [name for name in op.output if name in before.index.steady and name not in before.index.leaves]
        if steady:
            of_shape = {op.input[0]} if op.op_type in ("Shape", "Size") else set[str]()
            sources = of_shape.union(*(counted.get(name, set()) for name in op.input))
            counted |= {name: sources for name in steady if sources and _is_changed(before, after, name)}
            continue
        used = [name for name in (*_worked_on(op), *captured(op)) if name in counted]
        if used:
            tags = [before.tags[name].ravel() for name in sorted(counted[used[0]]) if name in before.tags]
            joined = np.concatenate([np.empty(0, np.int64), *tags])
            return _gone(joined, before, op, solution.alive), told_of(
                op, f"it computes with {used[0]}, which counts the channels"
            )
    return None


def _worked_on(op: onnx.NodeProto) -> list[str]:
    """Return the inputs of an op that are no shapes or indices."""
    return list(op.input[:1] if op.op_type in SHAPING else op.input)


def _is_changed(before: Spread, after: Spread, name: str) -> bool:
    """Whether a number that follows from shapes is another one, as far as that is known."""
    old, new = before.known.values.get(name), after.known.values.get(name)
    return old is None or new is None or not np.array_equal(old, new)
