"""The part of a graph after a layer, and everything that crosses into it."""

from dataclasses import dataclass

from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured

KEEPS_CHANGES = frozenset(["Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Add"])
"""Ops that hand a change of one operand on as it is, where any other operand is fixed."""


@dataclass(frozen=True, slots=True)
class Suffix:
    """What is re-executed after a layer.

    Attributes:
        ops: positions of the descendants of the layer's output, and of what they need that follows from stored
            tensors and shapes alone; in the graph's order.
        crossing: tensors, or the model's input, that those ops use and that do not depend on the layer.
        linear: whether a change of the layer's output reaches the outcome unchanged.
    """

    ops: tuple[int, ...]
    crossing: tuple[str, ...]
    linear: bool


def find_suffix(index: GraphIndex, layer: Layer) -> Suffix:
    """Return the part of a graph after a layer.

    Every tensor that the ops use is either made by one of them, stored, or in `crossing`: none can be missed.

    Args:
        index: the graph, in topological order, which has no op that the outcome does not depend on.
        layer: the layer.
    """
    after = _descendants(index, layer)
    made = {layer.output, *(name for number in after for name in index.ops[number].output)}
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
    changed = {layer.output, *(name for number in after for name in index.ops[number].output)}
    linear = not crossing and all(_hands_on(index, number, changed) for number in after)
    return Suffix(tuple(sorted(ops)), tuple(sorted(crossing)), linear)


def _hands_on(index: GraphIndex, number: int, changed: set[str]) -> bool:
    """Whether an op hands the change of its one changed operand on as it is."""
    op = index.ops[number]
    own = op.op_type in KEEPS_CHANGES and op.domain in ("", "ai.onnx")
    return own and sum(name in changed for name in op.input) == 1


def _descendants(index: GraphIndex, layer: Layer) -> list[int]:
    """Return the positions of the ops that depend on a layer's output, ascending."""
    reached, after = {layer.output}, []
    for number in range(layer.op + 1, len(index.ops)):
        if not reached.isdisjoint(_uses(index, number)):
            after.append(number)
            reached.update(name for name in index.ops[number].output if name)
    return after


def _uses(index: GraphIndex, number: int) -> list[str]:
    """Return every tensor an op uses, in its bodies too."""
    op = index.ops[number]
    return [name for name in (*op.input, *captured(op)) if name]
