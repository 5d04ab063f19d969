"""Tests of differences between two analyses, against definitions and by simulation."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.change import LayerEffects, change_of, holm, share_change

Floats = NDArray[np.float64]


def measured(te: Floats, samples: NDArray[np.int64] | None = None, *, kept: bool = True) -> LayerEffects:
    count = te.shape[1]
    positions = np.arange(count) if samples is None else samples
    error = te.std(axis=1, ddof=1) / np.sqrt(count)
    return LayerEffects(te.mean(axis=1), error, np.full(len(te), count), positions, te if kept else None)


def test_independent_samples_are_compared_as_by_welch() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(0, 1, (6, 40)), rng.normal(0.3, 2, (6, 25))
    change = change_of(measured(old), measured(new), margin=0, resolution=0, same_data=False)
    expected = [stats.ttest_ind(there, here, equal_var=False).pvalue for here, there in zip(old, new, strict=True)]
    assert not change.paired
    np.testing.assert_allclose(change.p, expected, rtol=1e-12)
    np.testing.assert_allclose(change.difference, new.mean(axis=1) - old.mean(axis=1))


def test_shared_samples_are_compared_one_by_one_in_whatever_order_they_stand() -> None:
    rng = np.random.default_rng(1)
    old = rng.normal(0, 5, (4, 30))
    order = rng.permutation(30)
    new = (old + rng.normal(0.1, 0.5, (4, 30)))[:, order]
    change = change_of(measured(old), measured(new, order), margin=0, resolution=0, same_data=True)
    expected = [stats.ttest_rel(there, here[order]).pvalue for here, there in zip(old, new, strict=True)]
    assert change.paired
    np.testing.assert_allclose(change.p, expected, rtol=1e-9)


def test_nodes_that_left_early_are_compared_on_the_samples_both_have() -> None:
    rng = np.random.default_rng(2)
    old, new = rng.normal(0, 1, (2, 40)), rng.normal(0, 1, (2, 40))
    cut = old.copy()
    cut[1, 20:] = np.nan
    first = LayerEffects(old.mean(axis=1), np.ones(2), np.array([40, 20]), np.arange(40), cut)
    change = change_of(first, measured(new), margin=0, resolution=0, same_data=True)
    assert change.p[1] == pytest.approx(stats.ttest_rel(new[1, :20], old[1, :20]).pvalue)


@pytest.mark.parametrize("same_data", [True, False])
def test_an_equal_model_differs_nowhere_however_wide_the_effects_spread(*, same_data: bool) -> None:
    te = np.random.default_rng(3).normal(0, 100, (5, 50))
    change = change_of(measured(te), measured(te), margin=0, resolution=1e-9, same_data=same_data)
    assert (change.p == 1).all()
    assert change.paired is same_data


def test_too_few_shared_samples_are_not_paired() -> None:
    te = np.random.default_rng(4).normal(size=(2, 40))
    far = measured(te, np.arange(21, 61))
    assert not change_of(measured(te), far, margin=0, resolution=0, same_data=True).paired
    assert change_of(measured(te), measured(te, np.arange(20, 60)), margin=0, resolution=0, same_data=True).paired
    assert not change_of(measured(te, kept=False), measured(te), margin=0, resolution=0, same_data=True).paired


def test_without_spread_only_what_is_beyond_the_margin_differs() -> None:
    old, new = np.zeros((3, 20)), np.array([[0.0], [0.0625], [0.25]]) * np.ones(20)
    change = change_of(measured(old), measured(new), margin=0.1, resolution=0, same_data=False)
    assert change.p.tolist() == [1, 1, 0]


def test_nodes_that_were_not_measured_are_not_compared() -> None:
    ate, error = np.array([np.nan, 1.0]), np.array([np.nan, 0.1])
    side = LayerEffects(ate, error, np.array([0, 50]), np.arange(50))
    change = change_of(side, side, margin=0, resolution=0, same_data=False)
    assert change.p.tolist() == [1, 1]
    assert np.isnan(change.difference[0])


def test_p_values_are_uniform_when_nothing_changed() -> None:
    rng = np.random.default_rng(5)
    old, new = rng.normal(-1, 1, (4000, 30)), rng.normal(-1, 1, (4000, 30))
    p = change_of(measured(old), measured(new), margin=0, resolution=0, same_data=False).p
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_difference_as_large_as_the_margin_is_found_no_more_often_than_the_level_says() -> None:
    rng = np.random.default_rng(6)
    old, new = rng.normal(0, 1, (4000, 50)), rng.normal(0.3, 1, (4000, 50))
    p = change_of(measured(old), measured(new), margin=0.3, resolution=0, same_data=False).p
    assert 0.035 < (p <= 0.05).mean() < 0.06
    beyond = rng.normal(0.9, 1, (1000, 50))
    assert (
        change_of(measured(old[:1000]), measured(beyond), margin=0.3, resolution=0, same_data=False).p <= 0.05
    ).mean() > 0.8


def test_effects_that_are_mostly_zero_do_not_raise_false_alarms() -> None:
    """Nodes behind a ReLU are off on most samples."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(400):
        sides = [measured(-np.maximum(rng.normal(-1.5, 1, (80, 40)), 0) * 3) for _ in range(2)]
        p = change_of(sides[0], sides[1], margin=0, resolution=0, same_data=False).p
        alarms += int((holm(p) <= 0.05).any())
    assert alarms <= 0.05 * 400


def test_holm_is_the_step_down_of_its_definition() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        p = np.round(rng.uniform(0, 0.2, rng.integers(1, 9)), 2)
        order = sorted(range(len(p)), key=lambda i: p[i])
        expected, worst = np.empty(len(p)), 0.0
        for rank, i in enumerate(order):
            worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
            expected[i] = worst
        np.testing.assert_allclose(holm(p), expected)
    assert holm(np.empty(0)).tolist() == []


def test_shares_are_compared_by_the_hypergeometric_distribution() -> None:
    # Of 20 tries 12 succeed: the chance of a split as unlikely as 10 of 10 against 2 of 10, by counting.
    chances = stats.hypergeom(20, 12, 10).pmf(np.arange(11))
    expected = chances[chances <= chances[10] * (1 + 1e-9)].sum()
    assert share_change((10, 10), (2, 10), margin=0) == pytest.approx(expected)
    assert share_change((10, 10), (2, 10), margin=0.8) == 1
    assert share_change((0, 0), (2, 10), margin=0) == 1
