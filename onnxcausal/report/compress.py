"""What people read of a compression: a table and a figure of what it changes."""

from collections.abc import Iterator

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from onnxcausal.analysis.compression import CompressionFile, OtherOrderRecord
from onnxcausal.analysis.result import title_of
from onnxcausal.analysis.sideeffects import ChangeRecord, ClassRecord
from onnxcausal.report.canvas import new_figure, to_png
from onnxcausal.report.text import printable, shortened

MOST_CLASSES = 20
"""Classes shown in the table and the figure: those that change most; with more, the rest is in the record."""
MOST_LAYERS = 40
"""Layers shown in the table."""
NAME, LAYER = 24, 36
"""Widths of the first columns."""
BETTER, WORSE, UNCHANGED, CONTROL = "#1e8449", "#c0392b", "#8795a1", "#2471a3"
SIGNIFICANT = 0.05
ROW, FEWEST_ROWS = 0.24, 6
"""Height of a class in the figure, in inches; and so many at least."""


def table(found: CompressionFile) -> str:
    """Return what was removed and what that changes, as text."""
    lines = [_title(found), *(f"note: {printable(note)}" for note in found.notes)]
    lines += [*_size(found), *_layers(found), "", *_accuracy(found)]
    return "\n".join(lines) + "\n"


def figure(found: CompressionFile) -> bytes:
    """Return the change of accuracy of each class with its interval, beside other orders, as PNG."""
    shown = _shown(found)
    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        drawing = new_figure(1.6 + ROW * max(len(shown), FEWEST_ROWS))
        axes = drawing.add_axes((0.16, 0.2, 0.6, 0.66))
        _draw(axes, found, shown)
        return to_png(drawing)


def _title(found: CompressionFile) -> str:
    before, after = found.parameters
    return f"{printable(found.model.file)}: {after:,} of {before:,} stored numbers are left ({after / before:.1%})"


def _size(found: CompressionFile) -> Iterator[str]:
    if found.cost:
        old, new = found.cost
        yield (
            f"  file {old.bytes:,} to {new.bytes:,} bytes; one sample {old.milliseconds:.2f} to "
            f"{new.milliseconds:.2f} ms"
        )
    if found.refit is not None:
        yield f"  {len(found.refit.layers)} layer(s) fitted anew to what the original makes of other samples"


def _layers(found: CompressionFile) -> Iterator[str]:
    yield f"  {'layer':<{LAYER}} {'reads':>13} {'makes':>13}"
    for entry in found.lost[:MOST_LAYERS]:
        reads = f"{entry.of_parents - entry.parents} of {entry.of_parents}"
        makes = f"{entry.of_children - entry.children} of {entry.of_children}"
        yield f"  {shortened(entry.layer, LAYER):<{LAYER}} {reads:>13} {makes:>13}"
    if len(found.lost) > MOST_LAYERS:
        yield f"  ... {len(found.lost) - MOST_LAYERS} more layers"


def _accuracy(found: CompressionFile) -> Iterator[str]:
    yield "  accuracy                   before   after   change (level 0.95)      lost gained        p"
    shown = _shown(found)
    for entry in shown:
        yield f"  {_named(entry):<{NAME}} {_cells(entry.change)}"
    if len(shown) < len(found.classes):
        yield f"  ... {len(found.classes) - len(shown)} more classes"
    yield f"  {'all samples':<{NAME}} {_cells(found.overall)}"
    if found.others:
        yield f"  as many stored numbers removed in other orders{', fitted alike' if found.refit else ''}"
    for held in found.others:
        yield f"  {printable(held.method):<{NAME}} {_cells(held.overall)}"


def _cells(change: ChangeRecord) -> str:
    low, high = change.interval
    difference = f"{100 * (change.after - change.before):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return (
        f"{change.before:>7.1%} {change.after:>7.1%}   {difference:<22} {change.lost:>5} {change.gained:>6} "
        f"{change.p:>8.2g}"
    )


def _shown(found: CompressionFile) -> list[ClassRecord]:
    """Return the classes that change most, in their order."""
    if len(found.classes) <= MOST_CLASSES:
        return found.classes
    most = sorted(found.classes, key=lambda entry: -abs(entry.change.after - entry.change.before))[:MOST_CLASSES]
    return sorted(most, key=lambda entry: entry.target)


def _named(entry: ClassRecord) -> str:
    return shortened(printable(f"{entry.target} {entry.name}" if entry.name else title_of(entry.target, None)), NAME)


def _draw(axes: Axes, found: CompressionFile, shown: list[ClassRecord]) -> None:
    """Draw a class a row: its change with its interval, and the mean changes of other orders."""
    methods: dict[str, list[OtherOrderRecord]] = {}
    for held in found.others:
        methods.setdefault(held.method, []).append(held)
    for place, entry in enumerate(shown):
        change = entry.change
        difference = 100 * (change.after - change.before)
        proven = change.p < SIGNIFICANT and difference != 0
        colour = (BETTER if difference > 0 else WORSE) if proven else UNCHANGED
        low, high = (100 * end for end in change.interval)
        axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="butt")
        axes.plot([difference], [place], "o", color=colour, ms=6)
        for (method, several), marker in zip(methods.items(), "+x", strict=False):
            value = 100 * float(np.mean([held.classes.get(entry.target, 0.0) for held in several]))
            axes.plot([value], [place], marker, color=CONTROL, ms=6, label=method if place == 0 else None)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(shown)), labels=[_named(entry) for entry in shown], fontsize=7)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("change of accuracy, points, with its interval at level 0.95 (coloured: p < 0.05)", fontsize=8)
    axes.set_title(_title(found), fontsize=9, loc="left")
    if found.others:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
