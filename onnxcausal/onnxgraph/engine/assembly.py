"""New ops for the front of a graph, collected under names that are not taken."""

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from onnxcausal.onnxgraph.graph.edits import fresh


class Assembly:
    """Collects new ops for the front of a graph, with names that are not taken."""

    def __init__(self, taken: set[str]) -> None:
        """Take the names that are in use."""
        self.ops: list[gs.Node] = []
        self._taken = taken

    def add(self, op_type: str, inputs: list[gs.Tensor], **attributes: object) -> gs.Variable:
        """Append an op of one output; return that output."""
        output = gs.Variable(self.name(op_type))
        self.ops.append(gs.Node(op_type, self.name(op_type), attributes, inputs, [output]))
        return output

    def into(self, tensor: gs.Variable, op_type: str, inputs: list[gs.Tensor], **attributes: object) -> None:
        """Append an op that makes an existing tensor."""
        self.ops.append(gs.Node(op_type, self.name(op_type), attributes, inputs, [tensor]))

    def input(self, name: str, dtype: np.dtype[np.generic], shape: list[int | str]) -> gs.Variable:
        """Return a new input."""
        return gs.Variable(self.name(name), dtype, shape)

    def constant(self, values: NDArray[np.generic]) -> gs.Constant:
        """Return a stored tensor."""
        return gs.Constant(self.name("stored"), np.ascontiguousarray(values))

    def reshape(self, tensor: gs.Tensor, *sizes: int) -> gs.Variable:
        """Return a tensor in another shape; 0 keeps the size at that place, -1 takes what is left."""
        return self.add("Reshape", [tensor, self.constant(np.array(sizes, np.int64))])

    def transpose(self, tensor: gs.Tensor, order: list[int]) -> gs.Tensor:
        """Return a tensor with its axes in another order."""
        return tensor if order == sorted(order) else self.add("Transpose", [tensor], perm=order)

    def name(self, wanted: str) -> str:
        """Return a new name."""
        return fresh(f"probe/{wanted}", self._taken)
