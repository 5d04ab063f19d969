"""Masks multiplied into the weights of a file: the graph stays as it is.

A weight that only its layer uses is changed where it is stored, also through ops that merely move values around. One
that something else uses too is left alone, and the layer gets a copy of its own. A quantised weight, of a layer on
whole numbers or behind DequantizeLinear, can lose paths, by its zero point, but take no other factor without being
rounded, which is refused; so is what ops in between compute. A weight that is an input with a default gets another
default: what is fed there is used as it is, as before.
"""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import attribute
from onnxcausal.onnxgraph.original.edit import FileChange
from onnxcausal.onnxgraph.original.fused_layers import BYTES, zero_values
from onnxcausal.onnxgraph.runner import run_op

MOVING = frozenset(["Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"])
"""Ops whose outputs are the values of their first input, in another order or shape."""
ROUNDED = "a factor between 0 and 1 would be rounded"

WHOLE = "remove the paths (beta 0), or repair the model before quantisation"
"""What can be done for layers on whole numbers, which no other form takes."""

Mask = NDArray[np.float64]
Kind = TypeVar("Kind", bound=np.generic)


def fold_masks(file: FileChange, layers: Mapping[str, Layer], masks: Mapping[str, Mask]) -> None:
    """Multiply the weights of a file by masks, in place.

    Args:
        file: the file.
        layers: its layers, by any names.
        masks: mask of each of them, of the shape `mask_shape`.

    Raises:
        ModelError: the weight of a layer cannot be changed exactly.
    """
    for name, layer in layers.items():
        _fold(file, name, layer, np.broadcast_to(masks[name], layer.weight_shape))


def _fold(file: FileChange, name: str, layer: Layer, mask: Mask) -> None:
    """Multiply the weight of one layer."""
    tensor = file.index.ops[layer.op].input[layer.weight_input]
    way = file.way(tensor)
    strange = [op for op in way if op.op_type not in MOVING and op.op_type != "DequantizeLinear"]
    if strange:
        raise _not_foldable(file, name, f"its weight is made by {_told(strange[-1])}")
    stored = file.stored(layer.weight)
    used = (layer.weight, *(op.output[0] for op in way))
    alone = stored if all(file.has_one_use(tensor) for tensor in used) else None
    if any(op.op_type == "DequantizeLinear" for op in way):
        _fold_quantised(file, name, layer, mask, alone)
        return
    if alone is None and layer.weight in file.fed:
        why = f"its weight {layer.weight} is an input with a default, and something else uses it too"
        raise _not_foldable(file, name, why)
    weight = file.value(tensor)
    changed = _without_paths(file, name, layer, mask) if layer.weight_type in BYTES else _times(weight, mask)
    if alone is None:
        file.give(layer.op, layer.weight_input, f"{name}.folded_weight", changed)
    else:
        file.store(alone, _moved_back(file, way, changed, file.value(layer.weight).shape))


def _times(weight: NDArray[np.generic], mask: Mask) -> NDArray[np.generic]:
    return np.asarray(weight * mask.astype(weight.dtype))


def _without_paths(file: FileChange, name: str, layer: Layer, mask: Mask) -> NDArray[np.generic]:
    """Return the weight of a layer on whole numbers, at its zero point where the factor is 0."""
    op = file.index.ops[layer.op]
    if not np.isin(mask, (0.0, 1.0)).all():
        raise _not_foldable(file, name, f"its weight is whole numbers of {_told(op)}, and {ROUNDED}", remedy=WHOLE)
    weight, zero = file.value(op.input[layer.weight_input]), zero_values(file.index, layer)
    if zero is None:
        raise _not_foldable(file, name, f"the zero point of its weight is not stored in {_told(op)}", remedy=WHOLE)
    return np.where(mask == 0, zero, weight).astype(weight.dtype)


def _fold_quantised(file: FileChange, name: str, layer: Layer, mask: Mask, stored: TensorProto | None) -> None:
    """Set quantised weights, which the layer alone uses, to their zero point where the factor is 0."""
    first, *moving = file.way(file.index.ops[layer.op].input[layer.weight_input])
    reasons = (
        (stored is None, "something else uses it too"),
        (not np.isin(mask, (0.0, 1.0)).all(), ROUNDED),
        (
            first.op_type != "DequantizeLinear" or any(op.op_type not in MOVING for op in moving),
            "it is moved before that",
        ),
        (stored is not None and stored.data_type not in BYTES, "its whole numbers are not of 8 bits"),
        (attribute(first, "block_size", 0) != 0, "it is quantised in blocks"),
    )
    for applies, reason in reasons:
        if applies:
            raise _not_foldable(file, name, f"its weight comes through {_told(first)}, and {reason}")
    assert stored is not None
    weight = file.value(layer.weight)
    zero = np.zeros((), weight.dtype)
    if len(first.input) > 2 and first.input[2]:  # noqa: PLR2004  # data, scale, zero point
        zero = np.asarray(file.value(first.input[2]))
    if zero.ndim == 1:
        axis = attribute(first, "axis", 1) % weight.ndim if zero.size > 1 else 0
        zero = zero.reshape([-1 if number == axis else 1 for number in range(weight.ndim)])
    removed = _moved_back(file, moving, mask, weight.shape) == 0
    file.store(stored, np.where(removed, zero, weight).astype(weight.dtype))


def _told(op: onnx.NodeProto) -> str:
    return f"op {op.name or op.output[0]} ({op.op_type})"


def _moved_back(
    file: FileChange, way: list[onnx.NodeProto], values: NDArray[Kind], shape: tuple[int, ...]
) -> NDArray[Kind]:
    """Return values of a weight where it is used, as they stand in the stored weight."""
    origin: NDArray[np.generic] = np.arange(values.size).reshape(shape)
    for op in way:
        others = [file.value(name) if name else None for name in op.input[1:]]
        (origin,) = run_op(op, [origin, *others], file.index.opset)
    back = np.empty(values.size, values.dtype)
    back[origin.ravel()] = values.ravel()
    return back.reshape(shape)


def _not_foldable(file: FileChange, name: str, why: str, *, remedy: str = "") -> ModelError:
    return ModelError(
        "the mask cannot be multiplied into the weight",
        where=f"{file.name}, layer {name}",
        why=why,
        remedy=remedy or "use --form masked, which leaves the weight as it is",
    )
