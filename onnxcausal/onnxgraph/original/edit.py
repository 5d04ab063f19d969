"""A model file while what its stored tensors hold is changed; weights in other files go to a new file."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.external import is_external
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR, fresh, names_in
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.original.original import Original

TYPED = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "external_data")
"""Fields in which a tensor may hold its values, beside its bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class FileChange:
    """A file while it is changed.

    Attributes:
        name: the model's name, for errors.
        proto: the message that is changed.
        index: the graph as it was, with all weights.
        shown: tensors that are outputs of the graph.
        fed: stored tensors that may be fed in place of their values.
        copied: uses of each tensor that have gone to a copy.
        taken: names in use.
        outside: tensors that were changed and stood in another file.
    """

    name: str
    proto: onnx.ModelProto
    index: GraphIndex
    shown: frozenset[str]
    fed: frozenset[str]
    copied: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    outside: list[TensorProto] = field(default_factory=list)

    def value(self, tensor: str) -> NDArray[np.generic]:
        """Return what a fixed tensor held before."""
        value = value_of(self.index, tensor)
        assert value is not None
        return value

    def way(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the ops between what is stored and its use, the first one first; a Constant op is none of them."""
        ops: list[onnx.NodeProto] = []
        while (op := self.index.producing(tensor)) is not None and op.op_type != "Constant":
            ops.insert(0, op)
            tensor = next(name for name in op.input if name)
        return ops

    def has_one_use(self, tensor: str) -> bool:
        """Whether one op alone uses a tensor, others that have copies by now left out."""
        uses = len(self.index.uses.get(tensor, ())) - self.copied[tensor]
        return uses == 1 and tensor not in self.shown

    def stored(self, name: str) -> TensorProto | None:
        """Return the tensor of the file behind an initializer or a Constant op; None where it is no plain tensor."""
        held: TensorProto
        if name in self.index.initializers:
            held = next(tensor for tensor in self.proto.graph.initializer if tensor.name == name)
            return held
        entries = self.proto.graph.node[self.index.producer[name]].attribute
        for entry in entries:
            if entry.name == "value":
                held = entry.t
                return held
        return None

    def store(self, tensor: TensorProto, values: NDArray[np.generic]) -> None:
        """Change what a stored tensor holds; its type stays."""
        store(tensor, values, self.outside)

    def give(self, op: int, position: int, wanted: str, values: NDArray[np.generic]) -> None:
        """Give an op a stored tensor of its own at one of its inputs, also at the one after its last.

        Args:
            op: position of the op.
            position: at which of its inputs.
            wanted: name of the tensor, if it is not taken.
            values: what it holds; where what it takes the place of stands in another file, it will too.
        """
        inputs = self.proto.graph.node[op].input
        before = inputs[position] if position < len(inputs) else ""
        held = add_stored(self.proto, numpy_helper.from_array(np.ascontiguousarray(values), fresh(wanted, self.taken)))
        if position < len(inputs):
            inputs[position] = held.name
        else:
            inputs.append(held.name)
        leaf = self.stored(self.index.leaves[before]) if before else None
        self.copied[before] += 1
        if leaf is not None and is_external(leaf):
            self.outside.append(held)


def start_change(original: Original) -> FileChange:
    """Return a file that is to be changed; the original stays as it is."""
    proto = onnx.ModelProto()
    proto.CopyFrom(original.proto)
    inputs = frozenset(value.name for value in proto.graph.input)
    return FileChange(
        name=original.model.name,
        proto=proto,
        index=index_graph(original.model.proto, original.model.opset),
        shown=frozenset(value.name for value in proto.graph.output),
        fed=inputs if proto.ir_version >= OLDEST_OVERRIDABLE_IR else frozenset(),
        taken=names_in(proto.graph),
    )


def store(tensor: TensorProto, values: NDArray[np.generic], outside: list[TensorProto]) -> None:
    """Change what a stored tensor holds, and its shape; its type stays.

    Args:
        tensor: the tensor.
        values: the values, of its element type.
        outside: takes the tensor if it stood in another file.
    """
    if is_external(tensor):
        outside.append(tensor)
    held = numpy_helper.from_array(np.ascontiguousarray(values))
    for typed in TYPED:
        tensor.ClearField(typed)
    tensor.ClearField("data_location")
    tensor.raw_data = held.raw_data
    if tuple(tensor.dims) != values.shape:
        tensor.dims[:] = values.shape


def add_stored(proto: onnx.ModelProto, tensor: TensorProto) -> TensorProto:
    """Add a stored tensor to a file; return it as it stands there."""
    proto.graph.initializer.append(tensor)
    if proto.ir_version < OLDEST_OVERRIDABLE_IR:  # IR 3 lists every initializer as an input
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        proto.graph.input.append(value)
    held: TensorProto = proto.graph.initializer[-1]
    return held


def put_outside(tensors: Sequence[TensorProto]) -> dict[str, bytes]:
    """Move the content of tensors to a file whose name tells its content; return the file."""
    if not tensors:
        return {}
    content = b"".join(tensor.raw_data for tensor in tensors)
    name = f"onnxcausal-{hashlib.sha256(content).hexdigest()[:16]}.data"
    offset = 0
    for tensor in tensors:
        length = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        offset += length
    return {name: content}
