"""What takes the place of masked paths, added to the biases of a file: the graph stays as it is.

A bias that only its layer uses is changed where it is stored. One that something else uses too, or of another shape
(a Gemm broadcasts its bias), is left alone, and the layer gets one of its own, as does a layer without. A MatMul has no
bias: the file gets an Add after it, the only op that folding ever adds. The bias of a quantised layer is whole numbers,
and so is what is added: rounded to a step of the sum, which is the step of the data times that of the weight.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.original.edit import FileChange
from onnxcausal.onnxgraph.original.fused_layers import BYTES, bias_input

LARGEST = 2**31 - 1
"""Of the whole numbers that a quantised bias is."""


def fold_shifts(file: FileChange, layers: Mapping[str, Layer], shifts: Mapping[str, Floats]) -> None:
    """Add to the biases of layers, in place.

    Args:
        file: the file.
        layers: its layers that have biases, by any names.
        shifts: what is added to the output of each of them (`child_shifts`).

    Raises:
        ModelError: the bias of a layer cannot be changed exactly.
    """
    for name, layer in layers.items():
        _fold(file, name, layer, shifts[name].ravel() if layer.op_type != "Gemm" else shifts[name])


def has_bias(layer: Layer) -> bool:
    """Whether a layer's op takes a bias."""
    return layer.op_type != "MatMul"


def _fold(file: FileChange, name: str, layer: Layer, shift: Floats) -> None:
    """Add to the bias of one layer."""
    op = file.index.ops[layer.op]
    position = bias_input(op, layer)
    assert position is not None
    shift = shift / _factor(file, name, layer)
    tensor = op.input[position] if len(op.input) > position else ""
    if tensor and tensor not in file.index.leaves:
        raise _not_foldable(file, name, f"its bias {tensor} is computed while the model runs")
    if _dequantised(file, tensor) is not None:
        _fold_quantised(file, name, tensor, shift)
        return
    if not tensor and _dequantised(file, op.input[layer.weight_input]) is not None:
        raise _not_foldable(file, name, "it is quantised, and has no bias: one in float would take it apart")
    whole = layer.weight_type in BYTES
    dtype = np.dtype(np.int32) if whole else np.dtype(helper.tensor_dtype_to_np_dtype(layer.weight_type))
    bias = file.value(tensor) if tensor else np.zeros((), dtype)
    changed = bias.astype(np.float64) + shift
    if whole:
        _check_whole(file, name, changed)
    else:
        _check_finite(file, name, bias, changed)
    stored = file.stored(tensor) if tensor and not file.way(tensor) else None
    if stored is not None and file.has_one_use(tensor) and changed.shape == bias.shape:
        file.store(stored, changed.astype(dtype))
    elif tensor in file.fed:
        raise _not_foldable(file, name, f"its bias {tensor} is an input with a default, and not of it alone")
    else:
        file.give(layer.op, position, f"{name}.folded_bias", np.asarray(changed).astype(dtype))


def _factor(file: FileChange, name: str, layer: Layer) -> float:
    """Return what the op of a layer multiplies its bias by."""
    if layer.op_type != "Gemm":
        return 1.0
    factor = next((entry.f for entry in file.index.ops[layer.op].attribute if entry.name == "beta"), 1.0)
    if factor == 0:
        raise _not_foldable(file, name, "its op multiplies its bias by 0")
    return float(factor)


def _dequantised(file: FileChange, tensor: str) -> onnx.NodeProto | None:
    """Return the DequantizeLinear that a tensor comes through."""
    way = file.way(tensor) if tensor in file.index.leaves else []
    return next((op for op in way if op.op_type == "DequantizeLinear"), None)


def _fold_quantised(file: FileChange, name: str, tensor: str, shift: Floats) -> None:
    """Add to a bias of whole numbers behind DequantizeLinear, which the layer alone uses."""
    op = _dequantised(file, tensor)
    assert op is not None
    stored = file.stored(file.index.leaves[tensor])
    alone = file.has_one_use(tensor) and file.has_one_use(op.input[0])
    is_plain = len(file.way(tensor)) == 1 and stored is not None and stored.data_type == TensorProto.INT32
    if stored is None or not is_plain or not alone or len(stored.dims) != 1 or op.input[0] in file.fed:
        raise _not_foldable(file, name, f"its bias comes through op {op.name or tensor}, and not for it alone")
    scale = file.value(op.input[1]).astype(np.float64)
    changed = file.value(op.input[0]).astype(np.float64) + np.rint(shift / scale)
    _check_whole(file, name, changed)
    if changed.shape != tuple(stored.dims):
        raise _not_foldable(file, name, f"its bias, through op {op.name or tensor}, does not stand along its children")
    file.store(stored, changed.astype(np.int32))


def _check_finite(file: FileChange, name: str, bias: NDArray[np.generic], changed: Floats) -> None:
    """Refuse a bias that becomes infinite."""
    with np.errstate(over="ignore"):
        held = changed.astype(bias.dtype).astype(np.float64)
    if (np.isfinite(bias.astype(np.float64)) & ~np.isfinite(held)).any():
        raise _not_foldable(file, name, f"its bias, of type {bias.dtype.name}, would overflow")


def _check_whole(file: FileChange, name: str, bias: Floats) -> None:
    """Refuse a bias that the whole numbers of its type cannot hold."""
    if np.abs(bias).max(initial=0) > LARGEST:
        raise _not_foldable(file, name, "its bias, in whole numbers of 32 bits, would overflow")


def _not_foldable(file: FileChange, name: str, why: str) -> ModelError:
    return ModelError(
        "the mean cannot be added to the bias",
        where=f"{file.name}, layer {name}",
        why=why,
        remedy="use --form masked, which adds it after the layer, or leave the layer's means out",
    )
