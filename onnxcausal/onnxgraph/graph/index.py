"""Who makes and who uses each tensor of a graph."""

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx

RANDOM = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
"""Ops whose result is another one every time."""


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
        leaves: the stored tensor behind each fixed tensor, one that follows from stored tensors alone, by name.
        steady: tensors that follow from stored tensors and shapes alone, not from what the samples hold.
    """

    ops: tuple[onnx.NodeProto, ...]
    opset: int
    producer: dict[str, int]
    uses: dict[str, tuple[Use, ...]]
    initializers: dict[str, onnx.TensorProto]
    leaves: dict[str, str]
    steady: frozenset[str]

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
    ops = tuple(proto.graph.node)
    initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
    leaves = _leaves(ops, initializers)
    return GraphIndex(
        ops=ops,
        opset=opset,
        producer=producer,
        uses={tensor: tuple(found) for tensor, found in uses.items()},
        initializers=initializers,
        leaves=leaves,
        steady=_steady(ops, leaves),
    )


def captured(op: onnx.NodeProto) -> frozenset[str]:
    """Return the names an op's bodies (If, Loop, Scan) may take from the graph around them."""
    names: set[str] = set()
    for body in bodies(op):
        own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
        for inner in body.node:
            names |= ({name for name in inner.input if name} | captured(inner)) - own
            own |= set(inner.output)
        names |= {value.name for value in body.output} - own
    return frozenset(names)


def steady_in(body: onnx.GraphProto, around: frozenset[str]) -> frozenset[str]:
    """Return the tensors of an op's body, and of the graph around it, that follow from stored ones and shapes alone.

    Args:
        body: the graph inside the op, whatever it is given.
        around: those of the graph around it.
    """
    own = {value.name for value in body.input} | {name for op in body.node for name in op.output}
    stored = {tensor.name for tensor in body.initializer}
    return _steady(body.node, {*(around - own), *_leaves(body.node, stored)})


def attribute(op: onnx.NodeProto, name: str, default: int) -> int:
    """Return an integer attribute of an op."""
    return next((entry.i for entry in op.attribute if entry.name == name), default)


def integers(op: onnx.NodeProto, name: str) -> tuple[int, ...] | None:
    """Return a list attribute of integers, None where the op does not have it."""
    return next((tuple(entry.ints) for entry in op.attribute if entry.name == name), None)


def _leaves(ops: Sequence[onnx.NodeProto], initializers: Iterable[str]) -> dict[str, str]:
    """Return the stored tensor behind each fixed tensor: an initializer, or the output of a Constant op."""
    leaves = {name: name for name in initializers}
    for op in ops:
        if op.op_type == "Constant":
            leaves.update({name: name for name in op.output})
    for op in _followers(ops, leaves):
        leaf = leaves[next(name for name in op.input if name)]
        leaves.update({name: leaf for name in op.output if name})
    return leaves


def _steady(ops: Sequence[onnx.NodeProto], leaves: Iterable[str]) -> frozenset[str]:
    """Return the tensors that follow from stored tensors and from shapes alone."""
    steady = set(leaves)
    for op in ops:
        if op.op_type in ("Shape", "Size"):
            steady.update(op.output)
    for op in _followers(ops, steady):
        steady.update(op.output)
    return frozenset(steady)


def _followers(ops: Sequence[onnx.NodeProto], known: Container[str]) -> Iterator[onnx.NodeProto]:
    """Yield the ops whose outputs follow from known tensors alone, each after those it follows from.

    The order of a file does not matter. What an op makes is known once it was yielded; `known` may grow meanwhile.
    """
    missing: dict[int, int] = {}
    users: dict[str, list[int]] = defaultdict(list)
    ready: deque[int] = deque()
    for number, op in enumerate(ops):
        names = {name for name in op.input if name}
        if not names or op.op_type in RANDOM or any(True for _ in bodies(op)):
            continue
        unknown = [name for name in names if name not in known]
        missing[number] = len(unknown)
        for name in unknown:
            users[name].append(number)
        if not unknown:
            ready.append(number)
    while ready:
        number = ready.popleft()
        yield ops[number]
        for name in {name for name in ops[number].output if name}:
            for user in users.pop(name, ()):
                missing[user] -= 1
                if not missing[user]:
                    ready.append(user)


def bodies(op: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs inside an op (If, Loop, Scan)."""
    for entry in op.attribute:
        if entry.type == onnx.AttributeProto.GRAPH:
            yield entry.g
        elif entry.type == onnx.AttributeProto.GRAPHS:
            yield from entry.graphs
