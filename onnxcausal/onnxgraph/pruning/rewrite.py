"""A file without the channels that go: stored tensors cut, shapes and groups stated anew, all else as it was.

What an op asks of an operand is settled from the uses upwards. A tensor of which all uses ask the same is cut where it
is stored, through ops that only turn or dequantise it; for a use that asks something else, what it needs is stored
beside it.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.external import is_external
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR, fresh, names_in
from onnxcausal.onnxgraph.graph.index import captured
from onnxcausal.onnxgraph.original.edit import add_stored, store
from onnxcausal.onnxgraph.pruning.channels import Alive, along, varying
from onnxcausal.onnxgraph.pruning.cutting import groups_left, left_of
from onnxcausal.onnxgraph.pruning.parameters import OpChange, change_of
from onnxcausal.onnxgraph.pruning.propagation import Spread
from onnxcausal.onnxgraph.pruning.weights import Left, passed_back

Place = tuple[int, int]
"""An op and one of its inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a use asks of an operand: what is left of it, or what it holds instead."""

    left: Left | None = None
    held: NDArray[np.generic] | None = None

    def key(self) -> tuple[object, ...]:
        """Return what is equal for two uses that ask the same."""
        if self.left is not None:
            return self.left.key()
        assert self.held is not None
        return (self.held.shape, self.held.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file while it is rewritten.

    Attributes:
        proto: the message that is changed.
        spread: where its channels stand.
        alive: which of them stay.
        beside: names of new tensors that stand for others in another file.
        asked: what uses ask of each operand.
        taken: names in use.
        stored: the stored tensors, by name.
        shapes: new shapes of tensors.
        left_behind: operands of which a use was given something else.
    """

    proto: onnx.ModelProto
    spread: Spread
    alive: Alive
    beside: set[str]
    asked: dict[str, dict[Place, _Asked]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    stored: dict[str, TensorProto] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    left_behind: set[str] = field(default_factory=set)


def without_channels(proto: onnx.ModelProto, spread: Spread, alive: Alive) -> tuple[onnx.ModelProto, frozenset[str]]:
    """Return a file without the channels that go, and new tensors that take the place of some in other files.

    Args:
        proto: the file, not changed; it may only name weights that stand in other files.
        spread: where its channels stand.
        alive: whether each channel stays, by its number.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    file = _File(copy, spread, alive, set(), taken=names_in(copy.graph), stored=stored_by_name(copy))
    for cut in spread.cuts:
        left = left_of(spread, cut, alive)
        if left is not None:
            _ask(file, (cut.op, cut.position), _Asked(left=left))
    for number in range(len(spread.index.ops)):
        _change(file, number, change_of(spread, number, alive))
    for reader in spread.readers:
        if reader.layer.groups > 1:
            _set(copy.graph.node[reader.layer.op], "group", groups_left(reader, alive))
    while file.asked:
        name = max(file.asked, key=lambda tensor: spread.index.producer.get(tensor, -1))
        _settle(file, name, file.asked.pop(name))
    _state_shapes(file)
    _drop_unused(file)
    return copy, frozenset(file.beside)


def stored_by_name(proto: onnx.ModelProto) -> dict[str, TensorProto]:
    """Return the stored tensors of a file, by name."""
    found = {tensor.name: tensor for tensor in proto.graph.initializer}
    for op in proto.graph.node:
        if op.op_type == "Constant":
            found |= {name: entry.t for name in op.output for entry in op.attribute if entry.name == "value"}
    return found


def _ask(file: _File, place: Place, asked: _Asked) -> None:
    op, position = place
    name = file.spread.index.ops[op].input[position]
    file.asked.setdefault(name, {})[place] = asked


def _change(file: _File, number: int, change: OpChange) -> None:
    """Take over what an op says from now on."""
    op = file.proto.graph.node[number]
    for position, held in change.inputs.items():
        if position < len(op.input) and op.input[position]:
            before = value_of(file.spread.index, op.input[position])
            if before is not None:  # what follows from shapes may follow by itself; that it does shows later
                _ask(file, (number, position), _Asked(held=held.astype(before.dtype)))
        else:
            op.input.extend([""] * (position + 1 - len(op.input)))
            op.input[position] = _add(file, op.output[0] + ".sizes", held, is_outside=False)
    for place, held in change.parts.items():
        _ask(file, place, _Asked(held=held))
    for name, value in change.attributes.items():
        _set(op, name, value)


def _set(op: onnx.NodeProto, name: str, value: int | list[int] | None) -> None:
    """Set an attribute of an op, or drop it; where the op has it, it stays in its place."""
    for position, entry in enumerate(op.attribute):
        if entry.name == name:
            if value is None:
                del op.attribute[position]
            else:
                entry.CopyFrom(helper.make_attribute(name, value, doc_string=entry.doc_string or None))
            return
    if value is not None:
        op.attribute.append(helper.make_attribute(name, value))


def _settle(file: _File, name: str, asked: dict[Place, _Asked]) -> None:
    """Give the uses of an operand what they ask."""
    index = file.spread.index
    uses = {(use.op, use.position) for use in index.uses[name]}
    shown = any(value.name == name for value in file.proto.graph.output)
    first = next(iter(asked.values()))
    if uses == asked.keys() and not shown and len({one.key() for one in asked.values()}) == 1:
        if name in file.stored:
            store(file.stored[name], _held(file, name, first), [])
            file.shapes[name] = tuple(file.stored[name].dims)
            return
        maker = index.producer.get(name)
        back = None if maker is None or first.left is None else passed_back(index, index.ops[maker], first.left)
        if maker is not None and back is not None and first.left is not None:
            file.shapes[name] = first.left.size()
            for position, left in back.items():
                _ask(file, (maker, position), _Asked(left=left))
            return
    if name not in file.spread.loose:  # a copy would not be fed; that the use lacks it shows later
        _give_copies(file, name, asked)


def _give_copies(file: _File, name: str, asked: dict[Place, _Asked]) -> None:
    """Store what the uses of an operand ask beside it, once for those that ask the same."""
    copies: dict[tuple[object, ...], str] = {}
    leaf = file.stored.get(file.spread.index.leaves[name])
    for (op, position), one in asked.items():
        if one.key() not in copies:
            is_outside = leaf is not None and is_external(leaf)
            copies[one.key()] = _add(file, f"{name}.pruned", _held(file, name, one), is_outside=is_outside)
        file.proto.graph.node[op].input[position] = copies[one.key()]
    file.left_behind.add(name)


def _held(file: _File, name: str, asked: _Asked) -> NDArray[np.generic]:
    """Return what an operand holds from now on."""
    if asked.left is None:
        assert asked.held is not None
        return asked.held
    value = value_of(file.spread.index, name)
    assert value is not None
    return asked.left.of(value)


def _add(file: _File, wanted: str, held: NDArray[np.generic], *, is_outside: bool) -> str:
    """Store a tensor; return its name."""
    name = fresh(wanted, file.taken)
    add_stored(file.proto, numpy_helper.from_array(held, name))
    if is_outside:
        file.beside.add(name)
    return name


def _state_shapes(file: _File) -> None:
    """Correct the shapes that the file states of tensors."""
    sizes = {name: dict(enumerate(shape)) for name, shape in file.shapes.items()}
    for name, tags in file.spread.tags.items():
        sizes[name] = {axis: len(along(tags, axis, file.alive)) for axis in varying(tags)}
    graph = file.proto.graph
    for value in (*graph.value_info, *graph.input):
        dims = value.type.tensor_type.shape.dim
        for axis, size in sizes.get(value.name, {}).items():
            if axis < len(dims) and dims[axis].HasField("dim_value"):
                dims[axis].dim_value = size


def _drop_unused(file: _File) -> None:
    """Drop stored tensors, and ops that make them ready, of which no use is left since the uses have copies."""
    graph = file.proto.graph
    shown = {value.name for value in graph.output}
    if file.proto.ir_version >= OLDEST_OVERRIDABLE_IR:
        shown |= {value.name for value in graph.input}
    pending = sorted(file.left_behind - shown)
    dropped: set[str] = set()
    gone: set[int] = set()
    while pending:
        name = pending.pop()
        used = {
            tensor
            for number, op in enumerate(graph.node)
            if number not in gone
            for tensor in (*op.input, *captured(op))
        }
        maker = file.spread.index.producer.get(name)
        if name in used or name in shown:
            continue
        if maker is None:
            dropped.add(name)
        elif not used.intersection(graph.node[maker].output):
            gone.add(maker)
            dropped.update(graph.node[maker].output)
            pending += [given for given in graph.node[maker].input if given]
    for number in sorted(gone, reverse=True):
        del graph.node[number]
    for held in (graph.initializer, graph.input, graph.value_info):
        for position in reversed(range(len(held))):
            if held[position].name in dropped:
                del held[position]
