"""What tensors hold that follow from stored ones alone."""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.external import array_of
from onnxcausal.onnxgraph.graph.edits import dense
from onnxcausal.onnxgraph.graph.index import GraphIndex
from onnxcausal.onnxgraph.runner import run_op


def value_of(index: GraphIndex, tensor: str) -> NDArray[np.generic] | None:
    """Return what a fixed tensor holds where it is used; None where it is not fixed.

    Whatever an exporter puts between a stored weight and the op that uses it (transposes, casts, reshapes,
    dequantisation, products) is executed.

    Raises:
        ModelError: ONNX Runtime cannot run an op on the way.
    """
    if tensor not in index.leaves:
        return None
    values: dict[str, NDArray[np.generic]] = {}
    pending = [tensor]
    while pending:
        name = pending[-1]
        op = index.producing(name)
        missing = [given for given in op.input if given and given not in values] if op is not None else []
        if missing:
            pending += missing
            continue
        pending.pop()
        if name in values:
            continue
        if op is None:
            values[name] = array_of(index.initializers[name])
        elif op.op_type == "Constant":
            values[name] = _constant(op)
        else:
            results = run_op(op, [values[given] if given else None for given in op.input], index.opset)
            values |= dict(zip([output for output in op.output if output], results, strict=True))
    return values[tensor]


def _constant(op: NodeProto) -> NDArray[np.generic]:
    """Return what a Constant op holds, in whichever of its attributes."""
    entry = op.attribute[0]
    match entry.name:
        case "value":
            return numpy_helper.to_array(entry.t)
        case "sparse_value":
            return numpy_helper.to_array(dense(entry.sparse_tensor))
        case "value_float" | "value_floats":
            return np.asarray(helper.get_attribute_value(entry), np.float32)
        case "value_int" | "value_ints":
            return np.asarray(helper.get_attribute_value(entry), np.int64)
        case _:
            return np.asarray(helper.get_attribute_value(entry))
