"""What a changed model does on samples it was not chosen on, beside the original."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onnxcausal.evaluation.accuracy_change import Moved, PairedChange, calibration_error, change_of, moved
from onnxcausal.pipeline.heldout.split import Decisions


@dataclass(frozen=True, slots=True, eq=False)
class SideEffects:
    """What changes from one model to another on the same samples.

    Attributes:
        overall: accuracy over all samples.
        classes: accuracy of each class.
        moved: confusions whose number changed.
        agreement: share of samples that both decide alike.
        calibration: calibration error before and after.
        log_probability: mean log-probability of the right class before and after, in nats.
    """

    overall: PairedChange
    classes: Mapping[int, PairedChange]
    moved: tuple[Moved, ...]
    agreement: float
    calibration: tuple[float, float]
    log_probability: tuple[float, float]


def side_effects(before: Decisions, after: Decisions) -> SideEffects:
    """Return what changes between the decisions of two models on the same samples."""
    targets = np.unique(before.labels).tolist()
    return SideEffects(
        overall=change_of(before.right, after.right),
        classes={
            target: change_of(before.right[before.labels == target], after.right[before.labels == target])
            for target in targets
        },
        moved=moved(before.labels, before.decided, after.decided),
        agreement=float((before.decided == after.decided).mean()),
        calibration=(
            calibration_error(before.confidence, before.right),
            calibration_error(after.confidence, after.right),
        ),
        log_probability=(float(before.log_probability.mean()), float(after.log_probability.mean())),
    )
