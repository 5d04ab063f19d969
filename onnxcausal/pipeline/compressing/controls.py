"""What a smaller file does on samples it was not chosen on, beside files as small of other orders."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxcausal.causal.compression import Order
from onnxcausal.pipeline.compressing.channels import magnitude_order, random_order
from onnxcausal.pipeline.compressing.smaller import Press, SmallerFile
from onnxcausal.pipeline.heldout.changes import SideEffects, side_effects
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decided_by
from onnxcausal.pipeline.progress import Progress

REPEATS = 3
"""Random orders."""
MAGNITUDE, RANDOM = "smallest weights (L1)", "random"


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """A file as small, of another order.

    Attributes:
        method: how its groups were chosen.
        parameters: stored numbers in it.
        found: what it changes.
    """

    method: str
    parameters: int
    found: SideEffects


def compare(
    press: Press, smaller: SmallerFile, parts: tuple[HeldOutSamples, HeldOutSamples], progress: Progress
) -> tuple[SideEffects, tuple[Other, ...]]:
    """Return what a smaller file changes, and what others as small do.

    Args:
        press: makes smaller files.
        smaller: the file.
        parts: samples to choose on, which the others are fitted to if the file is, and samples to report on.
        progress: told what happens.
    """
    search, report = parts
    before = decided_by(press.subject, press.subject.network, report)
    found = side_effects(before, decided_by(press.subject, smaller.network, report))
    fitted_on = search if smaller.refitted or smaller.unfit else None
    others = _others(press, smaller.parameters, before, report, fitted_on=fitted_on, progress=progress)
    return found, tuple(others)


def _others(
    press: Press,
    parameters: int,
    before: Decisions,
    report: HeldOutSamples,
    *,
    fitted_on: HeldOutSamples | None,
    progress: Progress,
) -> Iterator[Other]:
    for method, order in other_orders(press):
        progress.layer(f"beside: {method}")
        made = press.make(order[: press.nearest(order, parameters)], fitted_on=fitted_on)
        yield Other(method, made.parameters, side_effects(before, decided_by(press.subject, made.network, report)))


def other_orders(press: Press) -> list[tuple[str, Order]]:
    """Return the orders that a compression is compared with: by weight magnitude, and some drawn by chance."""
    rng = np.random.default_rng([press.subject.prepared.settings.seed, 13])
    drawn = [(RANDOM, random_order(press.channels, rng)) for _ in range(REPEATS)]
    return [(MAGNITUDE, magnitude_order(press.channels, press.original, press.subject)), *drawn]
