"""What people read of a repair: a table and a figure of what it changes."""

from collections.abc import Iterator

from onnxcausal.analysis.formats.side_effects import ChangeRecord, ClassRecord, SideEffectsFile
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.report.cells import CHANGE, change_cells, points
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.figures.class_changes import Beside, figure_of_classes, most_changed
from onnxcausal.report.text import printable, shortened

MOST_MOVED = 6
"""Confusions shown."""
WIDTH_OF_NAME = 24
MOVED = (Column("decided as", "left", 42, gap=0), Column("before", gap=1), Column("after"))
SCALE = "change of accuracy, points, interval at level 0.95 (coloured: adjusted p < 0.05)"
"""Of the figure."""


def table(found: SideEffectsFile) -> str:
    """Return what changes as text."""
    lines = [_title(found), *(f"note: {printable(note)}" for note in found.notes)]
    lines += [f"not within --max-drop: {printable(why)}" for why in found.refused]
    lines += [*_plan(found), "", *_accuracy(found), "", *_moved(found), *_quality(found)]
    return "\n".join(lines) + "\n"


def figure(found: SideEffectsFile) -> bytes:
    """Return the change of accuracy of each class with its interval, beside the controls, as PNG."""
    shown = most_changed(found.classes)
    beside = [Beside(held.method, marker, held.classes) for held, marker in zip(found.controls, "x+", strict=False)]
    return figure_of_classes(_title(found), SCALE, shown, [_named(entry) for entry in shown], beside)


def facts(found: SideEffectsFile) -> dict[str, object]:
    """Return what changes in words, by what it is about; the same for the same masks, model and data."""
    told: dict[str, object] = {}
    if found.plan is not None:
        how = f"weights times {found.plan.beta:g}, replaced by {found.plan.replace}"
        nodes = {entry.layer: ", ".join(map(str, entry.nodes)) for entry in found.plan.nodes}
        told["nodes that are masked"] = nodes | {"how": how}
    if found.objective is not None:
        told["what it is to raise"] = _told(found.objective)
    told["measured on"] = f"{found.overall.n} samples of {found.data.source} that the masks were not chosen on"
    shown = most_changed(found.classes)
    accuracy = {_named(entry): _told(entry.change) for entry in shown}
    told["accuracy"] = accuracy | {"all samples": _told(found.overall)}
    names = {entry.target: entry.name for entry in found.classes}
    told["decided as"] = {
        f"{_title_of(held.label, names)} as {_title_of(held.decided, names)}": f"{held.before} to {held.after}"
        for held in found.moved[:MOST_MOVED]
    }
    told["as many nodes chosen otherwise"] = {
        held.method: f"objective {100 * held.value:+.1f} points, at best {100 * held.best:+.1f}; of {held.repeats} "
        f"choice(s) {held.gains} help significantly, {held.losses} harm a protected class"
        for held in found.controls
    }
    before, after = found.quality
    told["decided alike"] = f"{found.agreement:.1%}"
    told["calibration error"] = f"{before.calibration_error:.3f} to {after.calibration_error:.3f}"
    return told | ({"notes": found.notes} if found.notes else {})


def _told(change: ChangeRecord) -> str:
    low, high = (100 * end for end in change.interval)
    difference = 100 * (change.after - change.before)
    return (
        f"{change.before:.1%} to {change.after:.1%} ({difference:+.1f} points, {low:+.1f} to {high:+.1f}; "
        f"p = {change.p:.2g}, {change.n} samples)"
    )


def _title(found: SideEffectsFile) -> str:
    edges = f"{found.overall.n} samples of {printable(found.data.source)}"
    return f"{printable(found.model.file)}: what the masks change on {edges}"


def _plan(found: SideEffectsFile) -> Iterator[str]:
    if found.plan is None:
        return
    plan = found.plan
    number = sum(len(entry.nodes) for entry in plan.nodes)
    yield (
        f"{number} node(s) of {len(plan.nodes)} layer(s), weights times {plan.beta:g}, replaced by {plan.replace}; "
        f"the best of {len(plan.tried)} plans on other samples"
    )
    for entry in plan.nodes:
        nodes = ", ".join(map(str, entry.nodes[:12])) + (" ..." if len(entry.nodes) > 12 else "")  # noqa: PLR2004
        yield f"  {shortened(entry.layer, 36)}: {nodes}"


def _accuracy(found: SideEffectsFile) -> Iterator[str]:
    shown = most_changed(found.classes)
    rows = [[_named(entry), *change_cells(entry.change), _beside(found, entry.target)] for entry in shown]
    if found.objective is not None:
        rows.append(["objective", *change_cells(found.objective), ""])
    rows.append(["all samples", *change_cells(found.overall), _beside(found, None)])
    beside = Column(" / ".join(held.method for held in found.controls), "left", gap=3)
    head, *lines = set_in_columns([Column("accuracy", "left", WIDTH_OF_NAME, gap=0), *CHANGE, beside], rows)
    yield from (head, *lines[: len(shown)])
    if len(shown) < len(found.classes):
        yield f"  ... {len(found.classes) - len(shown)} more classes"
    yield from lines[len(shown) :]
    for held in found.controls:
        change = f"objective {points(held.value):+.1f}, at best {points(held.best):+.1f}"
        shares = f"{held.gains} help significantly, {held.losses} harm a protected class"
        yield f"  {held.method}: {change}; of {held.repeats} choice(s) {shares}"


def _beside(found: SideEffectsFile, target: int | None) -> str:
    """Return the change that each control makes, in points."""
    changes = [held.overall if target is None else held.classes.get(target, 0.0) for held in found.controls]
    return " / ".join(f"{points(change):+.1f}" for change in changes)


def _moved(found: SideEffectsFile) -> Iterator[str]:
    names = {entry.target: entry.name for entry in found.classes}
    rows = [
        [f"{_title_of(held.label, names)} as {_title_of(held.decided, names)}", str(held.before), str(held.after)]
        for held in found.moved[:MOST_MOVED]
    ]
    if rows:
        yield from set_in_columns(MOVED, rows)


def _quality(found: SideEffectsFile) -> Iterator[str]:
    before, after = found.quality
    yield (
        f"  decided alike {found.agreement:.1%}; calibration error {before.calibration_error:.3f} to "
        f"{after.calibration_error:.3f}; log-probability of the right class {before.log_probability:.3f} to "
        f"{after.log_probability:.3f}"
    )
    if found.cost:
        old, new = found.cost
        times = f"{old.milliseconds:.2f} to {new.milliseconds:.2f} ms"
        yield f"  file {old.bytes:,} to {new.bytes:,} bytes; one sample {times}"


def _named(entry: ClassRecord) -> str:
    mark = "" if entry.protected else " (not protected)"
    return shortened(f"{_title_of(entry.target, {entry.target: entry.name})}{mark}", WIDTH_OF_NAME)


def _title_of(target: int, names: dict[int, str | None]) -> str:
    name = names.get(target)
    return printable(title_of(target, None) if not name else f"{target} {name}")
