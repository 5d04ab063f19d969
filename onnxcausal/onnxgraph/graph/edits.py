"""Small steps that every rewrite of a graph is made of."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from onnxcausal.errors import ModelError

OLDEST_OVERRIDABLE_IR = 4
"""IR version from which an initializer that is also an input may be overridden."""

MOST_DENSE = 2**29
"""Values a sparse tensor may have once its zeros are written out: 2 GiB in float32, what one message holds."""


def splice(
    graph: onnx.GraphProto,
    *,
    before: Mapping[int, onnx.NodeProto] | None = None,
    after: Mapping[int, onnx.NodeProto] | None = None,
) -> None:
    """Insert ops into a graph in place, each before or after the op at the given position."""
    ops: list[onnx.NodeProto] = []
    for number, op in enumerate(graph.node):
        around = ((before or {}).get(number), op, (after or {}).get(number))
        ops += [onnx.NodeProto.FromString(part.SerializeToString()) for part in around if part is not None]
    del graph.node[:]
    graph.node.extend(ops)


def fresh(wanted: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def names_in(graph: onnx.GraphProto) -> set[str]:
    """Return every name used in a graph: tensors, ops, inputs and outputs, those inside bodies included."""
    names = {value.name for value in [*graph.input, *graph.output, *graph.value_info]}
    names |= {tensor.name for tensor in graph.initializer}
    names |= {tensor.values.name for tensor in graph.sparse_initializer}
    for op in graph.node:
        names |= {op.name, *op.input, *op.output}
        for entry in op.attribute:
            for body in [entry.g, *entry.graphs] if entry.type in (entry.GRAPH, entry.GRAPHS) else []:
                names |= names_in(body)
    return names


def dense(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Return a sparse tensor with its zeros written out.

    Raises:
        ModelError: it is damaged, or would fill memory.
    """
    size = 1
    for length in sparse.dims:
        size *= max(0, length)
    if size > MOST_DENSE or any(length < 0 for length in sparse.dims) or not sparse.dims:
        raise _not_dense(sparse, f"its shape is {list(sparse.dims)[:8]}")
    try:
        return _written_out(sparse)
    except (ValueError, TypeError, IndexError, KeyError, onnx.checker.ValidationError) as error:
        raise _not_dense(sparse, str(error).splitlines()[0]) from error


def _written_out(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    full = np.zeros(list(sparse.dims), values.dtype)
    full[np.unravel_index(indices, full.shape) if indices.ndim == 1 else tuple(indices.T)] = values
    return numpy_helper.from_array(full, sparse.values.name)


def _not_dense(sparse: onnx.SparseTensorProto, why: str) -> ModelError:
    return ModelError(
        "a sparse tensor cannot be read",
        where=f"tensor {sparse.values.name}",
        why=why,
        remedy="check that the file is complete; export the weight densely",
    )
