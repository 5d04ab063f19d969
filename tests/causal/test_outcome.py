"""The scalar on which effects are measured."""

import numpy as np
import pytest
from scipy.special import log_softmax

from onnxcausal.causal.outcome import OutcomeKind, outcome_of

SCORES = np.random.default_rng(0).normal(0, 5, size=(50, 7)).astype(np.float32)


def test_the_logit_is_the_target_score() -> None:
    np.testing.assert_array_equal(outcome_of(SCORES, 3), SCORES[:, 3])


def test_the_margin_is_the_lead_over_the_best_rival() -> None:
    expected = [row[3] - max(np.delete(row, 3)) for row in SCORES.astype(float)]
    np.testing.assert_allclose(outcome_of(SCORES, 3, OutcomeKind.MARGIN), expected, rtol=0, atol=1e-12)


def test_the_log_probability_agrees_with_scipy_and_survives_large_scores() -> None:
    for scores in (SCORES, SCORES * 1000):
        expected = log_softmax(scores.astype(np.float64), axis=1)[:, 2]
        np.testing.assert_allclose(outcome_of(scores, 2, OutcomeKind.LOG_PROB), expected, rtol=1e-12, atol=1e-12)


def test_the_result_does_not_alias_the_scores() -> None:
    scores = SCORES.astype(np.float64)
    outcome_of(scores, 0)[:] = 0
    assert scores[:, 0].any()


def test_only_the_logit_leaves_the_other_classes_out() -> None:
    other = SCORES.copy()
    other[:, [0, 1, 2, 4, 5, 6]] += 1
    for kind in OutcomeKind:
        changes = not np.array_equal(outcome_of(SCORES, 3, kind), outcome_of(other, 3, kind))
        assert kind.depends_on_every_class is changes


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_half_precision_scores_are_computed_in_double(kind: OutcomeKind) -> None:
    half = SCORES.astype(np.float16)
    found = outcome_of(half, 2, kind)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, outcome_of(half.astype(np.float64), 2, kind))


@pytest.mark.parametrize("kind", [OutcomeKind.MARGIN, OutcomeKind.LOG_PROB])
def test_infinite_scores_give_no_number_and_no_warning(kind: OutcomeKind) -> None:
    with np.errstate(all="raise"):
        found = outcome_of(np.array([[np.inf, np.inf], [1.0, 0.0]]), 0, kind)
    assert np.isnan(found[0])
    assert np.isfinite(found[1])
