"""A figure of how accuracy changes, a class a row, and which classes are shown where they are many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes

from onnxcausal.analysis.formats.side_effects import ClassRecord
from onnxcausal.report.figures.canvas import new_figure, to_png

MOST_CLASSES = 20
"""Classes shown in the table and the figure: those that change most; with more, the rest is in the record."""
BETTER, WORSE, UNCHANGED, OTHER = "#1e8449", "#c0392b", "#8795a1", "#2471a3"
SIGNIFICANT = 0.05
"""Classes with an adjusted p-value below it are coloured."""
ROW, FEWEST_ROWS = 0.24, 6
"""Height of a class in the figure, in inches; and so many at least."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What was done otherwise, to compare with.

    Attributes:
        method: how.
        marker: as matplotlib names it.
        changes: change of accuracy by class, a share.
    """

    method: str
    marker: str
    changes: Mapping[int, float]


def most_changed(classes: list[ClassRecord]) -> list[ClassRecord]:
    """Return the classes that change most, in their order."""
    if len(classes) <= MOST_CLASSES:
        return classes
    most = sorted(classes, key=lambda entry: -abs(entry.change.after - entry.change.before))[:MOST_CLASSES]
    return sorted(most, key=lambda entry: entry.target)


def figure_of_classes(
    title: str, scale: str, classes: Sequence[ClassRecord], names: Sequence[str], others: Sequence[Beside]
) -> bytes:
    """Return the change of accuracy of each class with its interval, beside what was done otherwise, as PNG.

    Args:
        title: over the figure.
        scale: what its axis says.
        classes: classes that are shown.
        names: their names, as shown.
        others: what was done otherwise.
    """
    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        drawing = new_figure(1.6 + ROW * max(len(classes), FEWEST_ROWS))
        axes = drawing.add_axes((0.16, 0.2, 0.6, 0.66))
        for place, entry in enumerate(classes):
            _draw(axes, place, entry, others)
        axes.axvline(0, color="black", lw=0.8)
        axes.set_yticks(range(len(classes)), labels=list(names), fontsize=7)
        axes.invert_yaxis()
        axes.tick_params(axis="x", labelsize=7)
        axes.set_xlabel(scale, fontsize=8)
        axes.set_title(title, fontsize=9, loc="left")
        if others:
            axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
        return to_png(drawing)


def _draw(axes: Axes, place: int, entry: ClassRecord, others: Sequence[Beside]) -> None:
    """Draw the change of a class with its interval, and those beside it."""
    change = entry.change
    difference = 100 * (change.after - change.before)
    proven = entry.p_adjusted < SIGNIFICANT and difference != 0
    colour = (BETTER if difference > 0 else WORSE) if proven else UNCHANGED
    low, high = (100 * end for end in change.interval)
    axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="butt")
    axes.plot([difference], [place], "o", color=colour, ms=6)
    for held in others:
        value = 100 * held.changes.get(entry.target, 0.0)
        axes.plot([value], [place], held.marker, color=OTHER, ms=6, label=held.method if place == 0 else None)
