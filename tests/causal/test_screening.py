"""Screening under a budget."""

import numpy as np
import pytest
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.screening import hidden_effect, most_promising, spread_out, with_untested
from onnxcausal.causal.significance import Role


def test_the_highest_bounds_are_tested_and_dead_nodes_cost_nothing() -> None:
    bounds = np.array([0.0, 3.0, 1.0, 2.0, 0.0, 9.0])
    assert most_promising(bounds, 3).tolist() == [0, 1, 4, 5]
    assert most_promising(bounds, 4).tolist() == [0, 1, 2, 3, 4, 5]


def test_untested_nodes_have_no_numbers() -> None:
    te = np.random.default_rng(0).normal(-1, 0.1, size=(2, 30))
    verdicts = with_untested(assess_paired(EffectTable(te, np.arange(30.0))), np.array([1, 3]), 4)
    assert verdicts.roles == (Role.UNTESTED, Role.NECESSARY, Role.UNTESTED, Role.NECESSARY)
    assert np.isnan(verdicts.ate[[0, 2]]).all()
    assert np.isfinite(verdicts.q[[1, 3]]).all()


def test_the_joint_effect_has_the_t_interval() -> None:
    te = np.random.default_rng(1).normal(-1, 0.5, size=(1, 50))
    hidden = hidden_effect(EffectTable(te, np.zeros(50)), 12, 0.7)
    low, high = stats.t.interval(0.95, 49, te.mean(), te.std(ddof=1) / np.sqrt(50))
    np.testing.assert_allclose([hidden.low, hidden.high], [low, high])
    assert (hidden.nodes, hidden.largest) == (12, 0.7)


def test_of_equal_bounds_the_first_nodes_are_tested() -> None:
    # More than 16, which an unstable sort would mix.
    bounds = np.tile([1.0, 2.0, 0.0], 40)
    assert most_promising(bounds, 21).tolist() == sorted([*range(1, 60, 3), *range(2, 120, 3)])


def test_verdicts_on_the_tested_nodes_stay_as_they_are() -> None:
    rng = np.random.default_rng(2)
    verdicts = assess_paired(EffectTable(rng.normal(2, 0.5, (2, 30)), rng.normal(size=30)))
    tested = np.array([2, 0])
    spread = with_untested(verdicts, tested, 3)
    for name in ("ate", "low", "high", "d", "p", "q"):
        whole = getattr(spread, name)
        assert whole[tested].tolist() == getattr(verdicts, name).tolist()
        assert np.isnan(whole[1])
    assert spread.selected_by is verdicts.selected_by
    assert spread.reason == verdicts.reason != ""


def test_verdicts_on_other_nodes_than_those_told_are_noticed() -> None:
    verdicts = assess_paired(EffectTable(np.random.default_rng(3).normal(size=(2, 30)), np.arange(30.0)))
    with pytest.raises(ValueError, match="zip"):
        with_untested(verdicts, np.array([1]), 3)


def test_values_of_several_numbers_a_node_are_spread_out_whole() -> None:
    values = np.arange(12.0).reshape(2, 3, 2)
    found = spread_out(values, np.array([3, 1]), 4)
    assert found.shape == (4, 3, 2)
    np.testing.assert_array_equal(found[[3, 1]], values)
    assert np.isnan(found[[0, 2]]).all()
