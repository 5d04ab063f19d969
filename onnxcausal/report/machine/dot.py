"""The causal graph as DOT, for Graphviz.

The nodes and edges are those of GraphML (`graphml.py`), but for parents that are neither necessary nor noisy: they have
no edge.
"""

from collections.abc import Iterator

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.report.text import printable

COLOURS = {Role.NECESSARY: "#1f78b4", Role.NOISY: "#e31a1c"}
HEAD = ("rankdir=BT;", 'node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica"];')


def dot(analysis: Analysis, graph: CausalGraph) -> bytes:
    """Return the causal graph of one class as DOT."""
    position = {layer.name: number for number, layer in enumerate(graph.layers)}
    lines = [f"digraph {_quoted(f'{analysis.model_file}, class {analysis.title(graph.target)}')} {{", *HEAD]
    lines.append(f"outcome [label={_quoted(f'class {analysis.title(graph.target)}')}, shape=ellipse];")
    for number, layer in enumerate(graph.layers):
        lines += _layer(layer, number)
    for number, layer in enumerate(graph.layers):
        lines += _edges(layer, number, position)
    return "\n".join([*lines, "}", ""]).encode()


def _layer(layer: LayerResult, number: int) -> Iterator[str]:
    """Yield a frame around the parents and targets of a layer."""
    if layer.verdicts is None:
        return
    yield f"subgraph cluster_{number} {{ label={_quoted(layer.name)};"
    for index, role in enumerate(layer.roles):
        if role in COLOURS:
            label = f"{index}: {layer.ate[index]:+.3g}"
            yield f'p{number}_{index} [label={_quoted(label)}, color="{COLOURS[role]}", class="{role.value}"];'
    for child in layer.targets.tolist():
        yield f'c{number}_{child} [label="{child}", shape=circle];'
    yield "}"


def _edges(layer: LayerResult, number: int, position: dict[str, int]) -> Iterator[str]:
    for parent, child in layer.edges():
        yield f"p{number}_{parent} -> c{number}_{child};"
    for below, child, node in layer.links:
        yield f"c{number}_{child} -> p{position[below]}_{node} [style=dashed];"
    for child in layer.to_outcome.tolist():
        yield f"c{number}_{child} -> outcome [style=dashed];"


def _quoted(text: str) -> str:
    """Return a quoted string, in which nothing is markup, an escape, or its end."""
    safe = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'
