"""Tensors that are fixed in the file, and what they hold."""

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxcausal.onnxgraph.index import GraphIndex
from onnxcausal.onnxgraph.runner import run_op

PASSED_THROUGH = frozenset(
    {"Identity", "Transpose", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "DequantizeLinear"}
)
"""Ops an exporter may put between a stored weight and the op that uses it."""


def leaf_of(index: GraphIndex, tensor: str) -> str | None:
    """Return the stored tensor behind a tensor: an initializer's name, or a Constant op's output.

    None where the tensor depends on an input or on an op that is not a mere change of form.
    """
    if tensor in index.initializers:
        return tensor
    op = index.producing(tensor)
    if op is None:
        return None
    if op.op_type == "Constant":
        return tensor
    if op.op_type not in PASSED_THROUGH or any(leaf_of(index, name) is None for name in op.input if name):
        return None
    return leaf_of(index, op.input[0])


def value_of(index: GraphIndex, tensor: str) -> NDArray[np.generic] | None:
    """Return what a fixed tensor holds where it is used; None where it is not fixed."""
    if leaf_of(index, tensor) is None:
        return None
    if tensor in index.initializers:
        return numpy_helper.to_array(index.initializers[tensor])
    op = index.producing(tensor)
    assert op is not None
    return run_op(op, [value_of(index, name) if name else None for name in op.input], index.opset)[0]
