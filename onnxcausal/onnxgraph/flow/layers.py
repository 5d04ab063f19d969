"""Which ops are layers: their weights, parents, children and groups (docs/method.md, "Layers, nodes and paths")."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.edits import fresh
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute

BIAS_INPUT = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}
"""Input at which an op takes its bias."""

OPERANDS = 2
"""Operands of a product; also the fewest axes of a convolution's weight, and those of a Gemm's."""
FLOAT_TYPES = frozenset([TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
"""Weights of these types can be multiplied by any factor."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A weighted op.

    Attributes:
        name: the op's name; where that is empty or doubled, with the output's name.
        op_type: Conv, ConvTranspose, Gemm or MatMul.
        op: position of the op in the graph.
        data: tensor that holds the parents.
        output: tensor that holds the children.
        weight_input: at which of the op's inputs the weight stands.
        weight: the stored tensor behind the weight.
        weight_shape: shape of the weight where the op uses it.
        weight_type: its ONNX element type there.
        parents: number of parent features (channels of a Conv, features of a Gemm or MatMul).
        children: number of children.
        groups: parents and children fall into this many groups; a parent reaches its own group only.
        parent_axis: axis of `data` along which the parents stand.
        child_axis: axis of `output` along which the children stand; None where there is one child without an axis.
        weight_parent_axis: axis of the weight along which the parents of one group, or all, stand.
        weight_child_axis: the same for the children; None where there is one child without an axis.
    """

    name: str
    op_type: str
    op: int
    data: str
    output: str
    weight_input: int
    weight: str
    weight_shape: tuple[int, ...]
    weight_type: int
    parents: int
    children: int
    groups: int
    parent_axis: int
    child_axis: int | None
    weight_parent_axis: int
    weight_child_axis: int | None

    def group_of_parents(self) -> NDArray[np.int64]:
        """Return the group of each parent, `[parents]`."""
        return np.arange(self.parents) // (self.parents // self.groups)

    def group_of_children(self) -> NDArray[np.int64]:
        """Return the group of each child, `[children]`."""
        return np.arange(self.children) // (self.children // self.groups)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Shape and ONNX element type of a fixed tensor where it is used."""

    shape: tuple[int, ...]
    element_type: int


NOTHING = _Fixed((), TensorProto.UNDEFINED)


def find_layers(
    index: GraphIndex,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    *,
    types: frozenset[int] = FLOAT_TYPES,
) -> tuple[Layer, ...]:
    """Return the layers of a graph in file order, names unique.

    Args:
        index: the graph.
        shapes: shapes of tensors, where known; they tell a vector from a matrix in `MatMul(weight, data)`.
        types: element types of weights.
    """
    taken: set[str] = set()
    found = (layer for layer in _found(index, shapes or {}) if layer.weight_type in types)
    return tuple(_with_unique_name(layer, taken) for layer in found)


def _found(index: GraphIndex, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Layer]:
    for number, op in enumerate(index.ops):
        if op.domain not in ("", "ai.onnx") or len(op.input) < OPERANDS or not op.output:
            continue
        if op.op_type in ("Conv", "ConvTranspose"):
            layer = _convolution(index, number)
        elif op.op_type == "Gemm":
            layer = _gemm(index, number)
        elif op.op_type == "MatMul":
            layer = _matmul(index, number, shapes)
        else:
            continue
        if layer is not None:
            yield layer


def _convolution(index: GraphIndex, number: int) -> Layer | None:
    """Conv weights are [children, parents / groups, ...]; ConvTranspose weights [parents, children / groups, ...]."""
    op = index.ops[number]
    weight = _fixed(index, op.input[1])
    if weight is None or op.input[0] in index.leaves:
        return None
    shape = weight.shape
    groups = attribute(op, "group", 1)
    if len(shape) < OPERANDS or groups < 1 or shape[0] % groups:
        return None  # ONNX Runtime does not run it
    transposed = op.op_type == "ConvTranspose"
    parents, children = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
    return _layer(
        index,
        number,
        weight_input=1,
        weight=weight,
        parents=parents,
        children=children,
        groups=groups,
        axes=(1, 1),
        weight_axes=(0, 1) if transposed else (1, 0),
    )


def _gemm(index: GraphIndex, number: int) -> Layer | None:
    """Y = alpha op(A) op(B) + beta C; either operand may be the weight."""
    op = index.ops[number]
    trans_a, trans_b = attribute(op, "transA", 0), attribute(op, "transB", 0)
    a, b = _fixed(index, op.input[0]), _fixed(index, op.input[1])
    if (a is None) == (b is None) or len((a or b or NOTHING).shape) != OPERANDS:
        return None
    if b is not None:
        weight_input, weight = 1, b
        axes, weight_axes = (0 if trans_a else 1, 1), (1, 0) if trans_b else (0, 1)
    else:
        assert a is not None
        weight_input, weight = 0, a
        axes, weight_axes = (1 if trans_b else 0, 0), (0, 1) if trans_a else (1, 0)
    return _layer(
        index,
        number,
        weight_input=weight_input,
        weight=weight,
        parents=weight.shape[weight_axes[0]],
        children=weight.shape[weight_axes[1]],
        axes=axes,
        weight_axes=weight_axes,
    )


def _matmul(index: GraphIndex, number: int, shapes: Mapping[str, tuple[int, ...]]) -> Layer | None:
    """Matrix product over the last two axes, with numpy's treatment of vectors."""
    op = index.ops[number]
    a, b = _fixed(index, op.input[0]), _fixed(index, op.input[1])
    if (a is None) == (b is None):
        return None
    weight_input = 0 if b is None else 1
    weight = a if b is None else b
    assert weight is not None
    shape = weight.shape
    if not shape:
        return None
    # As data @ W the parents are the last axis, as W @ data the last but one; a vector has no children axis.
    is_vector = len(shapes.get(op.input[1 - weight_input], ())) == 1
    data_axis = -1 if weight_input or is_vector else -2
    if len(shape) == 1:
        return _layer(
            index,
            number,
            weight_input=weight_input,
            weight=weight,
            parents=shape[0],
            children=1,
            axes=(data_axis, None),
            weight_axes=(0, None),
        )
    weight_axes = (-2, -1) if weight_input else (-1, -2)
    return _layer(
        index,
        number,
        weight_input=weight_input,
        weight=weight,
        parents=shape[weight_axes[0]],
        children=shape[weight_axes[1]],
        axes=(data_axis, data_axis),
        weight_axes=weight_axes,
    )


def _layer(
    index: GraphIndex,
    number: int,
    *,
    weight_input: int,
    weight: _Fixed,
    parents: int,
    children: int,
    axes: tuple[int, int | None],
    weight_axes: tuple[int, int | None],
    groups: int = 1,
) -> Layer:
    op = index.ops[number]
    return Layer(
        name=op.name,
        op_type=op.op_type,
        op=number,
        data=op.input[1 - weight_input],
        output=op.output[0],
        weight_input=weight_input,
        weight=index.leaves[op.input[weight_input]],
        weight_shape=weight.shape,
        weight_type=weight.element_type,
        parents=parents,
        children=children,
        groups=groups,
        parent_axis=axes[0],
        child_axis=axes[1],
        weight_parent_axis=weight_axes[0],
        weight_child_axis=weight_axes[1],
    )


def _fixed(index: GraphIndex, tensor: str) -> _Fixed | None:
    """Return the form of a fixed tensor, None where it is not fixed."""
    if tensor in index.initializers:
        stored = index.initializers[tensor]
        return _Fixed(tuple(stored.dims), stored.data_type)
    try:
        value = value_of(index, tensor)
    except ModelError:
        return None  # what it follows from cannot be run, nor can the model then
    if value is None or value.dtype.kind not in "iufb":
        return None
    return _Fixed(value.shape, helper.np_dtype_to_tensor_dtype(value.dtype))


def _with_unique_name(layer: Layer, taken: set[str]) -> Layer:
    wanted = layer.name or f"{layer.op_type}/{layer.output}"
    return replace(layer, name=fresh(f"{wanted}/{layer.output}" if wanted in taken else wanted, taken))
