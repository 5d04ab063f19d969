"""What people read of a comparison."""

from collections.abc import Iterator

from onnxcausal.analysis.comparing.comparison import ClassChange, ComparisonFile, LayerChange
from onnxcausal.analysis.gating.checks import what_changed
from onnxcausal.analysis.result.analysis import titled
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.localisation import localised
from onnxcausal.report.text import printable, shortened

NAME_WIDTH = 27
"""Longest name shown whole."""
DETAILED = 3
"""Classes shown layer by layer."""
CLASS = (
    Column("class", "left", NAME_WIDTH, gap=0),
    Column("accuracy", width=15),
    Column("mean outcome", width=16),
    Column("nodes", width=6),
    Column("largest"),
    Column("beyond sampling", "left"),
)
LAYER = (
    Column("layer", "left", NAME_WIDTH, gap=0),
    Column("nodes", width=8),
    Column("edges", width=10),
    Column("role"),
    Column("strength"),
    Column(side="left"),
)


def table(comparison: ComparisonFile) -> str:
    """Return the comparison as text: a line for each class, and the layers of those that changed most."""
    lines = [
        f"{printable(comparison.new.model.file)}, against {printable(comparison.old.model.file)}: {told(comparison)}",
        _criterion(comparison),
        *(f"note: {printable(note)}" for note in comparison.notes),
        *_layers(comparison),
        "",
        *set_in_columns(CLASS, map(_class, comparison.classes)),
    ]
    if comparison.not_compared:
        lines.append(f"  in one of the two only: {', '.join(map(str, comparison.not_compared))}")
    for found in [found for found in comparison.classes if found.beyond_sampling][:DETAILED]:
        lines += ["", *_detail(found)]
    if comparison.localisation is not None:
        lines += ["", *localised(comparison, comparison.localisation)]
    return "\n".join(lines) + "\n"


def _criterion(comparison: ComparisonFile) -> str:
    criterion = comparison.criterion
    chance = f"{comparison.tests:,} tests, chance of a single false alarm {criterion.alpha:g}"
    return f"{chance}, margin {criterion.margin:g} sd of the outcome"


def told(comparison: ComparisonFile) -> str:
    """Return the verdict."""
    if comparison.differs:
        return "the models differ beyond sampling"
    return "the same model" if comparison.same_model else "no difference beyond sampling"


def title(found: ClassChange) -> str:
    """Return how a class is shown."""
    return printable(titled(found.target, found.class_name))


def _layers(comparison: ComparisonFile) -> Iterator[str]:
    """Yield what is to be said of layers that changed their name or have no partner."""
    for record in comparison.layers:
        if record.by is None:
            where = "old" if record.new is None else "new"
            name = printable(record.old or record.new or "")
            yield f"note: layer {name} of the {where} model is compared with none: {printable(record.reason or '')}"
        elif record.old != record.new:
            yield f"note: layer {printable(record.old or '')} is now {printable(record.new or '')} (by structure)"


def _class(found: ClassChange) -> list[str]:
    accuracy, outcome = "", "no graph in one"
    if found.accuracy is not None:
        shares = [
            correct / examined if examined else 0.0 for correct, examined in (found.accuracy.old, found.accuracy.new)
        ]
        accuracy = f"{shares[0]:.1%} {shares[1]:.1%}"
    if found.outcome is not None:
        outcome = f"{found.outcome.old:.4g} {found.outcome.new:.4g}"
    largest = max((layer.largest for layer in found.layers if layer.largest is not None), default=0.0)
    numbers = [accuracy, outcome, str(found.changed), f"{largest:.2f}"]
    return [shortened(title(found), NAME_WIDTH), *numbers, what_changed(found) or "nothing"]


def _detail(found: ClassChange) -> Iterator[str]:
    yield f"class {title(found)}: necessary nodes and edges that appeared, vanished; nodes of another role, strength"
    yield from set_in_columns(LAYER, map(_layer, found.layers))


def _layer(layer: LayerChange) -> list[str]:
    old, new = set(layer.old_necessary), set(layer.new_necessary)
    return [
        shortened(layer.new, NAME_WIDTH),
        f"+{len(new - old)} -{len(old - new)}",
        f"+{layer.edges_appeared} -{layer.edges_vanished}",
        str(layer.role_changed),
        str(layer.beyond_sampling) if layer.compared != "not" else "",
        layer.reason or "",
    ]
