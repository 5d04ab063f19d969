"""Multiplicative mask initializers on the weights of layers.

A mask has one factor per edge: its shape is the weight's, with 1 along every axis that is neither the parents' nor
the children's, so that it broadcasts over a kernel. It stands directly before the op that uses the weight; a weight
with two users has a mask per user.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR, fresh, names_in, splice


@dataclass(frozen=True, slots=True, eq=False)
class MaskedModel:
    """A model with masks.

    Attributes:
        proto: the rewritten model; all else of the original is as it was.
        names: name of the mask initializer of each layer, by the layer's name.
    """

    proto: onnx.ModelProto
    names: Mapping[str, str]


def mask_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of a layer's mask."""
    kept = {_axis(layer, layer.weight_parent_axis)}
    if layer.weight_child_axis is not None:
        kept.add(_axis(layer, layer.weight_child_axis))
    return tuple(size if axis in kept else 1 for axis, size in enumerate(layer.weight_shape))


def path_mask(
    layer: Layer, parents: NDArray[np.int64], children: NDArray[np.int64], factor: float
) -> NDArray[np.float64]:
    """Return a mask that is `factor` on the edges between the parents and the children, 1 elsewhere.

    Args:
        layer: the layer.
        parents: indices of parent features.
        children: indices of children; those of other groups have no edge to a parent.
        factor: what the weights of those edges are multiplied by.
    """
    mask = np.ones(mask_shape(layer))
    per_group = layer.parents // layer.groups, layer.children // layer.groups
    for group in np.unique(parents // per_group[0]):
        own = parents[parents // per_group[0] == group]
        reached = children[children // per_group[1] == group]
        if layer.op_type == "ConvTranspose":
            rows, columns = own, reached % per_group[1]
        else:
            rows, columns = own % per_group[0], reached
        _edges(layer, mask)[np.ix_(rows, columns)] = factor
    return mask


def insert_masks(
    proto: onnx.ModelProto,
    layers: Iterable[Layer],
    *,
    values: Mapping[str, NDArray[np.floating]] | None = None,
    overridable: bool = False,
) -> MaskedModel:
    """Return the model with one mask per layer, all ones unless given.

    Everything else of the file survives: names, order of ops, metadata, doc strings, stored tensors.

    Args:
        proto: the original; not changed.
        layers: layers of `proto`.
        values: masks by layer name, of the shape `mask_shape`.
        overridable: make every mask an input too, which may be fed. Constant masks fold away in ONNX Runtime.

    Raises:
        ModelError: overridable masks for a file of an IR version below 4, which has none.
    """
    if overridable and proto.ir_version < OLDEST_OVERRIDABLE_IR:
        raise ModelError(
            "the file's format has no overridable initializers",
            where=f"IR version {proto.ir_version}",
            why=f"they exist from IR version {OLDEST_OVERRIDABLE_IR} on",
            remedy="use constant masks, or convert the file to a newer IR version",
        )
    masked = onnx.ModelProto()
    masked.CopyFrom(proto)
    graph = masked.graph
    taken = names_in(graph)
    names, before = {}, {}
    for layer in layers:
        op = graph.node[layer.op]
        name = fresh(f"{layer.name}.mask", taken)
        product = fresh(f"{layer.name}.masked_weight", taken)
        mask = (values or {}).get(layer.name, np.ones(mask_shape(layer)))
        tensor = _tensor(mask, layer.weight_type, name)
        graph.initializer.append(tensor)
        if overridable or proto.ir_version < OLDEST_OVERRIDABLE_IR:  # IR 3 lists every initializer as an input
            graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
        before[layer.op] = helper.make_node(
            "Mul", [op.input[layer.weight_input], name], [product], name=fresh(f"{layer.name}.apply_mask", taken)
        )
        op.input[layer.weight_input] = product
        names[layer.name] = name
    splice(graph, before=before)
    return MaskedModel(masked, names)


def _axis(layer: Layer, axis: int) -> int:
    return axis % len(layer.weight_shape)


def _edges(layer: Layer, mask: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a view of the mask as `[weight's parents, weight's children]`."""
    parent = _axis(layer, layer.weight_parent_axis)
    if layer.weight_child_axis is None:
        return mask[:, None]
    child = _axis(layer, layer.weight_child_axis)
    moved: NDArray[np.float64] = np.moveaxis(mask, (parent, child), (-2, -1))
    while moved.ndim > 2:  # noqa: PLR2004
        moved = moved[0]
    return moved


def _tensor(mask: NDArray[np.floating], element_type: int, name: str) -> onnx.TensorProto:
    dtype = helper.tensor_dtype_to_np_dtype(element_type)
    return numpy_helper.from_array(mask.astype(dtype), name)
