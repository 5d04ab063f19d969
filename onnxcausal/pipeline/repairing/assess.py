"""What the chosen plan does on the samples to report on, beside other choices of nodes."""

from dataclasses import dataclass

from onnxcausal.pipeline.protocols.subject import Subject
from onnxcausal.pipeline.repairing.choose import Chosen
from onnxcausal.pipeline.repairing.search import decided_by
from onnxcausal.pipeline.repairing.sideeffects import Control, SideEffects, controls, side_effects


@dataclass(frozen=True, slots=True, eq=False)
class Assessed:
    """What changes.

    Attributes:
        found: what changes.
        objective: what was to be raised, before and after; None where nothing was chosen here.
        controls: what other choices do.
    """

    found: SideEffects
    objective: tuple[float, float] | None = None
    controls: tuple[Control, ...] = ()


def assess(subject: Subject, chosen: Chosen) -> Assessed:
    """Return what the plan and other choices do on the samples to report on."""
    plan, part, objective = chosen.best.plan, chosen.report, chosen.objective
    before = decided_by(subject, subject.network, part)
    after = decided_by(subject, chosen.masking.network(plan), part)
    others = controls(subject, objective, part, plan, before, masking=chosen.masking)
    return Assessed(side_effects(before, after), (objective.value(before), objective.value(after)), tuple(others))
