"""Which stored operands can lose channels where they are stored, and how ops between store and use pass that on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, integers

Indices = NDArray[np.int64]

ONE_TO_ONE = frozenset(["Identity", "Cast"])
TURNING = "Transpose"
DEQUANTISING = "DequantizeLinear"
PASSED = ONE_TO_ONE | {TURNING, DEQUANTISING}
"""Ops behind which a smaller tensor is made by a smaller stored one."""
PLAIN = frozenset(
    [
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT16,
        TensorProto.UINT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.BOOL,
    ]
)
"""Types whose values stand in whole bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What is left of a tensor: the same indices along each axis everywhere, or, of a weight in groups, its values.

    Attributes:
        shape: the tensor's shape before.
        axes: the indices that are left along each axis; None where they differ from row to row.
        values: then for each value where it stood among the tensor's values in a row.
    """

    shape: tuple[int, ...]
    axes: tuple[Indices, ...] | None = None
    values: Indices | None = None

    def size(self) -> tuple[int, ...]:
        """Return the shape of what is left."""
        if self.axes is not None:
            return tuple(len(indices) for indices in self.axes)
        assert self.values is not None
        return self.values.shape

    def of(self, tensor: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return what is left of a tensor."""
        if self.axes is not None:
            return np.asarray(tensor[np.ix_(*self.axes)])
        return np.asarray(tensor.ravel()[self.values])

    def before_turning(self, order: tuple[int, ...]) -> "Left":
        """Return what is left of the tensor that was transposed into this one."""
        back = np.argsort(order).tolist()
        shape = tuple(self.shape[axis] for axis in back)
        if self.axes is not None:
            return Left(shape, tuple(self.axes[axis] for axis in back))
        assert self.values is not None
        origin = np.arange(int(np.prod(shape))).reshape(shape).transpose(order)
        return Left(shape, values=origin.ravel()[self.values].transpose(back))

    def along(self, axis: int) -> Indices | None:
        """Return the indices that are left along an axis; None where they differ from row to row."""
        if self.axes is not None:
            return self.axes[axis]
        assert self.values is not None
        places = np.moveaxis(np.unravel_index(self.values, self.shape)[axis], axis, 0)
        rows = places.reshape(len(places), -1)
        return rows[:, 0] if (rows == rows[:, :1]).all() else None

    def key(self) -> tuple[object, ...]:
        """Return what is equal where the same is left."""
        arrays = self.axes if self.axes is not None else (self.values,)
        return (self.shape, self.axes is None, *(b"" if one is None else one.tobytes() for one in arrays))


def why_not_cut(index: GraphIndex, tensor: str) -> str:
    """Return why a fixed operand cannot lose channels in its form; empty where it can.

    What ops compute of a stored float tensor can be stored in its place. A quantised tensor must stay quantised.
    """
    ops = list(_way(index, tensor))
    leaf = index.initializers.get(index.leaves.get(tensor, ""))
    if leaf is not None and leaf.data_type not in PLAIN:
        return f"its stored operand has the type {TensorProto.DataType.Name(leaf.data_type)}"
    quantised = [op for op in ops if op.op_type in (DEQUANTISING, "QuantizeLinear", "DynamicQuantizeLinear")]
    if not quantised:
        return ""
    if any(op.op_type not in PASSED for op in ops):
        strange = next(op for op in ops if op.op_type not in PASSED)
        return f"its quantised operand is made by {strange.op_type}"
    if any(attribute(op, "block_size", 0) for op in quantised):
        return "its operand is quantised in blocks"
    if any(len(index.uses.get(name, ())) > 1 for name in (tensor, *(op.output[0] for op in ops))):
        return "something else uses its quantised operand too"
    return ""


def passed_back(index: GraphIndex, op: NodeProto, left: Left) -> dict[int, Left] | None:
    """Return what is left of the inputs of an op, by position, if so much is left of its output.

    None where a smaller output is not made by smaller inputs.
    """
    if op.domain not in ("", "ai.onnx") or op.op_type not in PASSED:
        return None
    if op.op_type == TURNING:
        return {0: left.before_turning(integers(op, "perm") or tuple(reversed(range(len(left.shape)))))}
    return {0: left} if op.op_type in ONE_TO_ONE else _dequantised(index, op, left)


def _dequantised(index: GraphIndex, op: NodeProto, left: Left) -> dict[int, Left] | None:
    """Return what is left of quantised values, and of the scales and zero points of what is left."""
    found = {0: left}
    for position, name in enumerate(op.input[1:], start=1):
        parameter = value_of(index, name) if name else None
        if parameter is None or parameter.size == 1:
            continue
        indices = left.along(attribute(op, "axis", 1) % len(left.shape))
        if parameter.ndim != 1 or indices is None:
            return None
        found[position] = Left(parameter.shape, (indices,))
    return found


def _way(index: GraphIndex, tensor: str) -> Iterator[NodeProto]:
    """Yield the ops between the stored tensor and its use, the last one first."""
    while (op := index.producing(tensor)) is not None and op.op_type != "Constant":
        yield op
        tensor = next((name for name in op.input if name), "")
