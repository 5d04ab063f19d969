"""What people read of a repair: a table and a figure of what it changes."""

from collections.abc import Iterator

from matplotlib import rc_context
from matplotlib.axes import Axes

from onnxcausal.analysis.result import title_of
from onnxcausal.analysis.sideeffects import ChangeRecord, ClassRecord, SideEffectsFile
from onnxcausal.report.canvas import new_figure, to_png
from onnxcausal.report.text import printable, shortened

MOST_CLASSES = 20
"""Classes shown in the table and the figure: those that change most; with more, the rest is in the record."""
MOST_MOVED = 6
"""Confusions shown."""
WIDTH_OF_NAME = 24
BETTER, WORSE, UNCHANGED, CONTROL = "#1e8449", "#c0392b", "#8795a1", "#2471a3"
SIGNIFICANT = 0.05
"""Classes with an adjusted p-value below it are coloured."""
ROW, FEWEST_ROWS = 0.24, 6
"""Height of a class in the figure, in inches; and so many at least."""


def table(found: SideEffectsFile) -> str:
    """Return what changes as text."""
    lines = [_title(found), *(f"note: {printable(note)}" for note in found.notes)]
    lines += [f"not within --max-drop: {printable(why)}" for why in found.refused]
    lines += [*_plan(found), "", *_accuracy(found), "", *_moved(found), *_quality(found)]
    return "\n".join(lines) + "\n"


def figure(found: SideEffectsFile) -> bytes:
    """Return the change of accuracy of each class with its interval, beside the controls, as PNG."""
    shown = _shown(found)
    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        drawing = new_figure(1.6 + ROW * max(len(shown), FEWEST_ROWS))
        axes = drawing.add_axes((0.16, 0.2, 0.6, 0.66))
        _draw(axes, found, shown)
        return to_png(drawing)


def facts(found: SideEffectsFile) -> dict[str, object]:
    """Return what changes in words, by what it is about; the same for the same masks, model and data."""
    told: dict[str, object] = {}
    if found.plan is not None:
        how = f"weights times {found.plan.beta:g}, replaced by {found.plan.replace}"
        nodes = {entry.layer: ", ".join(map(str, entry.nodes)) for entry in found.plan.nodes}
        told["nodes that are masked"] = nodes | {"how": how}
    told["measured on"] = f"{found.overall.n} samples of {found.data.source} that the masks were not chosen on"
    shown = _shown(found)
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
    beside = "   " + " / ".join(held.method for held in found.controls) if found.controls else ""
    yield f"  accuracy                   before   after   change (level 0.95)      lost gained        p{beside}"
    shown = _shown(found)
    for entry in shown:
        yield f"  {_named(entry):<{WIDTH_OF_NAME}} {_cells(entry.change)} {_beside(found, entry.target)}".rstrip()
    if len(shown) < len(found.classes):
        yield f"  ... {len(found.classes) - len(shown)} more classes"
    if found.objective is not None:
        yield f"  {'objective':<{WIDTH_OF_NAME}} {_cells(found.objective)}"
    yield f"  {'all samples':<{WIDTH_OF_NAME}} {_cells(found.overall)} {_beside(found, None)}".rstrip()
    for held in found.controls:
        change = f"objective {_points(held.value):+.1f}, at best {_points(held.best):+.1f}"
        shares = f"{held.gains} help significantly, {held.losses} harm a protected class"
        yield f"  {held.method}: {change}; of {held.repeats} choice(s) {shares}"


def _cells(change: ChangeRecord) -> str:
    low, high = change.interval
    difference = f"{_points(change.after - change.before):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return (
        f"{change.before:>7.1%} {change.after:>7.1%}   {difference:<22} {change.lost:>5} {change.gained:>6} "
        f"{change.p:>8.2g}"
    )


def _points(share: float) -> float:
    """Return a share in points, rounded as it is shown, without a negative zero."""
    return round(100 * share, 1) + 0.0


def _beside(found: SideEffectsFile, target: int | None) -> str:
    """Return the change that each control makes, in points."""
    changes = [held.overall if target is None else held.classes.get(target, 0.0) for held in found.controls]
    return "  " + " / ".join(f"{_points(change):+.1f}" for change in changes) if changes else ""


def _moved(found: SideEffectsFile) -> Iterator[str]:
    names = {entry.target: entry.name for entry in found.classes}
    if found.moved:
        yield "  decided as                                 before  after"
    for held in found.moved[:MOST_MOVED]:
        label, decided = (_title_of(target, names) for target in (held.label, held.decided))
        yield f"  {f'{label} as {decided}':<42} {held.before:>6} {held.after:>6}"


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


def _shown(found: SideEffectsFile) -> list[ClassRecord]:
    """Return the classes that change most, in their order."""
    if len(found.classes) <= MOST_CLASSES:
        return found.classes
    most = sorted(found.classes, key=lambda entry: -abs(entry.change.after - entry.change.before))[:MOST_CLASSES]
    return sorted(most, key=lambda entry: entry.target)


def _named(entry: ClassRecord) -> str:
    mark = "" if entry.protected else " (not protected)"
    return shortened(f"{_title_of(entry.target, {entry.target: entry.name})}{mark}", WIDTH_OF_NAME)


def _title_of(target: int, names: dict[int, str | None]) -> str:
    name = names.get(target)
    return printable(title_of(target, None) if not name else f"{target} {name}")


def _draw(axes: Axes, found: SideEffectsFile, shown: list[ClassRecord]) -> None:
    """Draw a class a row: its change with its interval, and the changes that the controls make."""
    for place, entry in enumerate(shown):
        change = entry.change
        difference = 100 * (change.after - change.before)
        proven = entry.p_adjusted < SIGNIFICANT and difference != 0
        colour = (BETTER if difference > 0 else WORSE) if proven else UNCHANGED
        low, high = (100 * end for end in change.interval)
        axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="butt")
        axes.plot([difference], [place], "o", color=colour, ms=6)
        for held, marker in zip(found.controls, "x+", strict=False):
            label = held.method if place == 0 else None
            value = 100 * held.classes.get(entry.target, 0.0)
            axes.plot([value], [place], marker, color=CONTROL, ms=6, label=label)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(shown)), labels=[_named(entry) for entry in shown], fontsize=7)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("change of accuracy, points, interval at level 0.95 (coloured: adjusted p < 0.05)", fontsize=8)
    axes.set_title(_title(found), fontsize=9, loc="left")
    if found.controls:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
