"""Replacing one op by several, whose names are not taken."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.graph.edits import fresh
from onnxcausal.onnxgraph.graph.index import GraphIndex

PREFIX = "onnxcausal"
"""Before the names of tensors that the file does not have."""


class Expansion:
    """The ops that take the place of one op."""

    def __init__(self, op: onnx.NodeProto, index: GraphIndex, taken: set[str]) -> None:
        """Start with none.

        Args:
            op: the op that is replaced.
            index: the graph it stands in.
            taken: names that are in use; new ones are added.
        """
        self.op, self.index = op, index
        self.ops: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self._taken = taken

    def given(self, position: int) -> str:
        """Return the name of an input, empty where it is left out."""
        return self.op.input[position] if position < len(self.op.input) else ""

    def settings(self, *names: str) -> dict[str, Any]:
        """Return attributes of the op: the named ones, or all."""
        found = {entry.name: helper.get_attribute_value(entry) for entry in self.op.attribute}
        return {name: found[name] for name in names or found if name in found}

    def add(
        self,
        op_type: str,
        inputs: Sequence[str],
        *,
        name: str | None = None,
        output: str = "",
        **attributes: Any,  # noqa: ANN401  # of whatever types ONNX gives them
    ) -> str:
        """Append an op of one output; return that output.

        Args:
            op_type: of the default domain.
            inputs: names of tensors.
            name: the op's name; default: a new one. Empty for an op that stands for one without a name.
            output: name of the output; default: a new one.
            **attributes: its attributes.
        """
        output = output or self.name(op_type)
        self.ops.append(
            helper.make_node(
                op_type,
                list(inputs),
                [output],
                name=self.name(op_type) if name is None else name or f"{self.op.op_type}/{self.op.output[0]}",
                **attributes,
            )
        )
        return output

    def constant(self, values: NDArray[np.generic] | np.generic) -> str:
        """Return a new stored tensor."""
        name = self.name("stored")
        self.stored.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def shape(self, *sizes: int) -> str:
        """Return a new stored shape."""
        return self.constant(np.array(sizes, np.int64))

    def to_float(self, tensor: str) -> str:
        """Return a tensor as float32."""
        return self.add("Cast", [tensor], to=TensorProto.FLOAT)

    def rank(self, tensor: str) -> int | None:
        """Return the number of axes of a stored tensor, None where it is not stored."""
        stored = self.tensor(tensor)
        return None if stored is None else len(stored.dims)

    def is_single(self, tensor: str) -> bool:
        """Whether a tensor is stored and holds one value."""
        stored = self.tensor(tensor)
        return stored is not None and all(size == 1 for size in stored.dims)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the type of a stored tensor, float32 where it is not stored."""
        stored = self.tensor(name)
        return np.dtype(np.float32 if stored is None else helper.tensor_dtype_to_np_dtype(stored.data_type))

    def tensor(self, name: str) -> onnx.TensorProto | None:
        """Return a stored tensor, None where it is not stored."""
        if name in self.index.initializers:
            return self.index.initializers[name]
        constant = self.index.producing(name)
        if constant is None or constant.op_type != "Constant":
            return None
        return next((entry.t for entry in constant.attribute if entry.name == "value"), None)

    def name(self, wanted: str) -> str:
        """Return a new name."""
        return fresh(f"{PREFIX}/{self.op.name or self.op.output[0]}/{wanted}", self._taken)


Rule = Callable[[Expansion], bool]
"""Fills an expansion; False leaves the op as it is."""


def expand(
    proto: onnx.ModelProto, index: GraphIndex, rules: Mapping[tuple[str, str], Rule], taken: set[str]
) -> list[str]:
    """Replace ops by others in place; return the type of each op that was replaced.

    Args:
        proto: the model; changed.
        index: its graph.
        rules: how to replace an op, by domain and type.
        taken: names in use; new ones are added.
    """
    ops: list[onnx.NodeProto] = []
    replaced: list[str] = []
    for op in index.ops:
        rule = rules.get((op.domain if op.domain != "ai.onnx" else "", op.op_type))
        expansion = Expansion(op, index, taken)
        if rule is not None and rule(expansion):
            ops += expansion.ops
            proto.graph.initializer.extend(expansion.stored)
            replaced.append(op.op_type)
        else:
            ops.append(onnx.NodeProto.FromString(op.SerializeToString()))
    if replaced:
        del proto.graph.node[:]
        proto.graph.node.extend(ops)
    return replaced
