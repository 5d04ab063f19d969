"""The table on the terminal."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.causal.task import Task
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.decided import decided_table
from onnxcausal.report.text import apart, printable, shortened

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
    if instead := list(decided_table(analysis.decided, analysis.class_names)):
        lines += ["", *instead]
    return "\n".join(lines) + "\n"


def _graph(analysis: Analysis, graph: CausalGraph) -> Iterator[str]:
    if analysis.settings.task is Task.REGRESSION:
        yield f"output {graph.target}: {len(graph.samples)} samples, mean outcome {graph.observed.mean():.4g}"
    else:
        yield (
            f"class {printable(analysis.title(graph.target))}: {len(graph.samples)} samples "
            f"(right on {graph.correct} of {graph.examined} tried{_others(graph)}), "
            f"mean outcome {graph.observed.mean():.4g}"
        )
    roles = ROLES if not analysis.settings.adaptive else (*ROLES[:-1], Role.WEAK, *ROLES[-1:])
    roles = (*roles, Role.UNTESTED) if any(layer.hidden for layer in graph.layers) else roles
    counted = [Column(role.value, width=9, gap=1) for role in roles]
    columns = [Column("layer", "left", gap=0), Column("parents", width=8, gap=1), *counted]
    names = apart((layer.name for layer in graph.layers), NAME_WIDTH)
    head, *lines = set_in_columns(
        columns, (_counts(analysis, layer, names[layer.name], roles) for layer in graph.layers)
    )
    yield head
    for state, rows in groupby(zip(graph.layers, lines, strict=True), key=lambda row: _state(row[0])):
        first, *others = [line + _remark(layer) for layer, line in rows]
        yield first
        if not state:
            yield from others
        elif others:
            yield f"  and {len(others)} more {state}"


def _others(graph: CausalGraph) -> str:
    """Return on how many other samples the model is right, of a class that is decided by itself; with the mean."""
    others = graph.rejected
    if others is None or not others.examined:
        return ""
    balanced = (graph.correct / max(1, graph.examined) + others.correct / others.examined) / 2
    return f", and on {others.correct} of {others.examined} without it: balanced accuracy {balanced:.1%}"


def _state(layer: LayerResult) -> str:
    """Return why a layer has no counts, in two words; empty where it has."""
    return "" if layer.verdicts is not None else "left out" if layer.left_out else "not reached"


def _counts(analysis: Analysis, layer: LayerResult, name: str, roles: Sequence[Role]) -> list[str]:
    """Return the cells of a layer, which are empty where no route reaches it."""
    counts = ["" if layer.verdicts is None else str(len(layer.having(role))) for role in roles]
    return [name, str(analysis.layers[layer.name].parents), *counts]


def _remark(layer: LayerResult) -> str:
    """Return what is said behind a layer's cells."""
    if layer.verdicts is None:
        return f"  {printable(layer.reason)}"
    remarks = [remark for remark in (*_flow_remarks(layer), layer.verdicts.reason, _hidden_remark(layer)) if remark]
    return f"  {'; '.join(remarks)}" if remarks else ""


def _flow_remarks(layer: LayerResult) -> Iterator[str]:
    if layer.flow.value != "tracked":
        yield f"flow {layer.flow.value}"
    if layer.through:
        yield f"targets through {', '.join(shortened(name, NAME_WIDTH) for name in layer.through)}"


def _hidden_remark(layer: LayerResult) -> str:
    hidden = layer.hidden
    return "" if hidden is None else f"untested jointly {hidden.ate:+.3g} ({hidden.low:+.3g} to {hidden.high:+.3g})"
