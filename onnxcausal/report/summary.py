"""The table on the terminal."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.causal.task import Task
from onnxcausal.report.text import printable, shortened

ROLES = (Role.NECESSARY, Role.NOISY, Role.MINOR, Role.NEUTRAL, Role.DEAD)
NAME_WIDTH = 36
"""Longest layer name shown whole."""


def summary(analysis: Analysis) -> str:
    """Return a short table per class: layers from the outcome upwards, and how many nodes have each role."""
    settings = analysis.settings
    head = (
        f"{printable(analysis.model_file)}: causal graphs of {len(analysis.graphs)} class(es), "
        f"{settings.outcome.value} of tensor {printable(analysis.outcome_tensor)}, rule {settings.rule.value}, "
        f"{analysis.providers[0]}"
    )
    lines = [head, *(f"note: {printable(note)}" for note in analysis.notes)]
    for graph in analysis.graphs:
        lines += ["", *_graph(analysis, graph)]
    for entry in analysis.skipped:
        lines += ["", f"class {printable(analysis.title(entry.target))} skipped: {printable(entry.reason)}"]
    return "\n".join(lines) + "\n"


def _graph(analysis: Analysis, graph: CausalGraph) -> Iterator[str]:
    width = min(NAME_WIDTH, max(len("layer"), *(len(printable(layer.name)) for layer in graph.layers)))
    if analysis.settings.task is Task.REGRESSION:
        yield f"output {graph.target}: {len(graph.samples)} samples, mean outcome {graph.observed.mean():.4g}"
    else:
        yield (
            f"class {printable(analysis.title(graph.target))}: {len(graph.samples)} samples "
            f"(right on {graph.correct} of {graph.examined} tried), mean outcome {graph.observed.mean():.4g}"
        )
    roles = (*ROLES, Role.UNTESTED) if any(layer.hidden for layer in graph.layers) else ROLES
    yield f"  {'layer':<{width}} {'parents':>8}" + "".join(f"{role.value:>10}" for role in roles)
    for reached, layers in groupby(graph.layers, key=lambda layer: layer.verdicts is not None):
        rows = list(layers)
        for layer in rows if reached else rows[:1]:
            parents = analysis.layers[layer.name].parents
            yield f"  {shortened(layer.name, width):<{width}} {parents:>8}{_roles(layer, roles)}"
        if not reached and len(rows) > 1:
            yield f"  and {len(rows) - 1} more not reached"


def _roles(layer: LayerResult, roles: Sequence[Role]) -> str:
    if layer.verdicts is None:
        return f"  {printable(layer.reason)}"
    counts = "".join(f"{len(layer.having(role)):>10}" for role in roles)
    remarks = [remark for remark in (_flow_remark(layer), layer.verdicts.reason, _hidden_remark(layer)) if remark]
    return counts + (f"  {'; '.join(remarks)}" if remarks else "")


def _flow_remark(layer: LayerResult) -> str:
    return "" if layer.flow.value == "tracked" else f"flow {layer.flow.value}"


def _hidden_remark(layer: LayerResult) -> str:
    hidden = layer.hidden
    return "" if hidden is None else f"untested jointly {hidden.ate:+.3g} ({hidden.low:+.3g} to {hidden.high:+.3g})"
