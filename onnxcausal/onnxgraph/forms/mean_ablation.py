"""What takes the place of masked paths in a model's own file."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.masking.mean_ablation import ON_THE_LEFT, child_shifts
from onnxcausal.onnxgraph.original.fused_layers import BYTES, centred_weight
from onnxcausal.onnxgraph.original.layers import FileLayer


def shifts_in_file(
    model: Model, layers: Mapping[str, FileLayer], masks: Mapping[str, Floats], means: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return what is added to the output of each layer that has means; layers that get nothing are absent.

    To a sum of whole numbers a whole number is added.

    Args:
        model: the model.
        layers: its layers, by any names.
        masks: mask of each of them.
        means: means of the parents of some of them, `[parents]`, as the analysis sees them.

    Raises:
        ModelError: what is added to a layer is not known exactly, or is more than its numbers hold.
    """
    index = index_graph(model.proto, model.opset)
    found = {}
    for name, held in layers.items():
        if name in means:
            layer = _with_known_axis(model, held.layer, name)
            op, unit = index.ops[layer.op], 1.0
            if layer.weight_type in BYTES:
                op = onnx.NodeProto()  # what follows scales the sum and its bias alike
            else:
                unit = _step(index, held, name, model.name)
            shifts = child_shifts(layer, op, centred_weight(index, layer), masks[name], means[name] * unit)
            if layer.weight_type in BYTES:
                shifts = np.rint(shifts)
            _check_held(model, layer, name, shifts)
            if shifts.any():
                found[name] = shifts
    return found


def _check_held(model: Model, layer: Layer, name: str, shifts: Floats) -> None:
    """Refuse numbers that become infinite in the file."""
    kind = np.dtype(np.float32 if layer.weight_type in BYTES else helper.tensor_dtype_to_np_dtype(layer.weight_type))
    with np.errstate(over="ignore"):
        is_held = np.isfinite(shifts.astype(kind).astype(np.float64)).all()
    if not is_held:
        raise ModelError(
            "what takes the place of the layer's paths is too large",
            where=f"{model.name}, layer {name}",
            why=f"up to {np.abs(shifts).max():.3g} would be added to its output, of type {kind.name}",
            remedy="check the layer's means: they are no means of what its parents take",
        )


def _step(index: GraphIndex, held: FileLayer, name: str, model: str) -> float:
    """Return what one unit of the analysed parents is in the file: a quantised layer is analysed in whole numbers."""
    if held.layer.data == held.analysed.data:
        return 1.0
    op = index.producing(held.layer.data)
    scale = None if op is None or op.op_type != "DequantizeLinear" else value_of(index, op.input[1])
    if scale is None or scale.size != 1:
        raise _not_known(model, name, f"its data {held.layer.data} is not what the analysis computes it from")
    return float(scale.astype(np.float64).item())


def _with_known_axis(model: Model, layer: Layer, name: str) -> Layer:
    """Return the layer with the axis of its children, which a product with a vector does not have at the usual place.

    Raises:
        ModelError: it is not known whether the layer's data is a vector.
    """
    if layer.op_type != "MatMul" or layer.child_axis != ON_THE_LEFT:
        return layer
    rank = _rank(model.proto, layer.data)
    if rank is None:
        raise _not_known(model.name, name, f"the file does not tell how many axes its data {layer.data} has")
    return replace(layer, child_axis=-1) if rank == 1 else layer


def _rank(proto: onnx.ModelProto, tensor: str) -> int | None:
    """Return the number of axes of a tensor as the file tells it, or as it follows from the file."""
    try:
        graph = onnx.shape_inference.infer_shapes(proto).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        graph = proto.graph  # it contradicts itself, or is too large
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if value.name == tensor and value.type.tensor_type.HasField("shape"):
            return len(value.type.tensor_type.shape.dim)
    return None


def _not_known(model: str, name: str, why: str) -> ModelError:
    return ModelError(
        "what takes the place of the layer's paths is not known",
        where=f"{model}, layer {name}",
        why=why,
        remedy="leave the layer's means out: the paths are removed then, with nothing in their place",
    )
