"""The part of a graph after a layer, and everything that crosses into it."""

from dataclasses import dataclass

from onnxcausal.onnxgraph.index import GraphIndex, captured
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.trace import Trace

KEEPS_CHANGES = frozenset(["Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Add"])
"""Ops that hand a change of one operand on as it is, where any other operand is fixed."""


@dataclass(frozen=True, slots=True)
class Suffix:
    """What is re-executed after a layer.

    Attributes:
        start: the tensor that is changed: the layer's output, or the sum that is all it is used for.
        ops: positions of the descendants of that tensor, and of what they need that follows from stored tensors and
            shapes alone; in the graph's order.
        crossing: tensors, or the model's input, that those ops use and that do not depend on the layer.
        linear: whether a change of that tensor reaches the outcome unchanged.
    """

    start: str
    ops: tuple[int, ...]
    crossing: tuple[str, ...]
    linear: bool


def find_suffix(index: GraphIndex, layer: Layer, trace: Trace) -> Suffix:
    """Return the part of a graph after a layer.

    Every tensor that the ops use is either made by one of them, stored, or in `crossing`: none can be missed.

    Args:
        index: the graph, in topological order, which has no op that the outcome does not depend on.
        layer: the layer.
        trace: shapes and types of one run.
    """
    start = _start(index, layer.output, trace)
    after = _descendants(index, start)
    made = {start, *(name for number in after for name in index.ops[number].output)}
    ops, crossing = set(after), set[str]()
    pending = [name for number in after for name in _uses(index, number)]
    while pending:
        name = pending.pop()
        if name in made or name in index.initializers:
            continue
        if name in index.steady and name in index.producer:
            # Shapes hold the number of rows: they are found again, from the tensors with the rows of this part.
            number = index.producer[name]
            ops.add(number)
            made.update(index.ops[number].output)
            pending += _uses(index, number)
        else:
            crossing.add(name)
    changed = {start, *(name for number in after for name in index.ops[number].output)}
    linear = not crossing and all(_hands_on(index, number, changed) for number in after)
    return Suffix(start, tuple(sorted(ops)), tuple(sorted(crossing)), linear)


def _start(index: GraphIndex, tensor: str, trace: Trace) -> str:
    """Return the tensor that changes just as the given one does: itself, or a sum like it that is its only use.

    What is added, a bias or the skip of a residual block, then need not be laid out again for every intervention.
    """
    while len(index.uses.get(tensor, ())) == 1:
        use = index.uses[tensor][0]
        op = index.ops[use.op]
        if use.position is None or op.op_type != "Add" or op.domain not in ("", "ai.onnx"):
            break
        result = op.output[0]
        if any(known.get(result) != known.get(tensor) for known in (trace.shapes, trace.types, trace.rows)):
            break
        tensor = result
    return tensor


def _hands_on(index: GraphIndex, number: int, changed: set[str]) -> bool:
    """Whether an op hands the change of its one changed operand on as it is."""
    op = index.ops[number]
    own = op.op_type in KEEPS_CHANGES and op.domain in ("", "ai.onnx")
    return own and sum(name in changed for name in op.input) == 1


def _descendants(index: GraphIndex, tensor: str) -> list[int]:
    """Return the positions of the ops that depend on a tensor, ascending."""
    reached, after = {tensor}, []
    for number in range(index.producer[tensor] + 1, len(index.ops)):
        if not reached.isdisjoint(_uses(index, number)):
            after.append(number)
            reached.update(name for name in index.ops[number].output if name)
    return after


def _uses(index: GraphIndex, number: int) -> list[str]:
    """Return every tensor an op uses, in its bodies too."""
    op = index.ops[number]
    return [name for name in (*op.input, *captured(op)) if name]
