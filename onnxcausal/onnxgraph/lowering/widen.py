"""A bfloat16 model in float32, as ONNX Runtime's CPU kernels take no bfloat16; and a float16 one, to see its range."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def holds_bfloat16(proto: onnx.ModelProto) -> bool:
    """Whether the main graph computes in bfloat16."""
    graph = proto.graph
    return (
        any(tensor.data_type == TensorProto.BFLOAT16 for tensor in graph.initializer)
        or any(value.type.tensor_type.elem_type == TensorProto.BFLOAT16 for value in (*graph.input, *graph.output))
        or any(_mentions(entry) for op in graph.node for entry in op.attribute)
    )


def widened(proto: onnx.ModelProto, kind: int = TensorProto.BFLOAT16) -> onnx.ModelProto:
    """Return the model with float32 wherever it has bfloat16, or another such type; every stored value is the same."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    graph = changed.graph
    for tensor in graph.initializer:
        _widen(tensor, kind)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == kind:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    _widen_attributes(graph.node, kind)
    return changed


def _mentions(entry: onnx.AttributeProto) -> bool:
    in_cast = entry.name in ("to", "dtype") and entry.i == TensorProto.BFLOAT16
    return in_cast or entry.t.data_type == TensorProto.BFLOAT16


def _widen_attributes(ops: Iterable[onnx.NodeProto], kind: int) -> None:
    for op in ops:
        for entry in op.attribute:
            if entry.name in ("to", "dtype") and entry.i == kind:
                entry.i = TensorProto.FLOAT
            _widen(entry.t, kind)
            for body in (entry.g, *entry.graphs):
                for tensor in body.initializer:
                    _widen(tensor, kind)
                _widen_attributes(body.node, kind)


def _widen(tensor: onnx.TensorProto, kind: int) -> None:
    if tensor.data_type == kind:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
