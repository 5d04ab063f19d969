"""Estimates and their intervals: against brute force, and that the intervals cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxcausal.evaluation.discrimination import auroc
from onnxcausal.evaluation.intervals import mean_of, ratio_of, share_of
from onnxcausal.evaluation.reliability import appearance, betas, histogram, jaccard, recurrence


@given(st.lists(st.integers(0, 5), min_size=2, max_size=9), st.lists(st.integers(0, 5), min_size=2, max_size=9))
def test_the_area_is_the_share_of_pairs_in_order(own: list[int], others: list[int]) -> None:
    pairs = [(a > b) + 0.5 * (a == b) for a in own for b in others]
    found = auroc(np.array(own, np.float64), np.array(others, np.float64))
    assert found.mean == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_delong_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = 0.8413447  # P(N(sqrt 2, 1) > N(0, 1)) = Phi(1)
    hits = 0
    for _ in range(600):
        found = auroc(rng.normal(np.sqrt(2), 1, 40), rng.normal(0, 1, 60))
        hits += found.low <= truth <= found.high
    assert share_of(hits, 600).low <= 0.95 <= share_of(hits, 600).high + 0.01


def test_intervals_of_means_and_shares_cover() -> None:
    rng = np.random.default_rng(1)
    means = shares = 0
    for _ in range(300):
        values = rng.normal(3.0, 2.0, 40)
        found = mean_of(values)
        assert found.mean == pytest.approx(values.mean())
        means += found.low <= 3.0 <= found.high
        hits = int(rng.binomial(50, 0.3))
        share = share_of(hits, 50)
        shares += share.low <= 0.3 <= share.high
    assert means / 300 > 0.9
    assert shares / 300 > 0.92


def test_a_ratio_is_sure_where_nothing_changed_and_unsure_where_nothing_is_left() -> None:
    before = np.array([1.0, 0.0, 1.0, 1.0, 1.0] * 8)
    assert ratio_of(before, before)[:3] == (1.0, 1.0, 1.0)
    gone = ratio_of(np.zeros(40), before)
    assert (gone.mean, gone.low) == (0.0, 0.0)
    assert gone.high == pytest.approx(share_of(0, 40).high / 0.8)
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        right = (rng.random(80) < 0.8).astype(np.float64)
        after = right * (rng.random(80) < 0.5)
        found = ratio_of(after, right)
        hits += found.low <= 0.5 <= found.high
    assert hits / 300 > 0.9


def test_groups_that_do_not_overlap_leave_some_doubt() -> None:
    found = auroc(np.array([3.0, 2.0]), np.array([1.0, 0.0]))
    assert found.mean == found.high == 1.0
    assert found.low < 0.5


def selections(runs: int = 9, nodes: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((runs, nodes)) < np.array([1.0, 0.9, 0.6, 0.3, 0.1, 0.0])[:nodes]


@pytest.mark.parametrize("seed", range(5))
def test_how_often_nodes_return_is_counted_run_by_run(seed: int) -> None:
    selected = selections(seed=seed)
    ever = [column for column in selected.T if column.any()]
    assert appearance(selected).mean == pytest.approx(np.mean([column.mean() for column in ever]))
    sets = [set(np.flatnonzero(row)) for row in selected]
    pairs = [(a, b) for a in range(9) for b in range(9) if a != b]
    alike = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) if sets[a] | sets[b] else 1.0 for a, b in pairs]
    assert jaccard(selected).mean == pytest.approx(np.mean(alike))
    again = sum(len(sets[a] & sets[b]) for a, b in pairs) / (8 * sum(map(len, sets)))
    assert recurrence(selected).mean == pytest.approx(again)
    counts = [sum(20 * k < 100 * column.mean() <= 20 * (k + 1) for column in ever) for k in range(5)]
    np.testing.assert_allclose(histogram(selected), np.array(counts) / len(ever))


def test_intervals_of_recurrence_hold_the_truth_of_chance() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        found = recurrence(rng.random((12, 40)) < 0.5)
        hits += found.low <= 0.5 <= found.high
    assert hits > 80


def test_runs_that_agree_return_always_and_their_intervals_are_points() -> None:
    same = np.tile(np.array([True, False, True]), (6, 1))
    for found in (appearance(same), recurrence(same), jaccard(same)):
        assert found[:3] == pytest.approx((1.0, 1.0, 1.0))
    nothing = np.zeros((4, 3), np.bool_)
    assert appearance(nothing).mean == recurrence(nothing).mean == 0.0
    assert jaccard(nothing).mean == 1.0


def test_betas_rise_over_the_range_and_stay_factors() -> None:
    found = betas(200, np.random.default_rng(0))
    assert ((found >= 0) & (found <= 0.51)).all()
    assert np.abs(found - np.linspace(0.01, 0.5, 200)).max() <= 0.01 + 1e-12
