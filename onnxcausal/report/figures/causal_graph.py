"""The picture of a causal graph: layers as rows, outcome on top (Ahmad et al. 2023, figs. 2 and 5)."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.report.figures.canvas import COLOURS, LEFT, RIGHT, WIDTH, new_figure, to_png
from onnxcausal.report.text import printable, shortened

TALLEST = 1.0
"""Height of a row in a network of few layers, in inches."""
LOWEST = 0.34
"""Height of a row in a deep one."""
ROOM = 14.0
"""Height the rows of a middling network share, in inches."""
MARGINS = 1.3
"""Height of title and legend, in inches."""
MOST_EDGES = 120
"""Edges drawn between two rows: the strongest."""
NUMBER_ROOM = 0.025
"""Shortest distance between two numbers in a row of width 1."""
MOST_FAINT = 512
"""Nodes without a selected role are drawn in layers up to this width."""
OUTCOME_ROW = -1


def picture(analysis: Analysis, graph: CausalGraph) -> bytes:
    """Return a PNG of the graph: necessary and noisy nodes coloured and sized by effect, edges by strength.

    Edges run from necessary nodes to the nearest layer below; connections that skip layers are in the GraphML.
    """
    rows = len(graph.layers)
    row_height = min(TALLEST, max(LOWEST, ROOM / rows))
    height = MARGINS + row_height * (rows + 1)
    figure = new_figure(height)
    axes = figure.add_axes((LEFT / WIDTH, 0.5 / height, 1 - (LEFT + RIGHT) / WIDTH, row_height * (rows + 1) / height))
    axes.set_xlim(0, 1)
    axes.set_ylim(rows - 0.4, OUTCOME_ROW - 0.6)
    axes.axis("off")
    for row, layer in enumerate(graph.layers):
        _draw_edges(axes, graph, layer, row)
    for row, layer in enumerate(graph.layers):
        _draw_nodes(axes, layer, row, row_height)
        _number_nodes(axes, layer, row, row_height)
        _label(axes, analysis, layer, row)
    axes.scatter([0.5], [OUTCOME_ROW], s=140, color="#222222", zorder=4)
    axes.text(0.52, OUTCOME_ROW, f"class {printable(analysis.title(graph.target))}", va="center", fontsize=10)
    figure.text(
        0.02,
        1 - 0.3 / height,
        f"{printable(analysis.model_file)}: causal graph of class {printable(analysis.title(graph.target))}"
        + (" (synthetic probe inputs)" if analysis.synthetic else ""),
        fontsize=11,
        weight="bold",
    )
    figure.text(
        0.02,
        1 - 0.52 / height,
        f"{len(graph.samples)} samples, rule {analysis.settings.rule.value}; nodes are numbered by their index",
        fontsize=8,
    )
    _legend(axes, height)
    return to_png(figure)


def _position(layer: LayerResult, node: int) -> float:
    """Return where a node stands in its row, 0 to 1."""
    assert layer.verdicts is not None
    return (node + 0.5) / len(layer.verdicts.roles)


def _strength(layer: LayerResult) -> np.ndarray:
    """Return each node's |ATE| relative to the layer's largest, `[parents]`."""
    assert layer.verdicts is not None
    size = np.nan_to_num(np.abs(layer.verdicts.ate))  # untested nodes have no size
    return size / (size.max() or 1.0)


def _draw_edges(axes: Axes, graph: CausalGraph, layer: LayerResult, row: int) -> None:
    edges = sorted(_edges_up(graph, layer, row), key=lambda edge: edge[2])[-MOST_EDGES:]
    if not edges:
        return
    red = to_rgba(COLOURS[Role.NECESSARY])[:3]
    strengths = [strength for _, _, strength in edges]
    axes.add_collection(
        LineCollection(
            [[(start, row), end] for start, end, _ in edges],
            colors=[(*red, 0.08 + 0.5 * strength) for strength in strengths],
            linewidths=[0.3 + 1.4 * strength for strength in strengths],
            zorder=1,
            clip_on=False,
        )
    )


def _edges_up(graph: CausalGraph, layer: LayerResult, row: int) -> Iterator[tuple[float, tuple[float, float], float]]:
    """Yield (position, (position, row) at the other end, strength) of the layer's edges to the nearest row below."""
    rows = {other.name: number for number, other in enumerate(graph.layers[:row])}
    ends: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for below, child, node in layer.links:
        ends[child].append((rows[below], node))
    nearest = max((number for reached in ends.values() for number, _ in reached), default=OUTCOME_ROW)
    if len(layer.to_outcome):
        nearest = max(nearest, OUTCOME_ROW)
    strength = _strength(layer) if layer.verdicts else np.empty(0)
    drawn = set()
    for parent, child in layer.edges():
        reached = [(node, number) for number, node in ends[child] if number == nearest]
        points = [(_position(graph.layers[number], node), float(number)) for node, number in reached]
        if nearest == OUTCOME_ROW:
            points = [(0.5, float(OUTCOME_ROW))]
        for point in points:
            if (parent, point) not in drawn:
                drawn.add((parent, point))
                yield _position(layer, parent), point, float(strength[parent])


def _draw_nodes(axes: Axes, layer: LayerResult, row: int, row_height: float) -> None:
    if layer.verdicts is None:
        return
    strength = _strength(layer)
    for role in (Role.DEAD, Role.NEUTRAL, Role.WEAK, Role.MINOR, Role.NOISY, Role.NECESSARY):
        nodes = layer.having(role)
        selected = role in (Role.NECESSARY, Role.NOISY)
        if not len(nodes) or (not selected and len(layer.verdicts.roles) > MOST_FAINT):
            continue
        sizes = (12 + 70 * strength[nodes]) * row_height if selected else np.full(len(nodes), 5.0 * row_height)
        axes.scatter(
            [_position(layer, int(node)) for node in nodes],
            np.full(len(nodes), row),
            s=sizes,
            color=COLOURS[role],
            edgecolors="#555555" if selected else "#bbbbbb",
            linewidths=0.4,
            zorder=3 if selected else 2,
            clip_on=False,
        )


def _number_nodes(axes: Axes, layer: LayerResult, row: int, row_height: float) -> None:
    """Write the index below the strongest necessary nodes, as far as there is room."""
    strongest = sorted(layer.necessary.tolist(), key=lambda node: float(layer.ate[node]))
    taken: list[float] = []
    for node in strongest:
        x = _position(layer, node)
        if all(abs(x - other) >= NUMBER_ROOM for other in taken):
            taken.append(x)
            axes.text(x, row + 0.085 / row_height, str(node), fontsize=6, ha="center", va="top", zorder=5)


def _label(axes: Axes, analysis: Analysis, layer: LayerResult, row: int) -> None:
    parents = analysis.layers[layer.name].parents
    axes.text(-0.03, row, f"{shortened(layer.name, 34)}  [{parents}]", ha="right", va="center", fontsize=8)
    told = f"{len(layer.necessary)} necessary, {len(layer.having(Role.NOISY))} noisy"
    if layer.verdicts is None:
        told = "left out" if layer.left_out else "not reached"
    elif layer.flow.value != "tracked":
        told += f"\nflow {layer.flow.value}"
    axes.text(1.03, row, told, ha="left", va="center", fontsize=7, color="#333333")


def _legend(axes: Axes, height: float) -> None:
    assert axes.figure is not None
    told = (
        (COLOURS[Role.NECESSARY], "necessary: removing its paths lowers the outcome"),
        (COLOURS[Role.NOISY], "noisy: removing them raises it"),
        (COLOURS[Role.MINOR], "others; size and width show strength"),
    )
    for (colour, text), x in zip(told, (0.2, 0.52, 0.72), strict=True):
        axes.figure.text(x - 0.016, 0.2 / height, "●", color=colour, fontsize=9)
        axes.figure.text(x, 0.2 / height, text, fontsize=8)
