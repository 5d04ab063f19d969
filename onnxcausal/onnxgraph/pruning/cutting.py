"""What is left of stored operands: of each as it is used, position by position."""

import numpy as np

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.pruning.channels import Alive, along
from onnxcausal.onnxgraph.pruning.propagation import OperandCut, Reader, Spread
from onnxcausal.onnxgraph.pruning.weights import Left


def left_of(spread: Spread, cut: OperandCut, alive: Alive) -> Left | None:
    """Return what is left of an operand; None where all of it is."""
    if all(alive[follow.tags].all() for follow in cut.follows):
        return None
    if cut.reader is not None:
        return _of_groups(cut.reader, alive)
    shape = shape_of(spread, cut)
    kept = [np.arange(size) for size in shape]
    for follow in cut.follows:
        kept[follow.axis] = along(follow.tags, follow.tags_axis, alive)
    return Left(shape, tuple(kept))


def shape_of(spread: Spread, cut: OperandCut) -> tuple[int, ...]:
    """Return the shape of an operand where it is used."""
    if cut.reader is not None:
        return cut.reader.layer.weight_shape
    name = spread.index.ops[cut.op].input[cut.position]
    stored = spread.index.initializers.get(name)
    if stored is not None:
        return tuple(stored.dims)
    value = value_of(spread.index, name)
    assert value is not None
    return value.shape


def _of_groups(reader: Reader, alive: Alive) -> Left:
    """Return what is left of a weight in groups, of which each holds its own part of the rows."""
    layer = reader.layer
    parents, children = (alive[tags].reshape(layer.groups, -1) for tags in (reader.parents, reader.children))
    rows, columns = (parents, children) if layer.op_type == "ConvTranspose" else (children, parents)
    kernel = layer.weight_shape[2:]
    values = np.arange(int(np.prod(layer.weight_shape))).reshape(layer.groups, rows.shape[1], columns.shape[1], *kernel)
    left = [
        values[group][np.ix_(np.flatnonzero(rows[group]), np.flatnonzero(columns[group]))]
        for group in range(layer.groups)
        if rows[group].any()
    ]
    return Left(layer.weight_shape, values=np.concatenate(left))


def groups_left(reader: Reader, alive: Alive) -> int:
    """Return how many groups a layer is left with."""
    return int(alive[reader.children].reshape(reader.layer.groups, -1).any(axis=1).sum())
