"""A change of accuracy as cells of a table, the same wherever one is told."""

from onnxcausal.analysis.formats.side_effects import ChangeRecord
from onnxcausal.report.columns import Column

CHANGE = (
    Column("before", width=7, gap=1),
    Column("after", width=7, gap=1),
    Column("change (level 0.95)", "left", width=22, gap=3),
    Column("lost", width=5, gap=1),
    Column("gained", gap=1),
    Column("p", width=8, gap=1),
)
"""Columns of a change."""


def change_cells(change: ChangeRecord) -> list[str]:
    """Return accuracy before and after, the difference and its interval, samples lost and gained, and p."""
    low, high = change.interval
    difference = f"{points(change.after - change.before):+.1f} ({points(low):+.1f} to {points(high):+.1f})"
    counts = [str(change.lost), str(change.gained)]
    return [f"{change.before:.1%}", f"{change.after:.1%}", difference, *counts, f"{change.p:.2g}"]


def points(share: float) -> float:
    """Return a share in points, rounded as it is shown, without a negative zero.

    >>> f"{points(-0.0001):+.1f} {points(0.25):+.1f}"
    '+0.0 +25.0'
    """
    return round(100 * share, 1) + 0.0
