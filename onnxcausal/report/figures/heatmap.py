"""The heat map of effects: layers as rows, nodes as cells (Ahmad et al. 2023, fig. 3)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm, to_rgb

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.report.figures.canvas import COLOURS, LEFT, RIGHT, WIDTH, new_figure, to_png
from onnxcausal.report.text import printable, shortened

ROW = 0.42
"""Height of a layer's row, in inches."""
MARGINS = 1.75
"""Height of title, legend and colour bar, in inches."""
SELDOM = (Role.WEAK, Role.UNTESTED)
"""Roles that are named where there are such nodes."""
DECADES = 100.0
"""The colour scale is logarithmic over effects down to this fraction of the largest, linear below."""


def heatmap(analysis: Analysis, graph: CausalGraph) -> bytes:
    """Return a PNG of the ATE of every node, relative to the mean outcome, with its role below it."""
    rows = len(graph.layers)
    height = MARGINS + ROW * rows
    figure = new_figure(height)
    axes = figure.add_axes((LEFT / WIDTH, 1.25 / height, 1 - (LEFT + RIGHT) / WIDTH, ROW * rows / height))
    scale = 100 / abs(graph.observed.mean()) if graph.observed.mean() else 1.0
    largest = max(
        (float(np.nanmax(np.abs(layer.verdicts.ate))) for layer in graph.layers if layer.verdicts), default=0.0
    )
    limit = largest * scale or 1.0
    norm = SymLogNorm(linthresh=limit / DECADES, vmin=-limit, vmax=limit)
    for row, layer in enumerate(graph.layers):
        _draw_row(axes, layer, row, scale, norm)
    _label_rows(axes, analysis, graph)
    axes.set_title(
        f"{printable(analysis.model_file)}, class {printable(analysis.title(graph.target))}: "
        f"effect of removing each node's paths ({len(graph.samples)} samples)"
        + (", synthetic probe inputs" if analysis.synthetic else ""),
        fontsize=10,
        loc="left",
        x=-LEFT / (WIDTH - LEFT - RIGHT) + 0.02,
    )
    bar = figure.add_axes((LEFT / WIDTH, 0.72 / height, 0.4, 0.13 / height))
    shown = axes.collections[0] if axes.collections else None
    if shown is not None:
        colours = figure.colorbar(shown, cax=bar, orientation="horizontal")
        ticks = [-limit, -limit / 10, 0, limit / 10, limit]
        colours.set_ticks(ticks, labels=[f"{tick:+.3g} %" if tick else "0" for tick in ticks])
        colours.ax.tick_params(labelsize=7)
        colours.set_label(f"ATE relative to the mean {analysis.settings.outcome.value} (logarithmic scale)", fontsize=8)
    seldom = {role for role in SELDOM if not any(len(layer.having(role)) for layer in graph.layers)}
    _legend(axes, height, seldom)
    return to_png(figure)


def _draw_row(axes: Axes, layer: LayerResult, row: int, scale: float, norm: SymLogNorm) -> None:
    """Draw one layer: effects above, roles below."""
    if layer.verdicts is None:
        axes.text(
            0.5,
            row + 0.5,
            "left out" if layer.left_out else "not reached",
            ha="center",
            va="center",
            fontsize=7,
            color="#888888",
        )
        return
    edges = np.linspace(0, 1, len(layer.verdicts.ate) + 1)
    axes.pcolormesh(
        edges, [row + 0.08, row + 0.74], layer.verdicts.ate[None, :] * scale, cmap="RdBu", norm=norm, rasterized=True
    )
    colours = np.array([[to_rgb(COLOURS[role]) for role in layer.verdicts.roles]])
    axes.pcolormesh(edges, [row + 0.77, row + 0.92], colours, rasterized=True)
    axes.plot([0, 1, 1, 0, 0], [row + 0.08, row + 0.08, row + 0.92, row + 0.92, row + 0.08], color="#555555", lw=0.5)


def _label_rows(axes: Axes, analysis: Analysis, graph: CausalGraph) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(len(graph.layers), 0)
    axes.set_xticks([])
    axes.set_yticks(
        [row + 0.5 for row in range(len(graph.layers))],
        labels=[f"{shortened(layer.name, 34)}  [{analysis.layers[layer.name].parents}]" for layer in graph.layers],
        fontsize=8,
    )
    axes.tick_params(left=False)
    for side in axes.spines.values():
        side.set_visible(False)
    for row, layer in enumerate(graph.layers):
        if layer.verdicts is None:
            continue
        counts = f"{len(layer.necessary)} necessary\n{len(layer.having(Role.NOISY))} noisy"
        axes.text(1.01, row + 0.5, counts, fontsize=7, va="center", color="#333333")


def _legend(axes: Axes, height: float, without: set[Role]) -> None:
    """Name the colours of the roles at the foot of the figure, without some."""
    assert axes.figure is not None
    shown = [(role, colour) for role, colour in COLOURS.items() if role not in without]
    for number, (role, colour) in enumerate(shown):
        x = LEFT / WIDTH + 0.11 * number
        axes.figure.text(x, 0.14 / height, "■", color=colour if role is not Role.DEAD else "#eeeeee", fontsize=10)
        axes.figure.text(x + 0.016, 0.15 / height, role.value, fontsize=8)
