"""Changes between two models on the same samples, against definitions written out."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from onnxcausal.evaluation.accuracy_change import calibration_error, change_of, difference_interval, mcnemar, moved

counts = st.integers(0, 30)


def slow_score(lost: int, gained: int, n: int, difference: float) -> float:
    """Return Tango's statistic, its share of losses found by maximising the likelihood under the difference."""

    def less_likely(share: float) -> float:
        gain, rest = share + difference, 1 - 2 * share - difference
        terms = ((lost, share), (gained, gain), (n - lost - gained, rest))
        return -float(sum(number * np.log(max(value, 1e-300)) for number, value in terms if number))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    share = minimize_scalar(less_likely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return float((gained - lost - n * difference) / np.sqrt(n * (2 * share + difference * (1 - difference))))


@given(lost=counts, gained=counts, more=st.integers(1, 200))
def test_the_ends_of_the_interval_are_where_the_score_is_the_quantile(lost: int, gained: int, more: int) -> None:
    n = lost + gained + more
    low, high = difference_interval(lost, gained, n)
    assert low < (gained - lost) / n < high
    assert slow_score(lost, gained, n, low) == pytest.approx(1.959964, abs=1e-3)
    assert slow_score(lost, gained, n, high) == pytest.approx(-1.959964, abs=1e-3)


@given(lost=counts, gained=counts)
def test_mcnemar_sums_the_binomial_probabilities_that_are_no_larger(lost: int, gained: int) -> None:
    n = lost + gained
    chances = [comb(n, number) / 2**n for number in range(n + 1)]
    slow = sum(chance for chance in chances if chance <= chances[lost] * (1 + 1e-9))
    assert mcnemar(lost, gained) == pytest.approx(slow)


def test_the_lower_bound_holds_the_true_change_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    n, loses, gains = 150, 0.03, 0.02
    missed = 0
    for _ in range(1000):
        kinds = rng.choice(3, n, p=[loses, gains, 1 - loses - gains])
        before, after = kinds != 1, kinds != 0
        missed += change_of(before, after).least() > gains - loses
    assert missed <= 65  # 50 are expected


def test_a_change_counts_who_is_lost_and_who_is_gained() -> None:
    before = np.array([True] * 8 + [False] * 2)
    after = np.array([False] + [True] * 9)
    change = change_of(before, after)
    assert (change.lost, change.gained, change.n) == (1, 2, 10)
    assert change.before == 0.8
    assert change.after == 0.9
    assert change.low < change.least() < change.difference < change.high


def test_everything_lost_and_everything_gained_have_intervals() -> None:
    assert difference_interval(5, 0, 5)[0] == -1
    assert difference_interval(0, 5, 5)[1] == 1


def test_the_calibration_error_is_the_mean_gap_over_bins() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 500)
    right = rng.random(500) < confidence**2
    slow = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & (confidence < (number + 1) / 15)
        if inside.any():
            slow += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(confidence, right) == pytest.approx(slow)
    assert calibration_error(np.ones(3), np.ones(3, np.bool_)) == 0


def test_confusions_that_stay_are_not_told() -> None:
    labels = np.array([0, 0, 1, 1])
    assert not moved(labels, np.array([1, 0, 0, 1]), np.array([0, 1, 1, 0]))
