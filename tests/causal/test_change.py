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


@pytest.mark.parametrize(("shared", "paired"), [(9, False), (10, True), (12, True)])
def test_shared_samples_are_enough_when_they_are_ten_and_half_of_the_fewer(shared: int, *, paired: bool) -> None:
    te = np.random.default_rng(9).normal(size=(2, 60))
    few = measured(te[:, :16], np.arange(16))
    many = measured(te, np.arange(16 - shared, 76 - shared))
    assert change_of(few, many, margin=0, resolution=0, same_data=True).paired is paired
    assert change_of(many, few, margin=0, resolution=0, same_data=True).paired is paired


def test_a_difference_that_float_noise_explains_is_none_however_sure_it_is() -> None:
    """A difference alike on every sample has no spread, and would be certain."""
    te = np.random.default_rng(10).integers(-8, 8, (3, 20)).astype(np.float64)
    other = te + np.array([[0.25], [0.125], [-0.5]])
    change = change_of(measured(te), measured(other), margin=0, resolution=0.25, same_data=True)
    assert change.difference.tolist() == [0.25, 0.125, -0.5]
    assert change.error.tolist() == [0, 0, 0]
    assert change.p.tolist() == [1, 1, 0]


def test_a_certain_difference_as_large_as_the_margin_does_not_matter() -> None:
    te = np.zeros((3, 20))
    other = te + np.array([[0.25], [0.5], [-0.25]])
    for same_data in (True, False):
        change = change_of(measured(te), measured(other), margin=0.25, resolution=0, same_data=same_data)
        assert change.p.tolist() == [1, 0, 1]


def beyond_slowly(size: float, error: float, freedom: float, margin: float) -> float:
    """Return the chance of a difference as large as this from a true one as large as the margin, in either tail."""
    t = stats.t(freedom)
    return min(1.0, float(t.sf((size - margin) / error) + t.cdf(-(size + margin) / error)))


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_every_number_of_a_change_of_independent_samples_is_that_of_its_definition(margin: float) -> None:
    rng = np.random.default_rng(11)
    old, new = rng.normal(0, 1, (5, 12)), rng.normal(0.4, 3, (5, 30))
    change = change_of(measured(old), measured(new), margin=margin, resolution=0, same_data=False)
    for node, (first, second) in enumerate(zip(old, new, strict=True)):
        here, there = first.var(ddof=1) / 12, second.var(ddof=1) / 30
        freedom = (here + there) ** 2 / (here**2 / 11 + there**2 / 29)
        difference, error = second.mean() - first.mean(), np.sqrt(here + there)
        assert change.difference[node] == pytest.approx(difference)
        assert change.error[node] == pytest.approx(error)
        assert change.p[node] == pytest.approx(beyond_slowly(abs(difference), error, freedom, margin))


def test_every_number_of_a_paired_change_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(12)
    old, new = rng.normal(0, 1, (6, 20)), rng.normal(0.3, 1, (6, 20))
    counts = [20, 11, 3, 2, 1, 0]
    for node, count in enumerate(counts):
        new[node, count:] = np.nan
    te = measured(new)
    cut = LayerEffects(np.nan_to_num(te.ate), np.nan_to_num(te.error), np.array(counts), np.arange(20), new)
    with np.errstate(all="raise"):  # nothing is divided by 0
        change = change_of(measured(old), cut, margin=0.1, resolution=0, same_data=True)
    for node, count in enumerate(counts):
        difference = (new - old)[node, :count]
        if count < 2:
            assert change.p[node] == 1
            assert np.isnan(change.error[node])
            assert np.isnan(change.difference[node]) if not count else change.difference[node] == difference[0]
            continue
        error = difference.std(ddof=1) / np.sqrt(count)
        assert change.difference[node] == pytest.approx(difference.mean())
        assert change.error[node] == pytest.approx(error)
        assert change.p[node] == pytest.approx(beyond_slowly(abs(difference.mean()), error, count - 1, 0.1))


def test_a_node_measured_on_few_samples_has_the_freedom_of_few() -> None:
    side = LayerEffects(np.array([0.0]), np.array([1.0]), np.array([2]), np.arange(2))
    other = LayerEffects(np.array([3.0]), np.array([0.5]), np.array([3]), np.arange(3))
    freedom = (1 + 0.25) ** 2 / (1 / 1 + 0.25**2 / 2)
    for change in (
        change_of(side, other, margin=0, resolution=0, same_data=False),
        change_of(other, side, margin=0, resolution=0, same_data=False),
    ):
        assert change.p[0] == pytest.approx(beyond_slowly(3, 1.25**0.5, freedom, 0))


def test_where_only_one_side_has_an_error_nothing_is_said() -> None:
    known = LayerEffects(np.array([5.0]), np.array([0.1]), np.array([9]), np.arange(9))
    for ate, error in ((np.nan, 0.1), (1.0, np.nan), (np.inf, 0.1)):
        other = LayerEffects(np.array([ate]), np.array([error]), np.array([9]), np.arange(9))
        assert change_of(known, other, margin=0, resolution=0, same_data=False).p.tolist() == [1]


def test_shares_of_unequal_numbers_of_samples_are_compared_as_the_tables_they_are() -> None:
    # 3 of 5 against 30 of 35: every split of 33 successes over 5 and 35 tries, by counting.
    chances = stats.hypergeom(40, 33, 5).pmf(np.arange(6))
    expected = chances[chances <= chances[3] * (1 + 1e-9)].sum()
    assert share_change((3, 5), (30, 35), margin=0.1) == pytest.approx(expected)
    assert share_change((30, 35), (3, 5), margin=0.1) == pytest.approx(expected)
    assert share_change((1, 4), (2, 4), margin=0.25) == 1
    assert share_change((2, 10), (0, 0), margin=0) == 1


def test_holm_never_exceeds_one() -> None:
    assert holm(np.array([0.9, 0.8, 0.01])).tolist() == [1.0, 1.0, pytest.approx(0.03)]
