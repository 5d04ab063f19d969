"""The picture of a model's layers: boxes from the input at the top to the outcome, and how they feed each other."""

import math
from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from onnxcausal.analysis.result.inspection import Inspection, LayerFacts, LinkKind
from onnxcausal.report.figures.canvas import WIDTH, new_figure, to_png
from onnxcausal.report.text import printable, shortened

ROW = 0.42
"""Height of a row, in inches."""
BOX_HEIGHT = 0.56
"""Of the height of a row."""
TALLEST_COLUMN = 24
"""Rows in a column; deeper models continue in the next one."""
NEAREST = 2
"""Links are drawn to layers in the nearest rows that a layer reaches, as many; the others are counted."""
MOST_COLUMNS = 4
"""Columns; models deeper still have longer ones."""
TITLE, FOOT = 0.75, 0.55
"""Height of title and legend, in inches."""
LINES = {LinkKind.TRACKED: "-", LinkKind.NORMALISED: "--", LinkKind.UNTRACKED: ":", LinkKind.UNKNOWN: ":"}
INK, FAINT, MARKED = "#444444", "#9a9a9a", "#c0392b"
COLOURS = {LinkKind.UNKNOWN: FAINT}
INPUT, OUTCOME = "input", "outcome"
End = tuple[str, str]
"""Kind and name of a box."""
_BARE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
"""Behind a text that lines may pass."""
Place = tuple[float, float, float]
"""Centre of a box and half its width, in units of columns and rows."""


def layer_graph(inspection: Inspection) -> bytes:
    """Return a PNG of the layers: parents x children in each box, edges drawn by how surely the flow is known."""
    # Names come from the model: a dollar sign in one is no formula.
    with rc_context({"text.parse_math": False}):
        rows = 2 + len({layer.depth for layer in inspection.layers})
        columns = min(MOST_COLUMNS, math.ceil(rows / TALLEST_COLUMN))
        tall = math.ceil(rows / columns)
        height = TITLE + FOOT + ROW * tall
        figure = new_figure(height)
        axes = figure.add_axes((0.01, FOOT / height, 0.98, ROW * tall / height))
        axes.set_xlim(0, columns)
        axes.set_ylim(tall - 0.5, -0.5)
        axes.axis("off")
        places = _places(inspection, tall)
        _edges(axes, inspection, places)
        _boxes(axes, inspection, places)
        title = f"{printable(inspection.file.name)}: {len(inspection.layers)} layers"
        figure.text(0.02, 1 - 0.3 / height, title, fontsize=11, weight="bold")
        figure.text(0.02, 1 - 0.52 / height, _subtitle(inspection), fontsize=8)
        _legend(axes, height)
        return to_png(figure)


def _subtitle(inspection: Inspection) -> str:
    told = "parents x children; +n: links to layers further down that are not drawn"
    return told + (f"; flow unknown: {shortened(inspection.flow_reason, 90)}" if inspection.flow_reason else "")


def _places(inspection: Inspection, tall: int) -> dict[End, Place]:
    """Return where each box stands: layers at the same depth side by side."""
    by_depth: dict[int, list[End]] = {}
    for layer in reversed(inspection.layers):
        by_depth.setdefault(layer.depth, []).append(("layer", layer.name))
    rows = [[(INPUT, "")], *(by_depth[depth] for depth in sorted(by_depth)), [(OUTCOME, "")]]
    places: dict[End, Place] = {}
    for row, ends in enumerate(rows):
        share = 0.74 / len(ends)
        for number, end in enumerate(ends):
            places[end] = (row // tall + 0.13 + share * (number + 0.5), row % tall, 0.47 * share)
    return places


def _boxes(axes: Axes, inspection: Inspection, places: Mapping[End, Place]) -> None:
    by_name = {layer.name: layer for layer in inspection.layers}
    columns = axes.get_xlim()[1]
    for (kind, name), (x, y, half) in places.items():
        layer = by_name.get(name) if kind == "layer" else None
        axes.add_patch(
            FancyBboxPatch(
                (x - half, y - BOX_HEIGHT / 2),
                2 * half,
                BOX_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.02",
                facecolor="#eef3f7" if layer else "#222222",
                edgecolor=INK,
                linewidth=0.6,
                zorder=3,
            )
        )
        letters = int(2 * half * WIDTH / columns * 16)  # as many as fit at this size
        text = _label(layer, letters) if layer else kind
        axes.text(x, y, text, fontsize=6.5, ha="center", va="center", zorder=4, color=INK if layer else "white")


def _label(layer: LayerFacts, letters: int) -> str:
    size = f"{layer.parents} x {layer.children}"
    room = letters - len(size) - 2
    return f"{shortened(layer.name, room)}  {size}" if room > 5 else shortened(size, max(letters, 3))  # noqa: PLR2004


def _edges(axes: Axes, inspection: Inspection, places: Mapping[End, Place]) -> None:
    depths: dict[str | None, int] = {layer.name: layer.depth for layer in inspection.layers}
    last = max(depths.values(), default=0) + 1
    first = sorted({layer.depth for layer in inspection.layers if None in layer.fed_by})[:NEAREST]
    for layer in inspection.layers:
        start = places[_end(layer.name, INPUT)]
        rows = {link.layer: depths.get(link.layer, last) for link in layer.into}
        nearest = sorted(set(rows.values()))[:NEAREST]
        drawn = [link for link in layer.into if rows[link.layer] in nearest]
        for link in drawn:
            stop = places[_end(link.layer, OUTCOME)]
            _edge(axes, start, stop, LINES[link.flow], COLOURS.get(link.flow, INK))
        if len(drawn) < len(layer.into):
            more = f"+{len(layer.into) - len(drawn)}"
            axes.text(
                start[0] - start[2] - 0.01,
                start[1],
                more,
                fontsize=6,
                ha="right",
                va="center",
                color=INK,
                zorder=5,
                bbox=_BARE,
            )
        if None in layer.fed_by and layer.depth in first:
            _edge(axes, places[INPUT, ""], places[_end(layer.name, OUTCOME)], "-", FAINT)
    for branch in inspection.branches:
        for above in branch.after:
            for below_name in branch.before:
                start, stop = places[_end(above, INPUT)], places[_end(below_name, OUTCOME)]
                _edge(axes, start, stop, "-", MARKED, width=1.6)


def _end(name: str | None, without: str) -> End:
    return (without, "") if name is None else ("layer", name)


def _edge(axes: Axes, start: Place, stop: Place, line: str, colour: str, *, width: float = 0.8) -> None:
    """Draw an arrow: straight to the next row, beside the boxes where it passes others, on to the next column."""
    (x0, y0, half0), (x1, y1, half1) = start, stop
    same_column = int(x0) == int(x1)
    inside = x1 + half1 < int(x1) + 0.8  # not the last box of its row, which alone can be reached from the side
    if same_column and (y1 - y0 == 1 or (inside and y1 > y0)):
        ends, bend = ((x0, y0 + BOX_HEIGHT / 2), (x1, y1 - BOX_HEIGHT / 2)), "arc3,rad=0"
    elif same_column:
        bow = min(0.5, 0.12 + 0.9 / max(1.0, abs(y1 - y0)))
        ends, bend = ((x0 + half0, y0), (x1 + half1, y1)), f"arc3,rad={-bow if y1 > y0 else bow}"
    else:
        ends, bend = ((x0 + half0, y0), (x1 - half1, y1)), "arc3,rad=0"
    axes.add_patch(
        FancyArrowPatch(
            *ends,
            arrowstyle="-|>",
            mutation_scale=6,
            connectionstyle=bend,
            linestyle=line,
            linewidth=width,
            color=colour,
            shrinkA=0,
            shrinkB=0,
            zorder=2,
            clip_on=False,
        )
    )


def _legend(axes: Axes, height: float) -> None:
    assert axes.figure is not None
    told = (
        ("———", INK, "tracked"),
        ("- - - -", INK, "normalised"),
        ("· · · ·", INK, "untracked"),
        ("· · · ·", FAINT, "unknown"),
        ("———", FAINT, "from the input"),
        ("———", MARKED, "bypass of most layers"),
    )
    for number, (line, colour, text) in enumerate(told):
        axes.figure.text(0.02 + 0.15 * number, 0.2 / height, line, color=colour, fontsize=8, weight="bold")
        axes.figure.text(0.065 + 0.15 * number, 0.2 / height, text, fontsize=8)
