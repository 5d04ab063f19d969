"""Which of some plans is taken."""

import numpy as np

from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.repair import Stage
from onnxcausal.pipeline.repairing.plan import Plan
from onnxcausal.pipeline.repairing.search import Counts, TriedPlan, best_of


def tried(value: float, lost: int, size: int = 1) -> TriedPlan:
    plan = Plan(next(iter(Stage)), 0.5, {"fc": np.arange(size)}, 0.0, Replace.ZERO)
    return TriedPlan(plan, value, {0: Counts(lost, 0, 100)})


def test_what_was_asked_for_is_taken_where_nothing_rises() -> None:
    same, worse = tried(1.0, 0), tried(0.9, 10)
    assert best_of([worse, same], 1.0, None) is same
    assert best_of([worse], 1.0, None) is worse
    assert best_of([worse, same], 1.0, 0.5) is None
    assert best_of([], 1.0, None) is None
