"""Masks in a model's own file, in four forms; all else of the file stays as it is, byte for byte."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, means_by_layer
from onnxcausal.analysis.formats.repair_metadata import KEY, Form, RepairRecord, to_text
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import damage_told
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.forms.fold_biases import fold_shifts, has_bias
from onnxcausal.onnxgraph.forms.fold_weights import fold_masks
from onnxcausal.onnxgraph.forms.mean_ablation import shifts_in_file
from onnxcausal.onnxgraph.forms.support import check_form
from onnxcausal.onnxgraph.masking.masks import insert_masks, mask_shape, path_mask
from onnxcausal.onnxgraph.masking.output_shifts import insert_fixed_shifts
from onnxcausal.onnxgraph.original.edit import put_outside, start_change
from onnxcausal.onnxgraph.original.layers import every_layer_in_file, layers_in_file
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import Folded, Kept, Removed, prune_masks, stored_by_name

Arrays = Mapping[str, NDArray[np.float64]]
"""Masks, or what is added, by the layer's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A repaired file.

    Attributes:
        proto: its message.
        record: what it says of how it was made.
        masks: the mask of each layer, by the layer's name.
        shifts: what takes the place of masked paths, added to the output of layers, by the layer's name.
        layers: those layers as they stand in the original, by name.
        data: content of new files of weights beside it, by name.
        removed: what layers lost of their nodes, of a pruned file.
        kept: nodes that are masked in full and stay all the same, of a pruned file.
    """

    proto: onnx.ModelProto
    record: RepairRecord
    masks: Arrays
    shifts: Arrays = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    data: Mapping[str, bytes] = field(default_factory=dict)
    removed: tuple[Removed, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """A message with masks, names of what was inserted by the layer's name, new files of weights, and what was lost."""

    proto: onnx.ModelProto
    masks: dict[str, str]
    shifts: dict[str, str]
    data: Mapping[str, bytes]
    removed: tuple[Removed, ...] = ()
    kept: tuple[Kept, ...] = ()


def repair(original: Original, masks: MasksFile, form: Form, version: str) -> Repaired:
    """Return a model file with masks.

    Args:
        original: the model file.
        masks: masks of it.
        form: how they stand in the file.
        version: version of this program.

    Raises:
        ConfigError: there is no such layer or node, or the file is repaired already.
        ModelError: a layer does not stand in the file, or its weight or bias cannot take that form.
    """
    model = original.model
    if KEY in model.metadata:
        raise ConfigError(
            "the model is repaired already",
            where=f"{original.path}, metadata {KEY}",
            why="masks on top of masks could not be taken out or verified",
            remedy="put the entries of both files of masks together, and apply them to the original",
        )
    reading: dict[str, Any] = {"output": masks.reading.output, "task": masks.reading.task}
    names = sorted({entry.layer for entry in masks.masks})
    named = sorted({entry.layer for entry in masks.means})
    found = layers_in_file(model, names, named=named, **reading)
    in_file = dict(sorted(found.items(), key=lambda held: held[1].layer.op))
    layers = {name: held.layer for name, held in in_file.items()}
    with damage_told(model.name):
        values = mask_values(layers, masks.masks)
        means = mean_values(layers, masks)
        check_form(model, layers, means, form)
        shifts = shifts_in_file(model, in_file, values, means)
        if form is Form.PRUNED:
            every = every_layer_in_file(model, **reading) | layers
            written = _pruned(original, layers, every, values, shifts)
        else:
            write = _folded if form is Form.FOLDED else _masked
            written = write(original, layers, values, shifts, form)
    record = RepairRecord(
        onnxcausal=version,
        form=form,
        original=original.record(),
        inserted=written.masks,
        shifts=written.shifts,
        masks=masks,
    )
    written.proto.metadata_props.add(key=KEY, value=to_text(record))
    return Repaired(written.proto, record, values, shifts, layers, written.data, written.removed, written.kept)


def stamped(repaired: Repaired, masks: MasksFile) -> Repaired:
    """Return a repaired file that says something else of where its masks come from.

    Args:
        repaired: the file.
        masks: its masks, with another provenance.
    """
    record = repaired.record.model_copy(update={"masks": masks})
    proto = onnx.ModelProto()
    proto.CopyFrom(repaired.proto)
    for entry in proto.metadata_props:
        if entry.key == KEY:
            entry.value = to_text(record)
    return replace(repaired, proto=proto, record=record)


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


def mean_values(layers: Mapping[str, Layer], masks: MasksFile) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each parent, `[parents]`, of layers that have means: 0 for parents without.

    Raises:
        ConfigError: a layer has no such parent, or a parent two different means.
    """
    found = {}
    for name, means in means_by_layer(masks).items():
        if name in layers:
            _check_range(name, "parent", list(means), layers[name].parents)
            found[name] = np.zeros(layers[name].parents)
            found[name][list(means)] = list(means.values())
    return found


def without_masks(original: Original, record: RepairRecord) -> onnx.ModelProto:
    """Return the message of the file that a masked or switchable file was made from.

    Args:
        original: the repaired file.
        record: what it says of how it was made.

    Raises:
        ModelError: the masks cannot be taken out of it.
    """
    if record.form in (Form.FOLDED, Form.PRUNED):
        raise ModelError(
            f"the masks cannot be taken out of a {record.form} file",
            where=str(original.path),
            why="its weights were multiplied: where the factor is 0 they are gone",
            remedy=f"take the original, {record.masks.model.file} with the hash {record.masks.model.sha256}",
        )
    proto = onnx.ModelProto()
    proto.CopyFrom(original.proto)
    graph = proto.graph
    sums = _taking(graph, "Add", set(record.shifts.values()))
    products = _taking(graph, "Mul", set(record.inserted.values()))
    if len(sums) != len(record.shifts) or len(products) != len(record.inserted):
        raise altered(original, "its masks are not where they were put")
    after = {before: output for output, before in sums.items()}
    for op in graph.node:
        for position, tensor in enumerate(op.input):
            if tensor in products:
                op.input[position] = products[tensor]
        for position, tensor in enumerate(op.output):
            if tensor in after:
                op.output[position] = after[tensor]
    gone = {*record.inserted.values(), *record.shifts.values()}
    _drop(graph.node, lambda op: len(op.input) > 1 and op.input[1] in gone)
    _drop(graph.initializer, lambda tensor: tensor.name in gone)
    _drop(graph.input, lambda value: value.name in gone)
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


def _masked(original: Original, layers: Mapping[str, Layer], masks: Arrays, shifts: Arrays, form: Form) -> _Written:
    """Put masks, and what takes the place of paths, into the graph."""
    overridable = form is Form.SWITCHABLE
    own = {layer.name: name for name, layer in layers.items()}
    values = {layer: masks[name] for layer, name in own.items()}
    masked = insert_masks(original.proto, layers.values(), values=values, overridable=overridable)
    added = {layer: shifts[name] for layer, name in own.items() if name in shifts}
    proto, names = insert_fixed_shifts(masked.proto, layers.values(), added, overridable=overridable)
    return _Written(
        proto,
        {own[layer]: mask for layer, mask in masked.names.items()},
        {own[layer]: shift for layer, shift in names.items()},
        {},
    )


def _folded(original: Original, layers: Mapping[str, Layer], masks: Arrays, shifts: Arrays, form: Form) -> _Written:
    """Put masks into weights, and what takes the place of paths into biases."""
    assert form is Form.FOLDED
    folded = _in_weights(original, layers, masks, shifts)
    return _Written(folded.proto, {}, folded.added, put_outside(folded.outside))


def _pruned(
    original: Original, layers: Mapping[str, Layer], every: Mapping[str, Layer], masks: Arrays, shifts: Arrays
) -> _Written:
    """Put masks into weights, and take out what they make useless."""
    folded = _in_weights(original, layers, masks, shifts)
    pruned = prune_masks(original, every, masks, folded)
    return _Written(pruned.proto, {}, folded.added, pruned.data, pruned.removed, pruned.kept)


def _in_weights(original: Original, layers: Mapping[str, Layer], masks: Arrays, shifts: Arrays) -> Folded:
    """Return a file with masks in its weights, before weights of other files go to one of their own."""
    file = start_change(original)
    fold_masks(file, layers, masks)
    fold_shifts(file, {name: layers[name] for name in shifts if has_bias(layers[name])}, shifts)
    without = [replace(layers[name], name=name) for name in shifts if not has_bias(layers[name])]
    if not without:
        return Folded(file.proto, file.outside, {})
    outside = {tensor.name for tensor in file.outside}
    proto, added = insert_fixed_shifts(file.proto, without, shifts)
    return Folded(proto, [tensor for name, tensor in stored_by_name(proto).items() if name in outside], added)


def _taking(graph: onnx.GraphProto, op_type: str, names: set[str]) -> dict[str, str]:
    """Return by its output what an op of some type takes beside one of some tensors."""
    return {
        op.output[0]: op.input[0]
        for op in graph.node
        if op.op_type == op_type and len(op.input) == 2 and op.input[1] in names  # noqa: PLR2004
    }


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
