"""How many groups of channels go: as few as reach the target."""

from collections.abc import Iterator
from dataclasses import dataclass

from onnxcausal.causal.compression import Order
from onnxcausal.errors import GateError
from onnxcausal.evaluation.accuracy_change import PairedChange, change_of
from onnxcausal.pipeline.compressing.options import CompressOptions
from onnxcausal.pipeline.compressing.smaller import Press, SmallerFile
from onnxcausal.pipeline.heldout.split import HeldOutSamples, decided_by
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.writing.trial_file import milliseconds

STEP = 0.05
"""Between the sizes that are tried, as a share of the original's stored numbers."""
ENOUGH = 3
"""Sizes in a row that lose too much, after which no smaller one is tried."""


@dataclass(frozen=True, slots=True, eq=False)
class TriedSize:
    """A size on the samples to choose on.

    Attributes:
        number: how many groups are gone.
        parameters: stored numbers that are left.
        change: of the accuracy over all samples.
        latency: time for one sample as a share of the original's; None where it was not measured.
    """

    number: int
    parameters: int
    change: PairedChange
    latency: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ChosenSize:
    """The smaller file.

    Attributes:
        smaller: the file.
        number: how many groups are gone.
        tried: the sizes it was chosen from.
    """

    smaller: SmallerFile
    number: int
    tried: tuple[TriedSize, ...]


def choose_size(
    press: Press, order: Order, part: HeldOutSamples, options: CompressOptions, progress: Progress
) -> ChosenSize:
    """Return the file that reaches the target with the fewest groups gone, or with --max-drop the smallest in bounds.

    Args:
        press: makes the files.
        order: the groups, the first to go first.
        part: the samples to choose on.
        options: settings of the compression.
        progress: told what happens.

    Raises:
        GateError: the target is out of reach.
    """
    if options.target_size is not None:
        number = press.fewest(order, int(options.target_size * press.parameters))
        return ChosenSize(_made(press, order, number, part, options), number, ())
    tried: list[TriedSize] = []
    for entry in _sizes(press, order, part, options):
        progress.layer(f"{entry.parameters / press.parameters:.0%} of the stored numbers")
        tried.append(entry)
        if _is_enough(tried, options):
            break
    number = _best(tried, press, options)
    return ChosenSize(_made(press, order, number, part, options), number, tuple(tried))


def _made(press: Press, order: Order, number: int, part: HeldOutSamples, options: CompressOptions) -> SmallerFile:
    return press.make(order[:number], fitted_on=part if options.refit else None)


def _sizes(press: Press, order: Order, part: HeldOutSamples, options: CompressOptions) -> Iterator[TriedSize]:
    """Yield what ever smaller files do, the largest first."""
    before = decided_by(press.subject, press.subject.network, part)
    one = next(part.blocks()).x[:1]
    least = press.parameters_without(order)
    seen = {0}
    for step in range(1, round(1 / STEP)):
        most = int((1 - step * STEP) * press.parameters)
        number = len(order) if most < least else press.fewest(order, most)
        if number in seen:
            continue
        seen.add(number)
        made = _made(press, order, number, part, options)
        latency = None
        if options.target_latency is not None:
            old, new = milliseconds([press.subject.network, made.network], one)
            latency = new / old
        after = decided_by(press.subject, made.network, part)
        yield TriedSize(number, made.parameters, change_of(before.right, after.right), latency)


def _is_enough(tried: list[TriedSize], options: CompressOptions) -> bool:
    """Whether smaller files need not be tried."""
    if options.target_latency is not None:
        return _meets(tried[-1], options.target_latency)
    assert options.max_drop is not None
    return len(tried) >= ENOUGH and all(-entry.change.difference > options.max_drop for entry in tried[-ENOUGH:])


def _best(tried: list[TriedSize], press: Press, options: CompressOptions) -> int:
    if options.target_latency is not None:
        found = [entry for entry in tried if _meets(entry, options.target_latency)]
        if not found:
            raise _too_slow(tried, press, options.target_latency)
        return found[0].number
    assert options.max_drop is not None
    least = -options.max_drop
    inside = [entry for entry in tried if entry.change.difference >= least]
    proven = [entry for entry in inside if entry.change.least() >= least]
    if not inside:
        raise _too_costly(tried, press, options.max_drop)
    return max(entry.number for entry in proven or inside)


def _meets(entry: TriedSize, share: float) -> bool:
    return entry.latency is not None and entry.latency <= share


def _too_slow(tried: list[TriedSize], press: Press, share: float) -> GateError:
    best = min((entry.latency for entry in tried if entry.latency is not None), default=1.0)
    return GateError(
        "the model cannot be made so fast",
        where=f"{press.original.model.name}, --target-latency {share:.0%}",
        why=f"of {len(tried)} smaller files the fastest takes {best:.0%} of the original's time for one sample",
        remedy="ask for a larger share, or for a size with --target-size",
    )


def _too_costly(tried: list[TriedSize], press: Press, most: float) -> GateError:
    best = max((entry.change.difference for entry in tried), default=0.0)
    return GateError(
        "no smaller file stays within the drop",
        where=f"{press.original.model.name}, --max-drop {most:.2%}",
        why=f"of {len(tried)} smaller files the best changes the accuracy by {100 * best:+.1f} points on the "
        "samples to choose on",
        remedy="allow a larger drop, or pass --refit",
    )
