"""Nodes that masks name, as the parent features they are; and parts of nodes, of which a reader is told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, in_order
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.inspecting.static_wiring import Wired, wire_by_run, wire_statically
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import cut_model

Nodes = Sequence[np.ndarray]
"""The parent features of each node of a layer."""


def as_features(masks: MasksFile, model: Model, where: str) -> tuple[MasksFile, tuple[str, ...]]:
    """Return masks that name features alone, and what a reader must know of nodes of which a part is masked.

    Args:
        masks: the masks.
        model: the model they are of, already run once.
        where: the file they stand in, for errors.

    Raises:
        ConfigError: a layer has no such node.
        ModelError: the nodes of a layer are not known.
    """
    wired = _wired(masks, model)
    nodes = {} if wired.flow is None else {layer.name: wired.flow.nodes[layer.name] for layer in wired.layers}
    entries = [_resolved(entry, nodes, wired, where) for entry in masks.masks]
    notes = _parts(entries, nodes)
    return in_order(masks.model_copy(update={"masks": entries})), notes


def _wired(masks: MasksFile, model: Model) -> Wired:
    reading = Reading(output=masks.reading.output, task=masks.reading.task)
    cut = cut_model(model, reading.output, reading.task)
    wired = wire_statically(cut, reading)
    if wired.flow is None and any(entry.nodes is not None for entry in masks.masks):
        return wire_by_run(cut, reading)
    return wired


def _resolved(entry: MaskRecord, nodes: Mapping[str, Nodes], wired: Wired, where: str) -> MaskRecord:
    """Return an entry that names features."""
    if entry.nodes is None:
        return entry
    if entry.layer not in nodes:
        if entry.layer not in {layer.name for layer in wired.layers}:
            return entry.model_copy(update={"nodes": None, "parents": [0]})  # that there is no such layer is told later
        raise ModelError(
            "the nodes of a layer are not known",
            where=f"{where}, layer {entry.layer}",
            why=wired.reason or "its flow does not follow from the file",
            remedy="name its features as parents",
        )
    own = nodes[entry.layer]
    outside = [node for node in entry.nodes if node >= len(own)]
    if outside:
        raise ConfigError(
            f"the layer has no node {outside[0]}",
            where=f"{where}, layer {entry.layer}",
            why=f"it has the nodes 0 to {len(own) - 1}",
            remedy="name nodes as analysis.json has them",
        )
    features = np.unique(np.concatenate([own[node] for node in entry.nodes]))
    return entry.model_copy(update={"nodes": None, "parents": features.tolist()})


def _parts(entries: Sequence[MaskRecord], nodes: Mapping[str, Nodes]) -> tuple[str, ...]:
    """Return what is to be said of nodes of which some features are masked as others are not."""
    masked: dict[str, dict[tuple[object, ...], set[int]]] = defaultdict(lambda: defaultdict(set))
    for entry in entries:
        children = None if entry.children is None else tuple(sorted(set(entry.children)))
        masked[entry.layer][children, entry.beta] |= set(entry.parents)
    told = []
    for layer, alike in masked.items():
        partly = {
            node: (len(held & set(own.tolist())), len(own))
            for held in alike.values()
            for node, own in enumerate(nodes.get(layer, ()))
            if 0 < len(held & set(own.tolist())) < len(own)
        }
        if partly:
            shown = listed([f"{part} of {size} features of node {node}" for node, (part, size) in partly.items()])
            told.append(f"layer {layer}: masked are {shown}; nodes names whole ones")
    return tuple(told)
