"""Attributions of tables and sequences: bars, or lines where there are many places."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from onnxcausal.analysis.result.explanation import ClassMaps
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role
from onnxcausal.report.figures.canvas import COLOURS, new_figure, to_png
from onnxcausal.report.text import printable, shortened

MOST_BARS = 64
"""Places up to this many are drawn as bars."""
HEIGHT = 4.6
"""Height of the figure, in inches."""
MOST_NODES = 5
"""Nodes drawn on their own."""


def place_plot(title: str, x: NDArray[np.floating], values: Floats, held: ClassMaps, place: int) -> bytes:
    """Return a PNG of the input above its map, `values [places]`, and the nodes that respond most.

    Args:
        title: the line above.
        x: the input, `[..., places]`.
        values: its map.
        held: the attributions of the class.
        place: which of them is this input's.
    """
    figure = new_figure(HEIGHT)
    upper = figure.add_axes((0.07, 0.56, 0.9, 0.36))
    lower = figure.add_axes((0.07, 0.12, 0.9, 0.36), sharex=upper)
    upper.set_title(printable(title), fontsize=10, loc="left")
    for row in np.atleast_2d(x.reshape(-1, x.shape[-1]))[:8]:
        _draw(upper, row, "#444444")
    upper.set_ylabel("input", fontsize=8)
    _draw(lower, values, COLOURS[Role.NECESSARY], 0.85)
    lower.set_ylabel(f"map for class {held.route.target}", fontsize=8)
    lower.set_xlabel("place (feature or time)", fontsize=8)
    responses = held.node_maps[place]
    if responses.ndim == 2 and responses.shape[1] == len(values):  # noqa: PLR2004
        limit = float(np.abs(responses).max()) or 1.0
        order = np.argsort(-np.abs(responses).max(axis=1), kind="stable")[:MOST_NODES]
        style = "o" if len(values) <= MOST_BARS else "-"
        for node in order:
            lower.plot(responses[node] / limit, style, ms=4, lw=0.9, label=f"node {held.nodes[node]}")
        lower.legend(fontsize=7, title=f"of {shortened(held.node_layer, 30)}", title_fontsize=7, ncols=MOST_NODES)
    for axes in (upper, lower):
        axes.tick_params(labelsize=7)
    return to_png(figure)


def _draw(axes: Axes, values: NDArray[np.floating], colour: str, opacity: float = 1.0) -> None:
    if len(values) <= MOST_BARS:
        axes.bar(np.arange(len(values)), values, color=colour, alpha=opacity)
    else:
        axes.plot(values, color=colour, alpha=opacity, lw=1.0)
