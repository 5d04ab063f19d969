"""What Netron shows beside an op of a model: the roles and the strongest effects of its nodes, class by class."""

from onnxcausal.analysis.result import Analysis
from onnxcausal.causal.graph import LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.report.text import printable

STRONGEST = 10
"""Nodes whose effects are shown."""
PREFIX = "onnxcausal."
"""How the keys of all entries begin."""


def entries(analysis: Analysis) -> dict[str, dict[str, str]]:
    """Return metadata by the layer's name: `onnxcausal.class 3.roles` and `.effects` for each class."""
    found: dict[str, dict[str, str]] = {}
    for graph in analysis.graphs:
        title = printable(analysis.title(graph.target))
        for layer in graph.layers:
            if layer.verdicts is None:
                continue
            held = found.setdefault(layer.name, {})
            held[f"{PREFIX}class {title}.roles"] = _roles(layer)
            held[f"{PREFIX}class {title}.effects"] = _effects(layer)
    return found


def _roles(layer: LayerResult) -> str:
    counts = [(role.value, layer.having(role).tolist()) for role in Role]
    named = {Role.NECESSARY.value, Role.NOISY.value}
    return "; ".join(
        f"{len(nodes)} {role}" + (f" ({', '.join(map(str, nodes))})" if role in named else "")
        for role, nodes in counts
        if nodes
    )


def _effects(layer: LayerResult) -> str:
    """Return the strongest effects with their intervals, in the outcome's unit."""
    verdicts = layer.verdicts
    assert verdicts is not None
    order = sorted(range(len(verdicts.roles)), key=lambda node: -_size(float(verdicts.ate[node])))[:STRONGEST]
    shown = [node for node in order if verdicts.roles[node] not in (Role.DEAD, Role.UNTESTED)]
    return "; ".join(
        f"{node}: {verdicts.ate[node]:+.4g} ({verdicts.low[node]:+.4g} to {verdicts.high[node]:+.4g})" for node in shown
    )


def _size(ate: float) -> float:
    return abs(ate) if ate == ate else 0.0  # noqa: PLR0124  # NaN of an untested node
