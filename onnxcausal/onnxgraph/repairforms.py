"""Masks in a model's own file, in three forms; all else of the file stays as it is, byte for byte."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.analysis.masks import MaskRecord, MasksFile
from onnxcausal.analysis.repair import KEY, Form, RepairRecord, to_text
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.filelayers import layers_in_file
from onnxcausal.onnxgraph.folding import fold_masks
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.masks import insert_masks, mask_shape, path_mask
from onnxcausal.onnxgraph.model import damage_told
from onnxcausal.onnxgraph.original import Original


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A repaired file.

    Attributes:
        proto: its message.
        record: what it says of how it was made.
        masks: the mask of each layer, by the layer's name.
        data: content of new files of weights beside it, by name.
    """

    proto: onnx.ModelProto
    record: RepairRecord
    masks: Mapping[str, NDArray[np.float64]]
    data: Mapping[str, bytes] = field(default_factory=dict)


def repair(original: Original, masks: MasksFile, form: Form, version: str) -> Repaired:
    """Return a model file with masks.

    Args:
        original: the model file.
        masks: masks of it.
        form: how they stand in the file.
        version: version of this program.

    Raises:
        ConfigError: there is no such layer or node, or the file is repaired already.
        ModelError: a layer does not stand in the file, or its weight cannot take that form.
    """
    model = original.model
    if KEY in model.metadata:
        raise ConfigError(
            "the model is repaired already",
            where=f"{original.path}, metadata {KEY}",
            why="masks on top of masks could not be taken out or verified",
            remedy="put the entries of both files of masks together, and apply them to the original",
        )
    reading = masks.reading
    names = sorted({entry.layer for entry in masks.masks})
    found = layers_in_file(model, names, output=reading.output, task=reading.task)
    layers = dict(sorted(found.items(), key=lambda held: held[1].op))
    with damage_told(model.name):
        values = mask_values(layers, masks.masks)
        if form is Form.FOLDED:
            folded = fold_masks(original, layers, values)
            proto, data, inserted = folded.proto, folded.data, dict[str, str]()
        else:
            own = {layer.name: name for name, layer in layers.items()}
            masked = insert_masks(
                original.proto,
                layers.values(),
                values={layer.name: values[name] for name, layer in layers.items()},
                overridable=form is Form.SWITCHABLE,
            )
            proto, data, inserted = masked.proto, {}, {own[name]: mask for name, mask in masked.names.items()}
    record = RepairRecord(onnxcausal=version, form=form, original=original.record(), inserted=inserted, masks=masks)
    proto.metadata_props.add(key=KEY, value=to_text(record))
    return Repaired(proto, record, values, data)


def mask_values(layers: Mapping[str, Layer], entries: Iterable[MaskRecord]) -> dict[str, NDArray[np.float64]]:
    """Return the mask of each layer, of the shape `mask_shape`: the smallest factor of all entries for each edge.

    Raises:
        ConfigError: a layer has no such parent or child.
    """
    found = {name: np.ones(mask_shape(layer)) for name, layer in layers.items()}
    for entry in entries:
        layer = layers[entry.layer]
        _check_range(entry.layer, "parent", entry.parents, layer.parents)
        _check_range(entry.layer, "child", entry.children or [], layer.children)
        children = np.arange(layer.children) if entry.children is None else np.array(entry.children, np.int64)
        mask = path_mask(layer, np.array(entry.parents, np.int64), children, entry.beta)
        found[entry.layer] = np.minimum(found[entry.layer], mask)
    return found


def without_masks(original: Original, record: RepairRecord) -> onnx.ModelProto:
    """Return the message of the file that a masked or switchable file was made from.

    Args:
        original: the repaired file.
        record: what it says of how it was made.

    Raises:
        ModelError: the masks cannot be taken out of it.
    """
    if record.form is Form.FOLDED:
        raise ModelError(
            "the masks cannot be taken out of a folded file",
            where=str(original.path),
            why="its weights were multiplied: where the factor is 0 they are gone",
            remedy=f"take the original, {record.masks.model.file} with the hash {record.masks.model.sha256}",
        )
    proto = onnx.ModelProto()
    proto.CopyFrom(original.proto)
    graph = proto.graph
    names = set(record.inserted.values())
    products = {}
    for op in graph.node:
        if op.op_type == "Mul" and len(op.input) == 2 and op.input[1] in names:  # noqa: PLR2004
            products[op.output[0]] = op.input[0]
    if len(products) != len(names):
        raise altered(original, "its masks are not where they were put")
    for op in graph.node:
        for position, tensor in enumerate(op.input):
            if tensor in products:
                op.input[position] = products[tensor]
    _drop(graph.node, lambda op: bool(op.output) and op.output[0] in products)
    _drop(graph.initializer, lambda tensor: tensor.name in names)
    _drop(graph.input, lambda value: value.name in names)
    _drop(proto.metadata_props, lambda entry: entry.key == KEY)
    return proto


def altered(original: Original, why: str) -> ModelError:
    """Return the error for a repaired file that was changed afterwards."""
    return ModelError(
        "the file was changed since the masks were put in",
        where=str(original.path),
        why=why,
        remedy="take the original file; its hash stands in the metadata of the repaired one",
    )


def _check_range(layer: str, what: str, indices: list[int], number: int) -> None:
    outside = [index for index in indices if index >= number]
    if outside:
        raise ConfigError(
            f"the layer has no {what} {outside[0]}",
            where=f"masks, layer {layer}",
            why=f"it has {number}, counted from 0",
            remedy="check that the masks are of this model; nodes of analysis.json are counted alike",
        )


def _drop(field, is_gone) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # a protobuf container of any type
    """Remove entries of a repeated field in place."""
    for position in reversed(range(len(field))):
        if is_gone(field[position]):
            del field[position]
