"""What people read of the layers by which a quantised or converted model deviates."""

from collections.abc import Iterator

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.comparing.localisation import DecisionChange, LayerDeviation, Localisation
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.text import printable, shortened

NAME_WIDTH = 27
"""Longest name shown whole."""
SHOWN = 20
"""Layers shown."""
WORST = 3
"""Channels shown of a layer."""
COLUMNS = (
    Column("layer", "left", NAME_WIDTH, gap=0),
    Column("deviation"),
    Column("typical"),
    Column("worst channels", "left"),
    Column("accuracy, it alone", "left"),
    Column("same"),
    Column("accuracy, all but it", "left"),
)


def localised(comparison: ComparisonFile, found: Localisation) -> Iterator[str]:
    """Yield the lines of a table: a line for each layer, those that cost most first."""
    sides = (comparison.old, comparison.new) if found.reference == "old" else (comparison.new, comparison.old)
    names = [printable(side.model.file) for side in sides]
    accuracy = f"accuracy {found.accuracy[0]:.1%} and {found.accuracy[1]:.1%}"
    yield f"{names[1]}: where it deviates from {names[0]}, on {found.samples:,} samples; {accuracy}"
    entering = [printable(shortened(layer.reference, NAME_WIDTH)) for layer in found.layers if layer.enters]
    if entering:
        more = " ..." if len(entering) > WORST else ""
        yield f"layers that lose accuracy beyond sampling, each alone: {', '.join(entering[:WORST])}{more}"
    else:
        yield "no layer alone loses accuracy beyond sampling"
    yield from set_in_columns(COLUMNS, map(_layer, found.layers[:SHOWN]))
    if len(found.layers) > SHOWN:
        yield f"  and {len(found.layers) - SHOWN} more layers that cost no more"
    for left in found.left_out:
        yield f"note: layer {printable(left.layer)} was not exchanged: {printable(left.reason)}"


def _layer(record: LayerDeviation) -> list[str]:
    worst = ", ".join(f"{entry.channel} ({_size(entry.deviation)})" for entry in record.worst[:WORST])
    return [
        shortened(record.reference, NAME_WIDTH),
        _size(record.deviation),
        _size(record.typical),
        worst or "none",
        _change(record.other_alone),
        f"{record.other_alone.agreement:.1%}",
        _change(record.reference_alone),
    ]


def _change(change: DecisionChange) -> str:
    low, high = (100 * end for end in change.interval)
    return f"{change.after:.1%} ({low:+.1f} to {high:+.1f})"


def _size(value: float | None) -> str:
    return "inf" if value is None else f"{value:.2g}"
