"""Layers in fused and quantised ops, as they stand in a file: what `lowering` shows in standard ops."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import FLOAT_TYPES, Layer, find_layers
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute
from onnxcausal.onnxgraph.lowering.lower import CONTRIB

BYTES = frozenset([TensorProto.INT8, TensorProto.UINT8])
"""Quantised weights of these types can be changed where they are stored."""
SHOWN = ("group", "transA", "transB", "alpha", "beta")
"""Attributes that decide what a layer's parents and children are, or multiply its product or bias."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """How an op holds a layer.

    Attributes:
        op_type: what the layer is, in standard ops.
        operands: at which of the op's inputs the two operands of its product stand.
        zeros: at which of them the operands' zero points stand, where it works on whole numbers.
        bias: at which of them its bias stands, in the unit of its sum; None where it has none.
        ends: whether something else follows within the op, so that nothing can be added to the layer's output.
    """

    op_type: str
    operands: tuple[int, int]
    zeros: tuple[int, int] | None = None
    bias: int | None = None
    ends: bool = False


HIDING: Mapping[tuple[str, str], Hiding] = {
    (CONTRIB, "FusedConv"): Hiding("Conv", (0, 1), bias=2, ends=True),
    (CONTRIB, "FusedGemm"): Hiding("Gemm", (0, 1), bias=2, ends=True),
    (CONTRIB, "FusedMatMul"): Hiding("MatMul", (0, 1)),
    (CONTRIB, "TransposeMatMul"): Hiding("MatMul", (0, 1)),
    ("", "QLinearConv"): Hiding("Conv", (0, 3), (2, 5), bias=8),
    ("", "QLinearMatMul"): Hiding("MatMul", (0, 3), (2, 5)),
    (CONTRIB, "QGemm"): Hiding("Gemm", (0, 3), (2, 5), bias=6),
    ("", "ConvInteger"): Hiding("Conv", (0, 1), (2, 3)),
    ("", "MatMulInteger"): Hiding("MatMul", (0, 1), (2, 3)),
    (CONTRIB, "DynamicQuantizeMatMul"): Hiding("MatMul", (0, 1), (-1, 3)),
    (CONTRIB, "MatMulIntegerToFloat"): Hiding("MatMul", (0, 1), (4, 5)),
}
"""By domain and type; the weight of `DynamicQuantizeMatMul` stands on the right, its data has no zero point yet."""
PLAIN_BIAS = 2
"""At which of its inputs a Conv, ConvTranspose or Gemm takes its bias."""


def hiding(op: onnx.NodeProto) -> Hiding | None:
    """Return how an op holds a layer; None for one that does not, or is a layer itself."""
    return HIDING.get(("" if op.domain == "ai.onnx" else op.domain, op.op_type))


def bias_input(op: onnx.NodeProto, layer: Layer) -> int | None:
    """Return at which input of its op a layer's bias stands, or would; None where there can be none."""
    held = hiding(op)
    if held is not None:
        return held.bias
    return None if layer.op_type == "MatMul" else PLAIN_BIAS


def centred_weight(index: GraphIndex, layer: Layer) -> NDArray[np.generic]:
    """Return the weight of a layer where its op uses it; of one on whole numbers, less its zero point.

    Raises:
        ModelError: ONNX Runtime cannot run what it follows from.
    """
    op = index.ops[layer.op]
    weight = value_of(index, op.input[layer.weight_input])
    assert weight is not None
    if layer.weight_type not in BYTES:
        return weight
    zero = zero_values(index, layer)
    return weight.astype(np.int64) - (0 if zero is None else zero.astype(np.int64))


def zero_values(index: GraphIndex, layer: Layer) -> NDArray[np.generic] | None:
    """Return the zero point of a quantised weight, in a shape that broadcasts to it; None where it is not stored."""
    op = index.ops[layer.op]
    place = zero_point(op, layer)
    if not place:
        return np.zeros((), np.int8)
    zero = value_of(index, place)
    if zero is None or zero.ndim != 1 or zero.size == 1 or layer.weight_child_axis is None:
        return zero if zero is None or zero.size > 1 else zero.reshape(())
    rank = len(layer.weight_shape)
    child = layer.weight_child_axis % rank  # one for each child
    return zero.reshape([-1 if number == child else 1 for number in range(rank)])


def every_layer(index: GraphIndex) -> tuple[Layer, ...]:
    """Return the layers of a file, those in fused and quantised ops too; their `op_type` is that of the layer."""
    ops = tuple(_shown(op) for op in index.ops)
    found = find_layers(replace(index, ops=ops), types=FLOAT_TYPES | BYTES)
    return tuple(_as_it_stands(index.ops[layer.op], layer) for layer in found if _is_of(index.ops[layer.op], layer))


def zero_point(op: onnx.NodeProto, layer: Layer) -> str:
    """Return the zero point of a layer's quantised weight; empty where it is 0."""
    held = hiding(op)
    assert held is not None
    assert held.zeros is not None
    position = held.zeros[held.operands.index(layer.weight_input)]
    return op.input[position] if 0 <= position < len(op.input) else ""


def _shown(op: onnx.NodeProto) -> onnx.NodeProto:
    """Return the standard op that an op holds, as far as its operands and output go; else the op itself."""
    held = hiding(op)
    if held is None or len(op.input) <= max(held.operands):
        return op
    inputs = [op.input[position] for position in held.operands]
    shown = onnx.NodeProto(op_type=held.op_type, name=op.name, input=inputs, output=op.output)
    shown.attribute.extend(entry for entry in op.attribute if entry.name in SHOWN)
    return shown


def _is_of(op: onnx.NodeProto, layer: Layer) -> bool:
    """Whether the weight is what its op works on: a float one that is quantised in the run has ranges of its own."""
    held = hiding(op)
    is_whole = held is not None and held.zeros is not None
    return is_whole == (layer.weight_type in BYTES)


def _as_it_stands(op: onnx.NodeProto, layer: Layer) -> Layer:
    """Return a layer of the standard op as one of the op that holds it."""
    held = hiding(op)
    if held is None:
        return layer
    if layer.op_type == "MatMul":
        layer = _turned(op, layer)
    return replace(layer, weight_input=held.operands[layer.weight_input])


def _turned(op: onnx.NodeProto, layer: Layer) -> Layer:
    """Return a product's layer with its operands transposed in their last two axes where the op does so."""
    turns = attribute(op, "transA", 0), attribute(op, "transB", 0)
    if turns[1 - layer.weight_input]:
        layer = replace(layer, parent_axis=-3 - layer.parent_axis)
    if not turns[layer.weight_input] or layer.weight_child_axis is None:
        return layer
    return replace(
        layer,
        parents=layer.children,
        children=layer.parents,
        weight_parent_axis=layer.weight_child_axis,
        weight_child_axis=layer.weight_parent_axis,
    )
