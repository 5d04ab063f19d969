"""Maps kept in the layout that ONNX Runtime's convolutions like on CPUs.

There ONNX Runtime holds the maps between convolutions in blocks of channels, and a sum and an activation after a
convolution are done within it. It takes a map out of the blocks, and the next convolution puts it back, where an op
does not know them or where a sum has one operand in blocks and one in the usual layout. In a part of a model that
starts in its middle the maps that are given have the usual layout, and so has the residual stream that starts with
them, to its end. Two rewrites keep maps in blocks, whose values stay as they are (but for the sign of zeros; a sum that
is done within a convolution may round in another order, as it does in the whole model):

- before such a sum, a pool over single places puts the other operand into blocks;
- a slice that takes every n-th place is a pool over single places with that stride (and faster for it).
"""

from collections.abc import Iterable

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from onnxcausal.onnxgraph.engine.assembly import Assembly
from onnxcausal.onnxgraph.graph.trace import Trace

BLOCK = 16
"""Maps go into blocks whose number of channels is a multiple of this; processors with AVX2 alone take half of it."""
HAND_ON = frozenset(["Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "BatchNormalization"])
"""Ops whose result is in blocks where what they are given is."""
POOLS = frozenset(["MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"])
"""Ops whose result is in blocks whatever they are given."""
SLICED = 5
"""Inputs of a slice with axes and steps."""


def keep_in_blocks(assembly: Assembly, ops: Iterable[gs.Node], trace: Trace) -> None:
    """Append the ops of a part of a model to an assembly, rewritten so that its maps stay in blocks.

    Args:
        assembly: takes the ops.
        ops: the ops, in order; some of them are given other operands.
        trace: shapes and types of one run.
    """
    blocked: set[str] = set()
    put: dict[str, gs.Variable] = {}
    for op in ops:
        strides = _strides(op, trace)
        if strides:
            op = _pool(op, strides)  # noqa: PLW2901  # stands for it from here on
        if _kind(op) == "Add" and _are_maps([*op.inputs, *op.outputs], trace):
            if any(tensor.name in blocked for tensor in op.inputs):
                for tensor in op.inputs:
                    if tensor.name not in blocked | put.keys():
                        put[tensor.name] = assembly.add("AveragePool", [tensor], kernel_shape=[1, 1])
                op.inputs = [put.get(tensor.name, tensor) for tensor in op.inputs]
                blocked.add(op.outputs[0].name)
        elif _gives_blocks(op, blocked) and _are_maps(op.outputs[:1], trace):
            blocked.add(op.outputs[0].name)
        assembly.ops.append(op)


def _kind(op: gs.Node) -> str:
    """Return the kind of a standard op; empty for any other."""
    return str(op.op) if op.domain in (None, "", "ai.onnx") else ""


def _strides(op: gs.Node, trace: Trace) -> list[int]:
    """Return the strides of the pool that a slice is; none where it is no pool, or the op no slice."""
    if _kind(op) != "Slice" or len(op.inputs) != SLICED or not _are_maps(op.inputs[:1], trace):
        return []
    if not all(map(_is_stored, op.inputs[1:])):
        return []
    shape, strides = trace.shapes[op.inputs[0].name], {2: 1, 3: 1}
    for start, end, axis, step in zip(*map(_values, op.inputs[1:]), strict=True):
        place = int(axis) % len(shape)
        if place not in strides or start or end < shape[place] or step < 1:
            return []
        strides[place] = int(step)
    return list(strides.values()) if max(strides.values()) > 1 else []


def _pool(op: gs.Node, strides: list[int]) -> gs.Node:
    """Return a pool over single places in the place of a slice."""
    data, result = op.inputs[0], op.outputs[0]
    op.outputs.clear()
    return gs.Node("AveragePool", op.name, {"kernel_shape": [1, 1], "strides": strides}, [data], [result])


def _are_maps(tensors: Iterable[gs.Tensor], trace: Trace) -> bool:
    """Whether tensors are maps of one shape, in two dimensions of space, that fit into blocks."""
    names = {tensor.name for tensor in tensors}
    shapes = {trace.shapes.get(name, ()) for name in names}
    places = {trace.rows[name].axis if name in trace.rows else None for name in names}
    types = {trace.types.get(name) for name in names}
    (shape,) = shapes if len(shapes) == 1 else ((),)
    return types == {np.dtype(np.float32)} and places == {0} and len(shape) == 4 and shape[1] % BLOCK == 0  # noqa: PLR2004  # samples, channels, space


def _gives_blocks(op: gs.Node, blocked: set[str]) -> bool:
    """Whether the result of an op is in blocks, if it is a map."""
    kind = _kind(op)
    if kind == "Conv":
        return _is_stored(op.inputs[1])
    return kind in POOLS or (kind in HAND_ON and op.inputs[0].name in blocked)


def _is_stored(tensor: gs.Tensor) -> bool:
    """Whether a tensor is stored; its values are not read, which would copy weights."""
    makers = [op for op in tensor.inputs if op.op == "Constant" and "value" in op.attrs]
    return isinstance(tensor, gs.Constant) or bool(makers)


def _values(tensor: gs.Tensor) -> NDArray[np.generic]:
    """Return the values of a small stored tensor."""
    held = tensor if isinstance(tensor, gs.Constant) else tensor.inputs[0].attrs["value"]
    return np.asarray(held.values)
