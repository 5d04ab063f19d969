"""Records of what a changed model does on samples it was not chosen on."""

from collections.abc import Collection, Sequence

import numpy as np

from onnxcausal.analysis.formats.side_effects import ChangeRecord, ClassRecord, QualityRecord
from onnxcausal.causal.change import holm
from onnxcausal.evaluation.accuracy_change import PairedChange
from onnxcausal.pipeline.heldout.changes import SideEffects
from onnxcausal.pipeline.heldout.split import HeldOutSamples


def positions_of(part: HeldOutSamples) -> dict[int, list[int]]:
    """Return the positions of the samples of a part, by class, ascending."""
    return {target: np.sort(held).tolist() for target, held in part.positions.items()}


def class_records(
    found: SideEffects, names: Sequence[str] | None, protected: Collection[int] = ()
) -> list[ClassRecord]:
    """Return the record of what changes for each class; p values of protected ones are adjusted for their number."""
    held = [target for target in found.classes if target in protected]
    p_adjusted = dict(zip(held, holm(np.array([found.classes[target].p for target in held])).tolist(), strict=True))
    return [
        ClassRecord(
            target=target,
            name=names[target] if names else None,
            protected=target in protected,
            change=change_record(change),
            p_adjusted=p_adjusted.get(target, change.p),
        )
        for target, change in found.classes.items()
    ]


def quality_records(found: SideEffects) -> tuple[QualityRecord, QualityRecord]:
    """Return the record of how well probabilities fit, before and after."""
    before, after = (
        QualityRecord(calibration_error=error, log_probability=mean)
        for error, mean in zip(found.calibration, found.log_probability, strict=True)
    )
    return before, after


def change_record(change: PairedChange) -> ChangeRecord:
    """Return the record of a change."""
    return ChangeRecord(
        n=change.n,
        before=change.before,
        after=change.after,
        lost=change.lost,
        gained=change.gained,
        p=change.p,
        interval=(change.low, change.high),
        least=change.least(),
    )
