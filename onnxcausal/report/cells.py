"""A change of accuracy as cells of a table, the same wherever one is told."""

from onnxcausal.analysis.formats.side_effects import ChangeRecord


def change_cells(change: ChangeRecord) -> str:
    """Return accuracy before and after, the difference and its interval, samples lost and gained, and p."""
    low, high = change.interval
    difference = f"{points(change.after - change.before):+.1f} ({points(low):+.1f} to {points(high):+.1f})"
    return (
        f"{change.before:>7.1%} {change.after:>7.1%}   {difference:<22} {change.lost:>5} {change.gained:>6} "
        f"{change.p:>8.2g}"
    )


def points(share: float) -> float:
    """Return a share in points, rounded as it is shown, without a negative zero.

    >>> f"{points(-0.0001):+.1f} {points(0.25):+.1f}"
    '+0.0 +25.0'
    """
    return round(100 * share, 1) + 0.0
