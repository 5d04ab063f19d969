"""What the page tells of an analysis as a whole: the model, the classes, how it was made, what was evaluated."""

import json
import math
from collections.abc import Mapping
from typing import Any

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord
from onnxcausal.analysis.formats.evaluation import EvaluationFile, Protocol
from onnxcausal.analysis.formats.settings_record import differing, settings_by_key
from onnxcausal.causal.graph import FlowKind
from onnxcausal.causal.significance import Role
from onnxcausal.report.page.classes import ROLES, counts_of
from onnxcausal.report.page.found import Found
from onnxcausal.report.page.numbers import brief
from onnxcausal.report.page.strongest import strongest_nodes
from onnxcausal.report.repair import facts
from onnxcausal.report.text import shortened

NAME = 200
"""Characters of a name that came from a model or file."""
NOTE = 1000
"""Characters of a note."""
ASKS = {
    Protocol.RELIABILITY: "How often is a node selected again when beta, the images or both change? 1 is always.",
    Protocol.STABILITY: "How much do maps change under a little noise? Lower is more stable; a constant map scores 0.",
    Protocol.FAITHFULNESS: "How fast does the prediction go when what a map points at is removed? Higher is better.",
    Protocol.FIDELITY: "Accuracy that is left when nodes are masked, as a share of that of the whole model: for the "
    "class itself, where a low value confirms the graph, and for the other classes, where a high one does. Critical: "
    "the strongest necessary nodes; beside them as many random ones, those with the largest weights, and noisy ones.",
    Protocol.SUFFICIENCY: "How well do the graph's edges alone tell the class from the others? 0.5 is chance, 1 is "
    "perfect.",
}
"""What each protocol asks, in plain words."""
DEEPEST = 4
"""Levels of a repair's file that are shown."""
LONGEST_LIST = 200
"""Entries of a list or mapping in a repair's file that are shown."""


def overview(found: Found, places: Mapping[str, int], keep: int | None) -> dict[str, Any]:
    """Return what the page holds outside its classes.

    Args:
        found: what the page is made of.
        places: number of each layer in the page, by name.
        keep: nodes of each layer and role whose numbers the page holds; None: all.
    """
    analysis = found.analysis
    settings = settings_by_key(analysis.settings)
    return {
        "model": {"file": _name(analysis.model.file), "sha256": analysis.model.sha256},
        "data": {
            "source": _name(analysis.data.source),
            "sha256": analysis.data.sha256,
            "synthetic": analysis.data.synthetic,
        },
        "tool": {**analysis.tool.model_dump(mode="json")},
        "settings": [[name, _name(_told(value))] for name, value in settings.items()],
        "outcome": settings["outcome"],
        "task": settings["task"],
        "alpha": settings["alpha"],
        "beta": settings["beta"],
        "coverage": settings["coverage"],
        "rule": settings["rule"],
        "roles": [role.value for role in ROLES],
        "keep": keep,
        "has_links": any(layer.links is not None for graph in analysis.graphs for layer in graph.layers),
        "has_samples": found.effects is not None,
        "has_pictures": found.pictures is not None,
        "notes": [shortened(note, NOTE) for note in (*found.elsewhere, *analysis.notes)],
        "skipped": [
            {"title": _title(entry.target, entry.class_name), "reason": shortened(entry.reason, NOTE)}
            for entry in analysis.skipped
        ],
        "layers": _layers(analysis, places),
        "classes": [_class(graph, places) for graph in analysis.graphs],
        "names": {str(graph.target): _title(graph.target, graph.class_name) for graph in analysis.graphs}
        | {str(entry.target): _title(entry.target, entry.class_name) for entry in analysis.skipped},
        "evaluated": len(found.evaluations),
        "repairs": [_facts(facts(repair)) for repair in found.repairs],
    }


def evaluations(found: Found) -> list[dict[str, Any]]:
    """Return what the page holds of the evaluations."""
    return [_evaluation(held, found.analysis) for held in found.evaluations]


def layer_places(analysis: AnalysisFile) -> dict[str, int]:
    """Return the number of each layer in the page, from the outcome upwards, by name."""
    names = dict.fromkeys(layer.name for graph in analysis.graphs for layer in graph.layers)
    return {name: number for number, name in enumerate(names)}


def _layers(analysis: AnalysisFile, places: Mapping[str, int]) -> list[dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    for graph in analysis.graphs:
        for layer in graph.layers:
            records.setdefault(
                layer.name,
                {
                    "name": _name(layer.name),
                    "op": _name(layer.op_type),
                    "weight": _name(layer.weight),
                    "parents": layer.parents,
                    "children": layer.children,
                },
            )
    return [records[name] for name in places]


def _class(graph: GraphRecord, places: Mapping[str, int]) -> dict[str, Any]:
    """Return what the list of classes tells of one."""
    record: dict[str, Any] = {
        "target": graph.target,
        "title": _title(graph.target, graph.class_name),
        "samples": graph.samples,
        "examined": graph.examined,
        "correct": graph.correct,
        **({} if graph.rejected is None else {"others": [graph.rejected.correct, graph.rejected.examined]}),
        "tensor": _name(graph.outcome.tensor),
        "mean": brief(graph.outcome.mean),
        "sd": brief(graph.outcome.sd),
        "floor": brief(graph.outcome.floor),
        "reached": sum(1 for layer in graph.layers if layer.nodes),
        "nodes": sum(len(layer.nodes) for layer in graph.layers),
        "counts": [sum(column) for column in zip(*filter(None, map(counts_of, graph.layers)), strict=True)],
        "untracked": sum(1 for layer in graph.layers if layer.nodes and layer.flow is FlowKind.UNTRACKED),
        "normalised": sum(1 for layer in graph.layers if layer.nodes and layer.flow is FlowKind.NORMALISED),
    }
    best = [
        (abs(layer.nodes[index].ate or 0.0), places[layer.name], layer.nodes[index])
        for layer in graph.layers
        if len(layer.nodes) > 1  # without its only node a layer is nothing
        for index in strongest_nodes(layer, Role.NECESSARY, 1)
    ]
    if best:
        _, place, node = max(best, key=lambda held: held[0])
        record["strongest"] = {
            "layer": place,
            "node": node.index,
            "ate": brief(node.ate),
            "ci": [brief(end) for end in node.ci or ()],
        }
    return record


def _evaluation(held: EvaluationFile, analysis: AnalysisFile) -> dict[str, Any]:
    # The reliability protocol infers its own graphs, and none depends on how they are run.
    other = {
        name: both
        for name, both in differing(held.settings, analysis.settings).items()
        if name not in ("engine", "preprocess")
    }
    return {
        "protocol": held.protocol.value,
        "asks": ASKS[held.protocol],
        "data": _name(held.data.source),
        "notes": [shortened(note, NOTE) for note in held.notes],
        "differs": [
            f"{name} is {_name(_told(there))}, here {_name(_told(here))}" for name, (there, here) in other.items()
        ],
        "records": [
            [
                record.target,
                None if record.layer is None else _name(record.layer),
                _name(record.method),
                brief(record.at),
                _name(record.measure),
                brief(record.mean),
                brief(record.interval[0]),
                brief(record.interval[1]),
                record.n,
            ]
            for record in held.records
        ],
    }


def _facts(value: object, depth: int = 0) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return the content of a file of another format with its texts made safe, cut where it is deep or long."""
    if isinstance(value, dict) and depth < DEEPEST:
        entries = list(value.items())
        shown = {_name(str(key)): _facts(held, depth + 1) for key, held in entries[:LONGEST_LIST]}
        return shown | ({"…": f"{len(entries) - LONGEST_LIST} more"} if len(entries) > LONGEST_LIST else {})
    if isinstance(value, list) and depth < DEEPEST:
        more = [f"… {len(value) - LONGEST_LIST} more"] if len(value) > LONGEST_LIST else []
        return [_facts(held, depth + 1) for held in value[:LONGEST_LIST]] + more
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _name(value if isinstance(value, str) else _told(value))


def _title(target: int, name: str | None) -> str:
    return str(target) if name is None else f"{target} ({_name(name)})"


def _told(value: object) -> str:
    if value is None or value in ([], {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(text: str) -> str:
    return shortened(text, NAME)
