"""One class as the page holds it: arrays that are read only when the class is shown."""

from collections.abc import Sequence
from typing import Any

from onnxcausal.analysis.formats.analysis_file import GraphRecord, LayerRecord
from onnxcausal.causal.significance import Role
from onnxcausal.report.page.numbers import brief, briefs
from onnxcausal.report.page.strongest import DETAILED, Strongest, strongest_nodes
from onnxcausal.report.page.wires import Wires
from onnxcausal.report.text import shortened

ROLES = tuple(Role)
"""Roles in the order of their numbers in the page."""
LONGEST = 400
"""Characters of a reason."""


def class_record(
    graph: GraphRecord,
    places: Sequence[int],
    wires: Sequence[Wires | None],
    strongest: Sequence[Sequence[Strongest]],
    keep: int | None,
) -> dict[str, Any]:
    """Return what the page shows of a class.

    Args:
        graph: the class's graph.
        places: for every layer of the graph its number among the page's layers.
        wires: what joins each layer to those below.
        strongest: samples of each layer's nodes.
        keep: necessary and noisy nodes of each layer whose numbers are held; None holds those of every node.
    """
    return {
        "layers": [
            {"at": place, **_layer(layer, joined, samples, keep)}
            for layer, place, joined, samples in zip(graph.layers, places, wires, strongest, strict=True)
        ]
    }


def counts_of(layer: LayerRecord) -> list[int]:
    """Return how many nodes of a layer have each role; empty where no route leads to it."""
    if not layer.nodes:
        return []
    held = [node.role for node in layer.nodes]
    return [held.count(role) for role in ROLES]


def _layer(layer: LayerRecord, wires: Wires | None, strongest: Sequence[Strongest], keep: int | None) -> dict[str, Any]:
    record: dict[str, Any] = {"targets": len(layer.targets), "flow": layer.flow.value, "by": layer.selected_by.value}
    if layer.reason:
        record["reason"] = shortened(layer.reason, LONGEST)
    if layer.left_out:
        record["left_out"] = True
    if layer.through:
        record["through"] = [shortened(name, LONGEST) for name in layer.through]
    if not layer.nodes:
        return record
    kept = range(len(layer.nodes)) if keep is None else _kept(layer, keep)
    nodes = [layer.nodes[index] for index in kept]
    record |= {
        "counts": counts_of(layer),
        "roles": "".join(str(ROLES.index(node.role)) for node in nodes),
        "ate": briefs(node.ate for node in nodes),
        "low": briefs(node.ci and node.ci[0] for node in nodes),
        "high": briefs(node.ci and node.ci[1] for node in nodes),
        "q": briefs((node.q for node in nodes), 2),
    }
    if keep is not None:
        record["nodes"] = list(kept)
        record["sums"] = _sums(layer)
    if any(node.samples is not None for node in nodes):
        record["used"] = [node.samples for node in nodes]
    if layer.untested is not None:
        held = layer.untested
        record["untested"] = {"nodes": held.nodes, "ate": brief(held.ate), "ci": briefs(held.ci)}
    if wires is not None:
        record["wires"] = wires.to_record()
    if strongest:
        record["samples"] = [held.to_record() for held in strongest if keep is None or held.index in kept]
    return record


def _kept(layer: LayerRecord, keep: int) -> list[int]:
    return sorted(index for role in DETAILED for index in strongest_nodes(layer, role, keep))


def _sums(layer: LayerRecord) -> list[float | int | None]:
    """Return the summed effect of the necessary and of the noisy nodes: what is held alone does not tell it."""
    return briefs(sum(node.ate or 0.0 for node in layer.nodes if node.role is role) for role in DETAILED)
