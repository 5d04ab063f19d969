"""What gates measure of an analysis, of its evaluations and of what changed, class by class."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.comparing.edges import count_edges, necessary_of
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord, LayerRecord, SkippedRecord
from onnxcausal.analysis.formats.evaluation import EvaluationFile, Protocol
from onnxcausal.causal.significance import Role


@dataclass(frozen=True, slots=True, eq=False)
class GateEvidence:
    """What is known of a model when gates are checked.

    Attributes:
        analysis: its analysis.
        evaluations: those of its evaluations that are at hand.
        comparison: what changed since the baseline; None without one.
        missing: classes that must be compared with it and are not, each with the reason.
        required: classes of which there must be every number; None: all that were analysed.
        sources: by measure, where its numbers were read; a measure that is missing here was measured.
        classes: name of each class of the model, None where it is not known; empty: those that were analysed.
    """

    analysis: AnalysisFile
    evaluations: Mapping[Protocol, EvaluationFile] = field(default_factory=dict)
    comparison: ComparisonFile | None = None
    missing: Mapping[int, str] = field(default_factory=dict)
    required: frozenset[int] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[int, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a measure.

    Attributes:
        number: the number; None where the class has none, with the reason.
        target: the class; None for the whole model.
        layer: the layer, where the number is of one.
        reason: why there is none.
        due: whether there must be one, so that a class without fails.
    """

    number: float | None
    target: int | None = None
    layer: str | None = None
    reason: str = ""
    due: bool = False


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """Which numbers of an evaluation a measure is."""

    protocol: Protocol
    method: str
    measure: str
    at: float | None = None


def _having(layers: Iterable[LayerRecord], role: Role) -> int:
    return sum(node.role is role for layer in layers for node in layer.nodes)


def _edges(layers: Iterable[LayerRecord]) -> int:
    return sum(count_edges(layer, necessary_of(layer), layer.targets) for layer in layers)


def _strength(layers: Iterable[LayerRecord], *roles: Role) -> list[float]:
    """Return the sizes of the effects of all nodes, or of those that have a role."""
    nodes = [node for layer in layers for node in layer.nodes if node.ate is not None]
    return [abs(node.ate or 0.0) for node in nodes if not roles or node.role in roles]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _noisy_share(layers: list[LayerRecord]) -> float:
    noisy = sum(_strength(layers, Role.NOISY))
    return _share(noisy, noisy + sum(_strength(layers, Role.NECESSARY)))


def _parents(layers: Iterable[LayerRecord]) -> int:
    return sum(layer.parents for layer in layers)


OF_LAYERS: Mapping[str, tuple[str, Callable[[list[LayerRecord]], float]]] = {
    "nodes": ("necessary nodes", lambda layers: _having(layers, Role.NECESSARY)),
    "node_share": (
        "share of the nodes that are necessary",
        lambda layers: _share(_having(layers, Role.NECESSARY), _parents(layers)),
    ),
    "edges": ("edges of the graph", _edges),
    "edge_share": (
        "share of the edges that are in the graph",
        lambda layers: _share(
            _edges(layers),
            sum(count_edges(layer, range(layer.parents), range(layer.children)) for layer in layers),
        ),
    ),
    "noisy": ("noisy nodes", lambda layers: _having(layers, Role.NOISY)),
    "noisy_share": ("share of the noisy nodes in the effects of noisy and necessary ones", _noisy_share),
    "dead": ("dead nodes", lambda layers: _having(layers, Role.DEAD)),
    "dead_share": (
        "share of the nodes that are dead",
        lambda layers: _share(_having(layers, Role.DEAD), _parents(layers)),
    ),
    "effect": ("sum of |ATE| over the nodes, in the outcome's unit", lambda layers: sum(_strength(layers))),
    "strongest": ("largest |ATE| of a node, in the outcome's unit", lambda layers: max(_strength(layers), default=0.0)),
    "strongest_d": (
        "largest |ATE| of a node, in standard deviations of the outcome",
        lambda layers: max(
            (abs(node.d) for layer in layers for node in layer.nodes if node.d is not None), default=0.0
        ),
    ),
}
"""Measures over the layers of a class's graph, or over one of them: what they are, and how they are taken."""
OF_CLASSES = {
    "accuracy": "share of the samples tried that the model is right on; of a class decided by itself the mean of that "
    "and the share of other samples that are not taken for it (balanced accuracy)"
}
OF_MODEL = {"skipped": "classes that could not be analysed"}
OF_CHANGE = {
    "changed": "nodes whose effect differs from the baseline's beyond sampling",
    "distance": "largest difference from the baseline, in standard deviations of the outcome",
}
EVALUATED: Mapping[str, tuple[str, _Evaluated]] = {
    "sufficiency": (
        "AUROC of the graph's edges alone",
        _Evaluated(Protocol.SUFFICIENCY, "graph, zero", "AUROC"),
    ),
    "fidelity": (
        "accuracy over the unmodified model's, 20 % of the necessary nodes masked",
        _Evaluated(Protocol.FIDELITY, "critical", "class accuracy", 0.2),
    ),
    "reliability": (
        "mean appearance of a layer's nodes when images change",
        _Evaluated(Protocol.RELIABILITY, "images alone", "appearance"),
    ),
}
MEANING = {
    **{name: meaning for name, (meaning, _) in OF_LAYERS.items()},
    **OF_CLASSES,
    **OF_MODEL,
    **OF_CHANGE,
    **{name: meaning for name, (meaning, _) in EVALUATED.items()},
}
"""Every measure and what it is."""
OF_LABELS = (*OF_CLASSES, *EVALUATED)
"""Measures that ask whether the model is right: by labels that it made itself, it always is."""


def protocol_of(measure: str) -> Protocol | None:
    """Return the evaluation that a measure is taken from; None where it is from none."""
    return EVALUATED[measure][1].protocol if measure in EVALUATED else None


def takes_layer(measure: str) -> bool:
    """Return whether a measure can be taken of one layer."""
    return measure in OF_LAYERS or measure == "reliability"


def values_of(measure: str, evidence: GateEvidence, layer: str | None = None) -> list[Value]:
    """Return a measure of every class.

    Args:
        measure: a key of `MEANING`.
        evidence: what is known; it holds what the measure is taken from.
        layer: take it of this layer alone.
    """
    if measure in OF_LAYERS:
        return _of_layers(measure, evidence.analysis, layer)
    if measure in EVALUATED:
        return _evaluated(EVALUATED[measure][1], evidence, layer)
    if measure in OF_CHANGE:
        assert evidence.comparison is not None
        return _of_change(measure, evidence.comparison, evidence.missing)
    if measure in OF_MODEL:
        return [Value(float(len(evidence.analysis.skipped)))]
    return _accuracy(evidence.analysis)


def _of_layers(measure: str, analysis: AnalysisFile, layer: str | None) -> list[Value]:
    take = OF_LAYERS[measure][1]
    found = [Value(float(take(_chosen(graph, layer))), graph.target, layer) for graph in analysis.graphs]
    return found + [Value(None, entry.target, layer, entry.reason) for entry in analysis.skipped]


def _chosen(graph: GraphRecord, layer: str | None) -> list[LayerRecord]:
    return [held for held in graph.layers if not held.left_out and layer in (None, held.name)]


def _accuracy(analysis: AnalysisFile) -> list[Value]:
    found = [Value(_balanced(_share(graph.correct, graph.examined), graph), graph.target) for graph in analysis.graphs]
    for entry in analysis.skipped:
        known = entry.correct is not None and entry.examined
        number = _balanced((entry.correct or 0) / (entry.examined or 1), entry) if known else None
        found.append(Value(number, entry.target, None, entry.reason))
    return found


def _balanced(share: float, entry: GraphRecord | SkippedRecord) -> float:
    """Return the accuracy of a class: balanced with that on other samples where it is decided by itself."""
    others = entry.rejected
    return share if others is None or not others.examined else (share + others.correct / others.examined) / 2


def _evaluated(of: _Evaluated, evidence: GateEvidence, layer: str | None) -> list[Value]:
    held = evidence.evaluations[of.protocol]
    found = [
        Value(record.mean, record.target, record.layer)
        for record in held.records
        if record.target is not None
        and (record.method, record.measure) == (of.method, of.measure)
        and (of.at is None or record.at == of.at)
        and (layer is None or record.layer == layer)
    ]
    measured = {value.target for value in found}
    reason = f"the evaluation has no {of.measure} of it"
    absent = [graph.target for graph in evidence.analysis.graphs if graph.target not in measured]
    required = evidence.required
    return found + [
        Value(None, target, layer, reason, due=required is None or target in required) for target in absent if found
    ]


def _of_change(measure: str, comparison: ComparisonFile, missing: Mapping[int, str]) -> list[Value]:
    values = []
    for found in comparison.classes:
        if found.distance is None:
            reason = missing.get(found.target, "one of the two models has no graph of it")
            values.append(Value(None, found.target, None, reason, due=found.target in missing))
        else:
            number = float(found.changed) if measure == "changed" else found.distance
            values.append(Value(number, found.target))
    known = {found.target for found in comparison.classes}
    return values + [Value(None, target, None, missing[target], due=True) for target in missing if target not in known]
