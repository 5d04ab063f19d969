"""How many of the candidates are masked, and how far: measured on the part of the samples that is there to choose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onnxcausal.causal.repair import Candidate, Stage, best_first, portion_of_best
from onnxcausal.evaluation.accuracy_change import least_change
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decided_by
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.repairing.feasible import Reach
from onnxcausal.pipeline.repairing.objective import Objective
from onnxcausal.pipeline.repairing.plan import Masking, Plan

PORTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Portions of the candidates that are tried (Ahmad et al. 2023, fig. 11)."""


class Counts(NamedTuple):
    """Samples of a class that are no longer decided rightly, those that now are, and all."""

    lost: int
    gained: int
    n: int

    def least(self) -> float:
        """Return the one-sided lower confidence bound of the change."""
        return least_change(self.lost, self.gained, self.n)


@dataclass(frozen=True, slots=True, eq=False)
class TriedPlan:
    """What a plan does on the samples to choose on.

    Attributes:
        plan: the plan.
        value: what is to be raised, 0 to 1.
        changes: what changes in each protected class, by class.
    """

    plan: Plan
    value: float
    changes: Mapping[int, Counts]

    @property
    def worst(self) -> float:
        """The largest loss of a protected class, as a negative number, or the smallest gain."""
        return min((held.gained - held.lost) / held.n for held in self.changes.values())

    def keeps(self, most_lost: float) -> bool:
        """Whether a larger loss of any protected class can be excluded (one-sided, level 0.95)."""
        return all(held.least() >= -most_lost for held in self.changes.values())


def search(
    subject: Subject,
    objective: Objective,
    part: HeldOutSamples,
    candidates: Sequence[Candidate],
    portion: float | None,
    *,
    before: Decisions,
    masking: Masking,
    reach: Reach,
    progress: Progress,
) -> Iterator[TriedPlan]:
    """Yield what every plan does on the samples to choose on, once for plans that are the same.

    Args:
        subject: what is repaired.
        objective: what for.
        part: the samples to choose on.
        candidates: nodes that may be masked.
        portion: of them; None: searched.
        before: what the unmodified model decides there.
        masking: masks them.
        reach: what the file can take.
        progress: told what happens.
    """
    plans = list(_plans(candidates, portion, reach))
    for number, plan in enumerate(plans, 1):
        progress.layer(f"plan {number} of {len(plans)}")
        after = decided_by(subject, masking.network(plan), part)
        yield TriedPlan(
            plan, objective.value(after), {target: _counts(before, after, target) for target in objective.protected}
        )


def best_of(tried: Sequence[TriedPlan], before: float, most_lost: float | None) -> TriedPlan | None:
    """Return the plan that raises the objective most; None where none does.

    Plans of which a larger loss than is allowed can be excluded come before those that merely do not show one: few
    samples flatter whatever was chosen on them. Of equals, the one that loses least in any protected class is taken,
    then the one that changes least.

    Args:
        tried: what the plans do.
        before: what is to be raised, of the unmodified model.
        most_lost: accuracy that a protected class may lose; None: what is tried was asked for, and one is taken even
            where none raises it.
    """
    allowed = [held for held in tried if most_lost is None or (held.value > before and held.worst >= -most_lost)]
    allowed.sort(key=lambda held: (-held.value, -held.worst, held.plan.size, -held.plan.beta))
    safe = (held for held in allowed if most_lost is None or held.keeps(most_lost))
    return next(safe, allowed[0] if allowed else None)


def _counts(before: Decisions, after: Decisions, target: int) -> Counts:
    own = before.labels == target
    was, stays = before.right[own], after.right[own]
    return Counts(int((was & ~stays).sum()), int((~was & stays).sum()), int(own.sum()))


def _plans(candidates: Sequence[Candidate], asked: float | None, reach: Reach) -> Iterator[Plan]:
    """Yield the plans, each set of nodes once for every factor and replacement."""
    seen: set[tuple[object, ...]] = set()
    for stage in Stage:
        ordered = best_first(candidates, stage)
        if not ordered:
            continue
        for portion in PORTIONS if asked is None else (asked,):
            nodes = portion_of_best(ordered, portion)
            key = tuple((layer, tuple(held.tolist())) for layer, held in nodes.items())
            if key in seen:
                continue
            seen.add(key)
            for beta in reach.betas:
                for replace in reach.replaces:
                    yield Plan(stage, portion, nodes, beta, replace)
