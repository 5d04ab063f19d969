"""Draws the README's picture from a real run: what a class rests on, how sure that is, what its repair does elsewhere.

python tools/readme_picture.py
"""

import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from onnxcausal.analysis.formats.side_effects import SideEffectsFile
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.pipeline.analyze import analyze
from onnxcausal.pipeline.repair import repair
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.report.figures.canvas import COLOURS, to_png

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "models"
PICTURE = ROOT / "docs" / "pictures" / "overview.png"
MODEL = MODELS / "digits_mislabelled.onnx"
REPAIRED = 4
"""The class of which half the training labels said nine."""
SAMPLES, MOST_LOST = 25, 0.15
"""Settings of the example of a repair in the README and docs/."""
SHOWN = 9
"""Effects of each sign that are drawn."""
INK, PALE, MASKED = "#202020", "#8a8a8a", "#d68910"
STRONG = (Role.NECESSARY, Role.NOISY)
NARROW = 0.12
"""Room of a weak node in its row, as a share of a strong one's."""
OUTCOME = 0.3
"""Where the outcome stands above the rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the run found.

    Attributes:
        graph: the causal graph of the repaired class.
        layer: the layer that was masked.
        masked: its masked nodes.
        record: what the masks change on held-out samples.
    """

    graph: CausalGraph
    layer: LayerResult
    masked: tuple[int, ...]
    record: SideEffectsFile


def main(picture: Path = PICTURE) -> None:
    """Run, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        found = find(Path(folder))
    picture.write_bytes(draw(found))


def find(folder: Path) -> Found:
    """Analyse and repair the shipped model, in an empty folder."""
    analysis = analyze(MODEL, out=folder / "analysis", samples=SAMPLES, outcome="margin")
    options = RepairOptions(repaired=(str(REPAIRED),), max_drop=MOST_LOST)
    record = repair(MODEL, folder / "repaired.onnx", analysis=folder / "analysis", options=options).record
    assert record.plan is not None
    (place,) = record.plan.nodes
    graph = analysis.graph(REPAIRED)
    (layer,) = (layer for layer in graph.layers if layer.name == place.layer)
    return Found(graph, layer, tuple(place.nodes), record)


def draw(found: Found) -> bytes:
    """Return the picture as PNG."""
    figure = Figure(figsize=(12.6, 5.2), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    _draw_graph(figure.add_axes((0.075, 0.07, 0.315, 0.75)), found)
    _draw_effects(figure.add_axes((0.455, 0.07, 0.225, 0.75)), found)
    _draw_accuracy(figure.add_axes((0.735, 0.07, 0.25, 0.75)), found.record)
    layer, nodes = _short(found.layer.name), " and ".join(map(str, found.masked))
    samples = found.record.overall.n
    heads = (
        (
            0.01,
            f"1  What does “{REPAIRED}” rest on?",
            "Red nodes carry its lead over other classes; blue ones work against it.",
        ),
        (0.405, "2  How sure is that?", f"Effect of removing one node of {layer}, 95 % interval."),
        (0.71, f"3  What if {nodes} go?", f"Accuracy on {samples} samples kept for this."),
    )
    for x, question, below in heads:
        figure.text(x, 0.93, question, fontsize=15.5, weight="bold", color=INK)
        figure.text(x, 0.87, below, fontsize=9.6, color="#505050")
    return _small(to_png(figure))


def _small(png: bytes) -> bytes:
    """Return a picture in 128 colours, which take half the bytes."""
    content = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128).save(content, "png", optimize=True)
    return content.getvalue()


def _short(name: str) -> str:
    return name.strip("/").split("/")[0]


def _places(layer: LayerResult) -> np.ndarray:
    """Return where each node stands in its row, 0..1: from the most necessary to the noisiest, weak ones close by."""
    order = np.argsort(layer.ate, kind="stable")
    room = np.array([1.0 if role in STRONG or len(order) <= SHOWN else NARROW for role in layer.roles])[order]
    places = np.empty(len(order))
    places[order] = (np.cumsum(room) - room / 2) / room.sum()
    return places


def _draw_graph(axes: Axes, found: Found) -> None:
    layers = found.graph.layers
    rows = {layer.name: len(layers) - 1 - place for place, layer in enumerate(layers)}
    places = {layer.name: _places(layer) for layer in layers}
    top = len(layers)
    axes.plot(OUTCOME, top, "o", ms=19, color=INK)
    axes.text(OUTCOME, top - 0.015, str(REPAIRED), color="white", ha="center", va="center", fontsize=12, weight="bold")
    for layer in layers:
        largest = float(np.abs(layer.ate).max())
        below = {child: (rows[name], places[name][node]) for name, child, node in layer.links}
        for parent, child in layer.edges():
            row, x = below.get(child, (top, OUTCOME))
            strength = abs(layer.ate[parent]) / largest
            width, opacity = 0.3 + 1.3 * strength, 0.06 + 0.3 * strength**2
            start = (places[layer.name][parent], rows[layer.name])
            axes.plot([start[0], x], [start[1], row], color=COLOURS[Role.NECESSARY], lw=width, alpha=opacity, zorder=1)
        _draw_row(axes, layer, places[layer.name], rows[layer.name])
        held = f"{len(layer.necessary)} of {len(layer.ate)}"
        axes.text(-0.05, rows[layer.name] + 0.1, _short(layer.name), ha="right", fontsize=10.5, color=INK)
        axes.text(-0.05, rows[layer.name] - 0.17, held, ha="right", fontsize=8.5, color=COLOURS[Role.NECESSARY])
    _ring(axes, found, places[found.layer.name], rows[found.layer.name])
    axes.text(-0.05, top - 0.06, "outcome", ha="right", fontsize=10.5, color=INK)
    axes.text(-0.05, -0.5, "input", ha="right", fontsize=10.5, color=PALE)
    axes.set(xlim=(-0.06, 1.02), ylim=(-0.55, top + 0.45))
    axes.axis("off")


def _draw_row(axes: Axes, layer: LayerResult, x: np.ndarray, row: int) -> None:
    strength = np.sqrt(np.abs(layer.ate) / np.abs(layer.ate).max())
    for place, role in enumerate(layer.roles):
        if role in STRONG:
            axes.plot(
                x[place], row, "o", ms=3.5 + 7 * strength[place], color=COLOURS[role], mec="white", mew=0.6, zorder=3
            )
        else:
            axes.plot(x[place], row, "o", ms=2.2, color="#b5b5b5", zorder=2)


def _ring(axes: Axes, found: Found, x: np.ndarray, row: int) -> None:
    for node in found.masked:
        axes.plot(x[node], row, "o", ms=15, mfc="none", mec=MASKED, mew=2, zorder=4)
        axes.text(x[node], row + 0.27, str(node), ha="center", fontsize=9.5, weight="bold", color=MASKED)


def _draw_effects(axes: Axes, found: Found) -> None:
    verdicts, ate = found.layer.verdicts, found.layer.ate
    assert verdicts is not None
    order = np.argsort(ate, kind="stable")
    shown = [int(node) for node in (*order[:SHOWN], *order[-SHOWN:])]
    for row, node in enumerate(shown):
        y, colour = -row - (row >= SHOWN) * 1.0, COLOURS[verdicts.roles[node]]
        if node in found.masked:
            axes.axhspan(y - 0.5, y + 0.5, color=MASKED, alpha=0.22, lw=0)
        axes.plot([verdicts.low[node], verdicts.high[node]], [y, y], color=colour, lw=2.4, solid_capstyle="butt")
        axes.plot(ate[node], y, "o", ms=5.5, color=colour)
    axes.axvline(0, color=INK, lw=0.8)
    axes.text(0.0, -SHOWN, f"{len(ate) - 2 * SHOWN} more", fontsize=8.5, color=PALE, ha="center", va="center")
    axes.set_yticks(
        [-row - (row >= SHOWN) for row in range(2 * SHOWN)], [f"node {node}" for node in shown], fontsize=8.5
    )
    axes.text(
        0.97, 0.93, "necessary", transform=axes.transAxes, ha="right", color=COLOURS[Role.NECESSARY], fontsize=10.5
    )
    axes.text(0.03, 0.07, "noisy", transform=axes.transAxes, ha="left", color=COLOURS[Role.NOISY], fontsize=10.5)
    axes.set_ylim(-2 * SHOWN - 0.7, 0.7)
    _plain(axes)


def _draw_accuracy(axes: Axes, record: SideEffectsFile) -> None:
    for row, held in enumerate(record.classes):
        change = held.change
        before, after = 100 * change.before, 100 * change.after
        colour = PALE if before == after else MASKED
        axes.plot([before, after], [-row, -row], color=colour, lw=2.5, zorder=1)
        axes.plot(before, -row, "o", ms=8, mfc="white", mec=INK, mew=1.3, zorder=2)
        axes.plot(after, -row, "o", ms=6, color=colour if before != after else INK, zorder=3)
        if held.target == REPAIRED:
            low, high = (100 * bound for bound in change.interval)
            told = f"{before:.1f} % → {after:.1f} %: {after - before:+.1f} points"
            sure = f"95 %: {low:+.1f} to {high:+.1f}; p = {change.p:.5f}"
            axes.text(before, -row + 0.25, told, fontsize=9.5, color=INK, va="bottom", weight="bold")
            axes.text(before, -row - 0.28, sure, fontsize=9.5, color=INK, va="top")
    _legend(axes)
    axes.set_yticks([-row for row in range(len(record.classes))], [f"class {held.target}" for held in record.classes])
    axes.set(xlim=(25, 104), ylim=(-len(record.classes) + 0.4, 0.6))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
    _plain(axes)


def _legend(axes: Axes) -> None:
    axes.plot([], [], "o", ms=8, mfc="white", mec=INK, mew=1.3, label="before")
    axes.plot([], [], "o", ms=6, color=MASKED, label="after")
    axes.legend(loc="center left", fontsize=9.5, frameon=False, bbox_to_anchor=(0.02, 0.86))


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8.5, length=0)
    axes.grid(axis="x", color="#e8e8e8", lw=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
