"""What the chosen plan does on the samples to report on, beside other choices of nodes."""

from dataclasses import dataclass

from onnxcausal.evaluation.accuracy_change import PairedChange, change_of
from onnxcausal.pipeline.heldout.changes import SideEffects, side_effects
from onnxcausal.pipeline.heldout.split import Decisions, decided_by
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.repairing.choose import ChosenPlan
from onnxcausal.pipeline.repairing.controls import Control, controls


@dataclass(frozen=True, slots=True, eq=False)
class Assessed:
    """What changes.

    Attributes:
        found: what changes.
        objective: change of what was to be raised; None where nothing was chosen here.
        controls: what other choices do.
    """

    found: SideEffects
    objective: PairedChange | None = None
    controls: tuple[Control, ...] = ()


def assess(subject: Subject, chosen: ChosenPlan, after: Decisions | None = None) -> Assessed:
    """Return what the plan and other choices do on the samples to report on.

    Args:
        subject: what is repaired.
        chosen: the plan.
        after: what the written file decides there; None: what the plan does in memory.
    """
    plan, part, objective = chosen.best.plan, chosen.report, chosen.objective
    before = decided_by(subject, subject.network, part)
    after = after or decided_by(subject, chosen.masking.network(plan), part)
    others = controls(subject, objective, part, plan, before, free=chosen.free, masking=chosen.masking)
    change = change_of(objective.hits(before), objective.hits(after))
    return Assessed(side_effects(before, after), change, tuple(others))
