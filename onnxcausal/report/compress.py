"""What people read of a compression: a table and a figure of what it changes."""

from collections.abc import Iterator

import numpy as np

from onnxcausal.analysis.formats.compression import CompressionFile, OtherOrderRecord
from onnxcausal.analysis.formats.side_effects import ClassRecord
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.report.cells import CHANGE, change_cells
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.figures.class_changes import Beside, figure_of_classes, most_changed
from onnxcausal.report.text import printable, shortened

MOST_LAYERS = 40
"""Layers shown in the table."""
NAME, LAYER = 24, 36
"""Widths of the first columns."""
SCALE = "change of accuracy, points, with its interval at level 0.95 (coloured: p < 0.05)"
"""Of the figure."""


def table(found: CompressionFile) -> str:
    """Return what was removed and what that changes, as text."""
    lines = [_title(found), *(f"note: {printable(note)}" for note in found.notes)]
    lines += [*_size(found), *_layers(found), "", *_accuracy(found)]
    return "\n".join(lines) + "\n"


def figure(found: CompressionFile) -> bytes:
    """Return the change of accuracy of each class with its interval, beside other orders, as PNG."""
    shown = most_changed(found.classes)
    return figure_of_classes(_title(found), SCALE, shown, [_named(entry) for entry in shown], _others(found))


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
    shown = (
        [
            shortened(entry.layer, LAYER),
            f"{entry.of_parents - entry.parents} of {entry.of_parents}",
            f"{entry.of_children - entry.children} of {entry.of_children}",
        ]
        for entry in found.lost[:MOST_LAYERS]
    )
    columns = [Column("layer", "left", LAYER, gap=0), Column("reads", width=12), Column("makes", width=12)]
    yield from set_in_columns(columns, shown)
    if len(found.lost) > MOST_LAYERS:
        yield f"  ... {len(found.lost) - MOST_LAYERS} more layers"


def _accuracy(found: CompressionFile) -> Iterator[str]:
    shown = most_changed(found.classes)
    rows = [[_named(entry), *change_cells(entry.change)] for entry in shown]
    rows += [["all samples", *change_cells(found.overall)]]
    rows += [[held.method, *change_cells(held.overall)] for held in found.others]
    head, *lines = set_in_columns([Column("accuracy", "left", NAME, gap=0), *CHANGE], rows)
    yield from (head, *lines[: len(shown)])
    if len(shown) < len(found.classes):
        yield f"  ... {len(found.classes) - len(shown)} more classes"
    yield lines[len(shown)]
    if found.others:
        yield f"  as many stored numbers removed in other orders{', fitted alike' if found.refit else ''}"
    yield from lines[len(shown) + 1 :]


def _named(entry: ClassRecord) -> str:
    return shortened(printable(f"{entry.target} {entry.name}" if entry.name else title_of(entry.target, None)), NAME)


def _others(found: CompressionFile) -> list[Beside]:
    """Return the mean changes that other orders make."""
    methods: dict[str, list[OtherOrderRecord]] = {}
    for held in found.others:
        methods.setdefault(held.method, []).append(held)
    return [
        Beside(
            method,
            marker,
            {
                entry.target: float(np.mean([held.classes.get(entry.target, 0.0) for held in several]))
                for entry in found.classes
            },
        )
        for (method, several), marker in zip(methods.items(), "+x", strict=False)
    ]
