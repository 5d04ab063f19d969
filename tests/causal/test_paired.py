"""The default rule, held to scipy, to a slow transcription and to its statistical claims."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.paired import assess_paired, strongest
from onnxcausal.causal.significance import Role, SelectedBy

ALPHA = 0.05


def table(means: list[float], *, samples: int = 100, sd: float = 1.0, seed: int = 0) -> EffectTable:
    rng = np.random.default_rng(seed)
    te = np.array(means)[:, None] + rng.normal(0, sd, size=(len(means), samples))
    return EffectTable(te, rng.normal(10, 2, samples))


def adjusted(p: list[float]) -> list[float]:
    """Benjamini & Hochberg 1995, from the definition: the smallest level at which each is rejected."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    q = [0.0] * len(p)
    running = 1.0
    for rank in range(len(p), 0, -1):
        running = min(running, p[order[rank - 1]] * len(p) / rank)
        q[order[rank - 1]] = running
    return q


def covering(ate: list[float], candidates: list[int], coverage: float) -> set[int]:
    chosen: list[int] = []
    total = sum(abs(ate[i]) for i in candidates)
    for i in sorted(candidates, key=lambda i: -abs(ate[i])):
        if sum(abs(ate[j]) for j in chosen) < coverage * total - 1e-12 * total:
            chosen.append(i)
    return set(chosen)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), coverage=st.sampled_from([0.3, 0.8, 1.0]))
def test_roles_equal_a_slow_transcription(seed: int, coverage: float) -> None:
    rng = np.random.default_rng(seed)
    effects = table(rng.normal(0, 0.4, 12).tolist(), seed=seed)
    effects.te[3] = 0.0
    verdicts = assess_paired(effects, alpha=ALPHA, coverage=coverage)
    live = [i for i in range(12) if i != 3]
    tests = [stats.ttest_1samp(effects.te[i], 0.0) for i in live]
    q = dict(zip(live, adjusted([float(test.pvalue) for test in tests]), strict=True))
    for i, test in zip(live, tests, strict=True):
        interval = test.confidence_interval(1 - ALPHA)
        assert verdicts.p[i] == pytest.approx(float(test.pvalue), rel=1e-9)
        assert verdicts.q[i] == pytest.approx(q[i], rel=1e-9)
        assert (verdicts.low[i], verdicts.high[i]) == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert verdicts.d[i] == pytest.approx(effects.te[i].mean() / effects.observed.std(ddof=1), rel=1e-12)
    ate = effects.te.mean(axis=1).tolist()
    necessary = covering(ate, [i for i in live if q[i] <= ALPHA and ate[i] < 0], coverage)
    noisy = covering(ate, [i for i in live if q[i] <= ALPHA and ate[i] > 0], coverage)
    assert set(verdicts.having(Role.NECESSARY).tolist()) == necessary
    assert set(verdicts.having(Role.NOISY).tolist()) == noisy
    assert verdicts.roles[3] is Role.DEAD
    assert set(verdicts.having(Role.NEUTRAL).tolist()) == {i for i in live if q[i] > ALPHA}


def test_p_values_are_uniform_when_there_is_no_effect() -> None:
    p = np.concatenate([assess_paired(table([0.0] * 20, samples=30, seed=seed)).p for seed in range(100)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_no_more_than_alpha_of_the_layers_without_effects_show_any_over_200_seeds() -> None:
    found = [
        any(role is not Role.NEUTRAL for role in assess_paired(table([0.0] * 30, seed=seed)).roles)
        for seed in range(200)
    ]
    # Under the full null the false discovery rate is the share of layers with a discovery.
    assert stats.binomtest(sum(found), 200, ALPHA, alternative="greater").pvalue > 0.01


def test_the_false_discovery_rate_with_real_effects_present_stays_below_alpha() -> None:
    rates = []
    for seed in range(200):
        verdicts = assess_paired(table([-0.6] * 6 + [0.0] * 24, seed=seed), alpha=ALPHA)
        discovered = np.flatnonzero(verdicts.q <= ALPHA)
        rates.append((discovered >= 6).sum() / max(1, len(discovered)))
    standard_error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= ALPHA * 24 / 30 + 2.5 * standard_error


def test_planted_effects_are_found() -> None:
    verdicts = assess_paired(table([-3.0, -2.0, 1.5, 0.0, -0.3], samples=200))
    assert [role.value for role in verdicts.roles] == ["necessary", "necessary", "noisy", "neutral", "minor"]
    assert verdicts.selected_by is SelectedBy.COVERAGE
    assert not verdicts.reason


def test_the_necessary_set_does_not_grow_with_the_sample_size() -> None:
    means = (-np.geomspace(4, 0.1, 20)).tolist()
    sets = [
        set(assess_paired(table(means, samples=n, seed=n)).having(Role.NECESSARY).tolist()) for n in (100, 300, 900)
    ]
    assert max(map(len, sets)) - min(map(len, sets)) <= 1


@given(factor=st.sampled_from([0.01, 0.5, 3.0, 1e4]))
def test_scaling_all_effects_leaves_the_roles_alone(factor: float) -> None:
    effects = table([-3.0, -1.0, 0.8, 0.0, -0.4, -0.2])
    scaled = EffectTable(effects.te * factor, effects.observed)
    assert assess_paired(scaled).roles == assess_paired(effects).roles


def test_permuting_nodes_permutes_the_results() -> None:
    effects = table(np.random.default_rng(5).normal(0, 1, 15).tolist())
    order = np.random.default_rng(6).permutation(15)
    plain, permuted = assess_paired(effects), assess_paired(EffectTable(effects.te[order], effects.observed))
    assert permuted.roles == tuple(plain.roles[i] for i in order)
    np.testing.assert_allclose(permuted.q, plain.q[order])


def test_a_constant_effect_is_certain_and_no_effect_at_all_is_dead() -> None:
    effects = EffectTable(np.array([[-0.1] * 5, [0.0] * 5, [0.3] * 5]), np.arange(5.0))
    verdicts = assess_paired(effects)
    assert verdicts.p.tolist() == [0.0, 1.0, 0.0]
    assert [role.value for role in verdicts.roles] == ["necessary", "dead", "noisy"]
    assert np.isfinite([verdicts.low, verdicts.high, verdicts.q]).all()


def test_a_constant_outcome_gives_no_nan() -> None:
    verdicts = assess_paired(EffectTable(np.array([[-1.0, -2.0], [0.0, 0.0]]), np.array([3.0, 3.0])))
    assert verdicts.d.tolist() == [-np.inf, 0.0]


@pytest.mark.parametrize(
    ("means", "reason"),
    [
        ([0.0, 0.0], "no node has a significant effect on 100 samples"),
        ([3.0, 2.0], "nothing here speaks for the class"),
    ],
)
def test_an_empty_selection_has_a_reason(means: list[float], reason: str) -> None:
    verdicts = assess_paired(table(means))
    assert verdicts.selected_by is SelectedBy.NONE
    assert reason in verdicts.reason


def test_a_layer_of_dead_nodes_says_so() -> None:
    verdicts = assess_paired(EffectTable(np.zeros((3, 4)), np.arange(4.0)))
    assert verdicts.reason == "every node is dead on these samples"
    assert verdicts.q.tolist() == [1.0, 1.0, 1.0]


def test_full_coverage_takes_every_candidate() -> None:
    ate = np.array([-0.1, -0.2, -0.3])
    assert strongest(ate, np.array([True, True, True]), 1.0).tolist() == [0, 1, 2]


def test_a_node_whose_adjusted_p_value_is_the_level_itself_is_significant() -> None:
    """The step-up procedure rejects p-values up to and including k / m alpha."""
    effects = table([-0.3, -0.25, 0.3, 0.0, 0.0])
    for q in assess_paired(effects).q:
        at_level = assess_paired(effects, alpha=float(q))
        assert [role is not Role.NEUTRAL for role in at_level.roles] == (at_level.q <= q).tolist()
        assert Role.NEUTRAL not in [role for role, held in zip(at_level.roles, at_level.q, strict=True) if held == q]


def test_nodes_that_carry_exactly_the_share_asked_for_suffice() -> None:
    ate = np.array([-1.0, -4.0, -2.0, -1.0])
    every = np.ones(4, bool)
    assert strongest(ate, every, 0.5).tolist() == [1]
    assert strongest(ate, every, 0.75).tolist() == [1, 2]
    assert strongest(ate, every, 0.7500001).tolist() == [0, 1, 2]


def test_of_equally_strong_nodes_the_first_are_chosen() -> None:
    # More than 16, which an unstable sort would mix.
    assert strongest(np.tile([-1.0, -0.5], 40), np.ones(80, bool), 0.25).tolist() == list(range(0, 30, 2))


def test_an_effect_of_exactly_zero_speaks_neither_for_the_class_nor_against_it() -> None:
    """Its mean is 0 and its spread is not: it is tested, and is significant at a level that takes all."""
    te = np.array([[-1.0, 1.0, -1.0, 1.0], [-1.0, -2.0, -1.0, -3.0]])
    verdicts = assess_paired(EffectTable(te, np.arange(4.0)), alpha=1.0 - 1e-12, coverage=1.0)
    assert verdicts.p[0] == 1
    found = assess_paired(EffectTable(te[:1], np.arange(4.0)), alpha=1.0, coverage=1.0)
    assert found.roles == (Role.MINOR,)
    assert found.selected_by is SelectedBy.NONE


def test_the_reason_tells_whether_nothing_is_significant_or_nothing_negative() -> None:
    effects = EffectTable(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 1.5]]), np.arange(3.0))
    assert assess_paired(effects, alpha=0.2).reason.startswith("no significant effect is negative")
    assert assess_paired(effects, alpha=1e-9).reason == "no node has a significant effect on 3 samples"
