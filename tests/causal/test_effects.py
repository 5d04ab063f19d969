"""Treatment effects."""

import statistics

import numpy as np
import pytest

from onnxcausal.causal.effects import EffectTable, estimate_effects
from onnxcausal.errors import SamplesError


def test_effects_below_the_float_floor_are_exactly_zero_and_others_untouched() -> None:
    observed = np.array([1.0, 2.0, 3.0])
    table = estimate_effects(np.array([[1e-7, -1e-7, 1e-5]]), observed, floor=1e-6)
    assert table.te[0, :2].tolist() == [0.0, 0.0]
    assert table.te[0, 2] == pytest.approx(1e-5, rel=1e-9)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_samples_say_how_many_are_needed(count: int) -> None:
    with pytest.raises(SamplesError, match="at least 2"):
        estimate_effects(np.zeros((3, count)), np.zeros(count), floor=0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_outcome_that_is_not_finite_is_refused(value: float) -> None:
    te = np.zeros((2, 4))
    te[1, 2] = value
    with pytest.raises(SamplesError, match="NaN or infinite") as caught:
        estimate_effects(te, np.zeros(4), floor=0.0)
    assert caught.value.where == "outcome under intervention"
    with pytest.raises(SamplesError) as caught:
        estimate_effects(np.zeros((2, 4)), te[1], floor=0.0)
    assert caught.value.where == "outcome without intervention"


def test_each_node_is_averaged_over_what_was_measured_of_it() -> None:
    rng = np.random.default_rng(0)
    te = rng.normal(size=(6, 40))
    te[1, 10:], te[2, 10:], te[3, 1:], te[4] = np.nan, np.nan, np.nan, np.nan
    te[2, :10] = 0.1  # its mean rounds
    table = EffectTable(te, np.zeros(40))
    for row, ate, spread in zip(te, table.ate, table.spread, strict=True):
        seen = [value for value in row.tolist() if not np.isnan(value)]
        assert ate == pytest.approx(statistics.fmean(seen), rel=1e-14, nan_ok=True) if seen else np.isnan(ate)
        assert spread == pytest.approx(statistics.stdev(seen), rel=1e-13) if len(seen) > 1 else np.isnan(spread)
    assert table.spread[2] == 0


def test_an_effect_as_large_as_the_float_floor_is_noise_still() -> None:
    te = np.array([[0.25, -0.25, np.nextafter(0.25, 1), -np.nextafter(0.25, 1)]])
    found = estimate_effects(te, np.zeros(4), floor=0.25).te
    assert found[0, :2].tolist() == [0.0, 0.0]
    assert found[0, 2:].tolist() == te[0, 2:].tolist()


def test_the_spread_of_a_constant_effect_is_exactly_zero_whatever_its_mean_rounds_to() -> None:
    counts = range(2, 60)
    rounded = 0
    for count in counts:
        te = np.full((2, count), 0.1)
        te[1] = np.linspace(-1, 2, count)  # a node beside it that is not constant
        table = EffectTable(te, np.zeros(count))
        rounded += te[0].std(ddof=1) > 0
        assert table.spread[0] == 0
        assert table.spread[1] == pytest.approx(statistics.stdev(te[1].tolist()))
    assert rounded  # else a plain deviation would do


def test_effects_that_are_nearly_constant_are_not() -> None:
    te = np.array([[1.0, 1.0, 1.0, 1.0 + 1e-9], [0.0, 1.0, 0.0, 1.0]])
    assert EffectTable(te, np.zeros(4)).spread.tolist() == pytest.approx([5e-10, 3**-0.5], rel=1e-6)


def test_the_outcome_under_an_intervention_is_the_observed_one_and_the_effect() -> None:
    table = EffectTable(np.array([[-1.0, 2.0], [0.0, 0.5]]), np.array([3.0, 4.0]))
    assert table.under_do.tolist() == [[2.0, 6.0], [3.0, 4.5]]
