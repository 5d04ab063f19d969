"""Who makes and who uses each tensor of a graph."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import onnx


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a tensor: by which op, at which of its inputs (None: inside its body)."""

    op: int
    position: int | None


@dataclass(frozen=True, slots=True, eq=False)
class GraphIndex:
    """A read-only view of one graph.

    Attributes:
        ops: the ops in file order.
        opset: version of the default operator set.
        producer: position of the op that makes a tensor.
        uses: every use of a tensor, in file order.
        initializers: stored tensors by name.
    """

    ops: tuple[onnx.NodeProto, ...]
    opset: int
    producer: dict[str, int]
    uses: dict[str, tuple[Use, ...]]
    initializers: dict[str, onnx.TensorProto]

    def producing(self, tensor: str) -> onnx.NodeProto | None:
        """Return the op that makes a tensor; None for inputs and stored tensors."""
        position = self.producer.get(tensor)
        return None if position is None else self.ops[position]


def index_graph(proto: onnx.ModelProto, opset: int) -> GraphIndex:
    """Return the view of a model's main graph."""
    uses: dict[str, list[Use]] = defaultdict(list)
    producer: dict[str, int] = {}
    for number, op in enumerate(proto.graph.node):
        for position, tensor in enumerate(op.input):
            if tensor:
                uses[tensor].append(Use(number, position))
        for tensor in captured(op):
            uses[tensor].append(Use(number, None))
        producer.update({tensor: number for tensor in op.output if tensor})
    return GraphIndex(
        ops=tuple(proto.graph.node),
        opset=opset,
        producer=producer,
        uses={tensor: tuple(found) for tensor, found in uses.items()},
        initializers={tensor.name: tensor for tensor in proto.graph.initializer},
    )


def captured(op: onnx.NodeProto) -> frozenset[str]:
    """Return the names an op's bodies (If, Loop, Scan) may take from the graph around them."""
    names: set[str] = set()
    for body in _bodies(op):
        own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
        for inner in body.node:
            names |= ({name for name in inner.input if name} | captured(inner)) - own
            own |= set(inner.output)
        names |= {value.name for value in body.output} - own
    return frozenset(names)


def attribute(op: onnx.NodeProto, name: str, default: int) -> int:
    """Return an integer attribute of an op."""
    return next((entry.i for entry in op.attribute if entry.name == name), default)


def integers(op: onnx.NodeProto, name: str) -> tuple[int, ...] | None:
    """Return a list attribute of integers, None where the op does not have it."""
    return next((tuple(entry.ints) for entry in op.attribute if entry.name == name), None)


def _bodies(op: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for entry in op.attribute:
        if entry.type == onnx.AttributeProto.GRAPH:
            yield entry.g
        elif entry.type == onnx.AttributeProto.GRAPHS:
            yield from entry.graphs
