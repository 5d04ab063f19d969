"""Everything a file stores: initializers, tensors in attributes, in bodies and in local functions."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.graph.index import bodies

NO_PARAMETERS = frozenset([TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING, TensorProto.UNDEFINED])
"""Types of shapes, indices, conditions and texts."""
NARROW_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
"""Bits of the types that share bytes."""
LONG_NAMES = {"float": "float32", "double": "float64"}
"""Types whose ONNX name does not tell their width."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many numbers a file stores.

    Attributes:
        number: of all types.
        size: bytes they take.
        types: number of each type.
    """

    number: int
    size: int
    types: dict[str, int]


def stored_tensors(proto: onnx.ModelProto, *, indices: bool = False) -> Iterator[TensorProto]:
    """Yield every stored tensor of a file; of a sparse one the values, and the indices if they are asked for."""
    yield from _of_graph(proto.graph, indices=indices)
    for function in proto.functions:
        yield from _of_ops(function.node, indices=indices)


def every_op(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every op of a file, those in bodies and local functions included."""
    yield from _with_bodies(proto.graph.node)
    for function in proto.functions:
        yield from _with_bodies(function.node)


def count_parameters(proto: onnx.ModelProto) -> Parameters:
    """Return how many numbers a file stores, shapes and indices left out."""
    types: Counter[str] = Counter()
    size = 0
    for tensor in stored_tensors(proto):
        if tensor.data_type not in NO_PARAMETERS:
            number = values_in(tensor)
            types[type_name(tensor.data_type)] += number
            size += bytes_of(tensor)
    return Parameters(types.total(), size, dict(sorted(types.items())))


def values_in(tensor: TensorProto) -> int:
    """Return how many values a tensor has by its shape."""
    number = 1
    for size in tensor.dims:
        number *= max(0, size)
    return number


def bytes_of(tensor: TensorProto) -> int:
    """Return the bytes that the values of a tensor take."""
    return -(-values_in(tensor) * _bits(tensor.data_type) // 8)


def type_name(kind: int) -> str:
    """Return the name of an element type.

    >>> type_name(1), type_name(7)
    ('float32', 'int64')
    """
    try:
        name = TensorProto.DataType.Name(kind).lower()
    except ValueError:
        return f"type {kind}"
    return LONG_NAMES.get(name, str(name))


def text_of(held: str | bytes) -> str:
    """Return a text of a file; what is not UTF-8, which protobuf hands out as bytes, with replacements."""
    return held if isinstance(held, str) else held.decode(errors="replace")


def _bits(kind: int) -> int:
    try:
        name = TensorProto.DataType.Name(kind)
        return NARROW_BITS.get(name) or 8 * int(np.dtype(helper.tensor_dtype_to_np_dtype(kind)).itemsize)
    except (KeyError, ValueError, TypeError):
        return 0


def _of_graph(graph: onnx.GraphProto, *, indices: bool) -> Iterator[TensorProto]:
    yield from _initializers(graph, indices=indices)
    yield from _of_ops(graph.node, indices=indices)


def _of_ops(ops: Iterable[onnx.NodeProto], *, indices: bool) -> Iterator[TensorProto]:
    for op in _with_bodies(ops):
        for entry in op.attribute:
            if entry.HasField("t"):
                yield entry.t
            yield from entry.tensors
            sparse = [entry.sparse_tensor] if entry.HasField("sparse_tensor") else []
            yield from _of_sparse([*sparse, *entry.sparse_tensors], indices=indices)
        for body in bodies(op):
            yield from _initializers(body, indices=indices)


def _initializers(graph: onnx.GraphProto, *, indices: bool) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from _of_sparse(graph.sparse_initializer, indices=indices)


def _of_sparse(tensors: Iterable[onnx.SparseTensorProto], *, indices: bool) -> Iterator[TensorProto]:
    for tensor in tensors:
        yield tensor.values
        if indices:
            yield tensor.indices


def _with_bodies(ops: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    pending = list(ops)[::-1]
    while pending:
        op = pending.pop()
        yield op
        for body in bodies(op):
            pending += list(body.node)[::-1]
