"""The published code's rule, held to a transcription of its formula."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.significance import Role, SelectedBy
from onnxcausal.causal.welch import assess_welch


def published(under_do: list[list[float]], observed: list[float], sign: int = -1) -> tuple[set[int], str]:
    """Return what the published code selects, and by which step; `sign` 1 is the mirror image."""
    n = len(observed)
    passed = set()
    for node, y_w in enumerate(under_do):
        threshold = 1.65 * math.sqrt(statistics.variance(y_w) / n + statistics.variance(observed) / n)
        if sign * (statistics.fmean(y_w) - statistics.fmean(observed)) > threshold:
            passed.add(node)
    if passed:
        return passed, "welch"
    for node, y_w in enumerate(under_do):
        ratio = statistics.fmean(w / y - 1 for w, y in zip(y_w, observed, strict=True))
        if sign * ratio > 0.001:
            passed.add(node)
    return passed, "fallback" if passed else "none"


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([0.0005, 0.02, 0.3, 2.0]))
def test_the_selected_nodes_are_those_of_the_formula(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.normal(9, 2, 40)
    te = rng.normal(0, size, 8)[:, None] + rng.normal(0, size / 4, (8, 40))
    verdicts = assess_welch(EffectTable(te, observed))
    under_do = (observed + te).tolist()
    necessary, step = published(under_do, observed.tolist())
    noisy, _ = published(under_do, observed.tolist(), sign=1)
    assert set(verdicts.having(Role.NECESSARY).tolist()) == necessary
    assert set(verdicts.having(Role.NOISY).tolist()) == noisy
    assert verdicts.selected_by.value == step
    assert Role.MINOR not in verdicts.roles


def test_the_graph_grows_with_the_sample_size() -> None:
    means = -np.geomspace(4, 0.05, 30)
    sizes = []
    for count in (100, 300, 900):
        rng = np.random.default_rng(count)
        te = means[:, None] + rng.normal(0, 0.1, (30, count))
        sizes.append(len(assess_welch(EffectTable(te, rng.normal(10, 2, count))).having(Role.NECESSARY)))
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_fallback_for_noisy_nodes_is_said() -> None:
    observed = np.linspace(8, 12, 50)
    verdicts = assess_welch(EffectTable(np.array([[-5.0] * 50, [0.05] * 50]), observed))
    assert verdicts.selected_by is SelectedBy.WELCH
    assert verdicts.roles[1] is Role.NOISY
    assert "fallback" in verdicts.reason


def test_samples_with_an_outcome_of_zero_do_not_spoil_the_fallback() -> None:
    observed = np.array([0.0, 5.0, 10.0, 15.0])
    verdicts = assess_welch(EffectTable(np.array([[-0.1] * 4, [0.0] * 4]), observed))
    assert verdicts.selected_by is SelectedBy.FALLBACK
    assert verdicts.roles == (Role.NECESSARY, Role.DEAD)
    assert np.isfinite(verdicts.p).all()


def test_nothing_selected_has_a_reason() -> None:
    verdicts = assess_welch(EffectTable(np.array([[1e-6] * 4, [0.0] * 4]), np.array([5.0, 6.0, 7.0, 8.0])))
    assert verdicts.selected_by is SelectedBy.NONE
    assert verdicts.reason == "neither the z-test nor the fallback selects a necessary node"


@pytest.mark.parametrize("outcome", [0.0, 3.0])
def test_a_constant_outcome_gives_no_nan(outcome: float) -> None:
    verdicts = assess_welch(EffectTable(np.array([[-1.0, -1.0], [0.0, 0.0]]), np.array([outcome, outcome])))
    assert np.isfinite([verdicts.p, verdicts.q, verdicts.low, verdicts.high]).all()
    assert verdicts.roles[0] is Role.NECESSARY


def test_every_number_is_that_of_the_two_sample_z_test() -> None:
    rng = np.random.default_rng(3)
    observed = rng.normal(9, 2, 30)
    te = np.array([[-1.5], [0.4], [0.0], [2.0]]) + np.array([[1.0], [0.5], [0.0], [2.0]]) * rng.normal(size=(4, 30))
    verdicts = assess_welch(EffectTable(te, observed), alpha=0.1)
    for node, changed in enumerate((observed + te).tolist()):
        error = math.sqrt(statistics.variance(changed) / 30 + statistics.variance(observed.tolist()) / 30)
        ate = statistics.fmean(te[node].tolist())
        beyond = statistics.NormalDist().cdf(-abs(ate) / error)
        assert verdicts.ate[node] == pytest.approx(ate)
        assert verdicts.d[node] == pytest.approx(ate / statistics.stdev(observed.tolist()))
        assert verdicts.p[node] == pytest.approx(1.0 if node == 2 else beyond)
        assert verdicts.q[node] == verdicts.p[node]
        margin = statistics.NormalDist().inv_cdf(0.95) * error
        assert (verdicts.low[node], verdicts.high[node]) == pytest.approx((ate - margin, ate + margin))


def test_intervals_are_of_95_percent_unless_told() -> None:
    rng = np.random.default_rng(4)
    table = EffectTable(rng.normal(size=(2, 20)), rng.normal(size=20))
    np.testing.assert_array_equal(assess_welch(table).low, assess_welch(table, alpha=0.05).low)
    assert (assess_welch(table).high < assess_welch(table, alpha=0.01).high).all()


def test_without_spread_a_change_is_certain() -> None:
    verdicts = assess_welch(EffectTable(np.array([[-1.0, -1.0], [0.0, 0.0]]), np.array([3.0, 3.0])))
    assert verdicts.p.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("te", "selected_by", "reason"),
    [
        ([-5.0, 0.05], SelectedBy.WELCH, "noisy nodes selected by the fallback"),
        ([-0.05, 5.0], SelectedBy.FALLBACK, "necessary nodes selected by the fallback"),
        ([-0.05, 0.05], SelectedBy.FALLBACK, "necessary and noisy nodes selected by the fallback"),
        ([-5.0, 5.0], SelectedBy.WELCH, ""),
        ([-5.0, 0.0], SelectedBy.WELCH, ""),
        ([0.0, 5.0], SelectedBy.NONE, "neither the z-test nor the fallback selects a necessary node"),
        (
            [0.0, 0.05],
            SelectedBy.NONE,
            "neither the z-test nor the fallback selects a necessary node; noisy nodes selected by the fallback",
        ),
    ],
)
def test_what_selected_is_told(te: list[float], selected_by: SelectedBy, reason: str) -> None:
    observed = np.linspace(8, 12, 50)
    verdicts = assess_welch(EffectTable(np.array(te)[:, None] * np.ones(50), observed))
    assert verdicts.selected_by is selected_by
    assert verdicts.reason == reason
