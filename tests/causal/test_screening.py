"""Screening under a budget."""

import numpy as np
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.screening import hidden_effect, most_promising, with_untested
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
