"""Why a decision is wrong: the graph of the decided class beside that of the true one (Ahmad et al. 2023, fig. 1)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.explanation import ClassMaps, Explanation
from onnxcausal.causal.route import Route
from onnxcausal.report.figures.canvas import new_figure, to_png
from onnxcausal.report.text import printable, shortened

OWN, SHARED = "#c0392b", "#7d3c98"
"""Colours of the nodes that are necessary for one of the two classes, and for both."""
ROW, MARGIN, MAPS = 0.36, 1.25, 2.0
"""Heights of a layer, of the texts and of the maps, in inches."""
LEFT_SIDE, GRAPH = 0.22, 0.31
"""Where the first graph begins, and how wide one is, as shares of the figure's width."""


def why_wrong(explanation: Explanation, decided: ClassMaps, true: ClassMaps, number: int) -> bytes:
    """Return a PNG of two causal graphs side by side, with the maps of one input for each class below.

    Args:
        explanation: where both are from.
        decided: attributions for the class that the input is explained for.
        true: attributions for its own class.
        number: position of the input.
    """
    reached = {step.layer for held in (decided, true) for step in held.route.steps}
    rows = [(name, nodes) for name, nodes in reversed(explanation.shown) if name in reached]
    graphs = ROW * len(rows)
    height = graphs + MARGIN + MAPS
    figure = new_figure(height)
    names = explanation.class_names
    figure.text(
        0.02,
        1 - 0.3 / height,
        f"{shortened(explanation.names[number], 50)}: the model says "
        f"{printable(title_of(decided.route.target, names))}, it is {printable(title_of(true.route.target, names))}",
        fontsize=11,
        weight="bold",
    )
    for side, (held, other) in enumerate(((decided, true), (true, decided))):
        left = LEFT_SIDE + (GRAPH + 0.08) * side
        axes = figure.add_axes((left, (MAPS + 0.3) / height, GRAPH, graphs / height))
        _draw_graph(axes, held.route, other.route, rows, labelled=side == 0)
        what = "decided" if side == 0 else "true class"
        axes.set_title(f"{what}: {printable(title_of(held.route.target, names))}", fontsize=9, loc="left")
        _draw_map(figure, explanation, held, number, (left, 0.15 / height, GRAPH, (MAPS - 0.2) / height))
    told = (OWN, "necessary for this class"), (SHARED, "necessary for both")
    for place, (colour, text) in enumerate(told):
        figure.text(0.02, (0.9 - 0.25 * place) / height, "●", color=colour, fontsize=9)
        figure.text(0.035, (0.9 - 0.25 * place) / height, text, fontsize=8)
    return to_png(figure)


def _draw_graph(axes: Axes, route: Route, other: Route, rows: list[tuple[str, int]], *, labelled: bool) -> None:
    """Draw the necessary nodes of one class: layers as rows, the outcome on top, size by effect."""
    for row, (name, nodes) in enumerate(rows):
        axes.axhline(row, color="#e3e3e3", lw=0.7, zorder=0)
        step, beside = route.step(name), other.step(name)
        if step is None:
            continue
        own, shared = step.necessary, np.empty(0, np.int64) if beside is None else beside.necessary
        size = np.abs(step.ate[own])
        largest = size.max(initial=0.0) or 1.0
        colours = [SHARED if node in set(shared.tolist()) else OWN for node in own.tolist()]
        axes.scatter((own + 0.5) / nodes, np.full(len(own), row), s=8 + 50 * size / largest, c=colours, zorder=2)
        count = f"{len(own)}, {len(np.intersect1d(own, shared))} shared"
        axes.text(1.01, row, count, fontsize=6.5, va="center", color="#444444")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_xticks([])
    labels = [f"{shortened(name, 26)} [{nodes}]" for name, nodes in rows] if labelled else []
    axes.set_yticks(range(len(rows)) if labelled else [], labels=labels, fontsize=7)
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_map(
    figure: Figure, explanation: Explanation, held: ClassMaps, number: int, place: tuple[float, float, float, float]
) -> None:
    """Draw the map of the input for one class over the input."""
    position = held.of(number)
    if position is None:
        return
    values = held.maps[position]
    axes = figure.add_axes(place)
    if explanation.pictures is None or values.ndim == 1:
        axes.bar(np.arange(len(values)), values, color=OWN)
        axes.tick_params(labelsize=6)
        return
    axes.imshow(explanation.pictures[number].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
    axes.imshow(values, cmap="inferno", vmin=0, vmax=1, alpha=0.6 * np.clip(values, 0, 1))
    axes.axis("off")
