"""Adaptive sampling: its error rates, and its agreement with the full run."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.analysis.result.analysis import EngineKind
from onnxcausal.causal.effects import EffectTable, estimate_effects
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.sequential import (
    Evidence,
    assess_sequential,
    begin,
    look,
    looks,
)
from onnxcausal.causal.significance import Role, Verdicts
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from tests.support.assets import mnist, model_path, needs_assets, prepared
from tests.support.opened import open_proto
from tests.support.oracles import Array


def sampled(te: Array, alpha: float = 0.05, coverage: float = 0.8) -> tuple[Evidence, Verdicts]:
    """Look at the effects as an adaptive run does: nodes that left are not looked at again."""
    evidence, start = begin(*te.shape), 0
    for stop in looks(te.shape[1]):
        staying = np.flatnonzero(~evidence.leaving)
        if len(staying):
            evidence = look(evidence, te[staying, start:stop], alpha=alpha, coverage=coverage)
        start = stop
    table = EffectTable(evidence.te, np.linspace(5, 6, te.shape[1]))
    return evidence, assess_sequential(table, evidence.p, alpha=alpha, coverage=coverage)


def mixed(rng: np.random.Generator, nodes: int = 120, samples: int = 100) -> Array:
    """Effects as networks have them: sizes over three decades, both signs, spread in proportion, common noise."""
    size = 10 ** rng.uniform(-3, 0, nodes) * rng.choice([-1, -1, 1], nodes)
    common = rng.normal(size=samples)
    own = rng.normal(size=(nodes, samples))
    return np.asarray(size[:, None] * (1 + 0.4 * common + 0.7 * own))


def test_adjusted_p_values_are_at_most_uniform_under_the_null_whatever_the_rule_of_leaving() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(60):
        te = rng.normal(size=(50, 100))
        evidence, start = begin(50, 100), 0
        for stop in looks(100):
            staying = np.flatnonzero(~evidence.leaving)
            if len(staying):
                evidence = look(evidence, te[staying, start:stop], alpha=0.05, coverage=0.8)
                # The worst rule there is: leave as soon as the p-value is small.
                evidence = Evidence(evidence.te, evidence.used, evidence.p, evidence.leaving | (evidence.p < 0.05))
            start = stop
        p.append(evidence.p)
    found = np.concatenate(p)
    for level in (0.001, 0.01, 0.05, 0.2):
        # One-sided: allowed to be conservative, not to exceed the level by more than chance (3 sd).
        assert (found <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(found))


def test_looking_without_adjustment_would_not_keep_the_level() -> None:
    rng = np.random.default_rng(1)
    te = rng.normal(size=(3000, 100))
    naive = np.min([np.asarray(stats.ttest_1samp(te[:, :stop], 0, axis=1).pvalue) for stop in looks(100)], axis=0)
    assert (naive <= 0.05).mean() > 0.08  # what the design is there to prevent


@pytest.mark.slow
def test_false_discoveries_stay_within_alpha_among_real_effects() -> None:
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(200):
        te = rng.normal(size=(40, 60))
        te[:8] -= rng.uniform(0.5, 3, 8)[:, None]
        _, verdicts = sampled(te)
        significant = np.array([role not in (Role.NEUTRAL, Role.DEAD) for role in verdicts.roles])
        shares.append(significant[8:].sum() / max(1, significant.sum()))
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.05 + 3 * error


@pytest.mark.slow
def test_necessary_sets_agree_with_the_full_run_and_take_fewer_samples() -> None:
    rng = np.random.default_rng(3)
    nodes = different = used = 0
    for _ in range(60):
        te = mixed(rng)
        evidence, verdicts = sampled(te)
        full = assess_paired(EffectTable(te, np.linspace(5, 6, te.shape[1])))
        different += len(np.setxor1d(full.having(Role.NECESSARY), verdicts.having(Role.NECESSARY)))
        nodes += len(te)
        used += int(evidence.used.sum())
    assert different / nodes <= 0.01
    assert used / (nodes * 100) < 0.6


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5_pytorch_dynamic", "mnist_kanav_cnn", "mnist_mlp_sigmoid_hw"])
def test_necessary_sets_agree_on_real_models(name: str) -> None:
    labels = mnist()[1]
    every = prepared(name, 1500)
    opened = open_proto(onnx.load(model_path(name)), every[:1])
    nodes = different = 0
    for target in range(10):
        x = every[np.flatnonzero(labels[:1500] == target)[:100]]
        engine = opened.engine(EngineKind.SUFFIX)

        def outcome(scores: NDArray[np.floating], target: int = target) -> Array:
            return outcome_of(scores, target)

        observation = engine.observe(x, outcome)
        for layer in opened.layers:
            probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children)[::2])
            table = estimate_effects(engine.effects(probe, x, outcome), observation.outcome, observation.floor)
            _, verdicts = sampled(table.te)
            full = assess_paired(table).having(Role.NECESSARY)
            different += len(np.setxor1d(full, verdicts.having(Role.NECESSARY)))
            nodes += len(probe.nodes)
    assert different / nodes <= 0.01


def test_a_dead_node_stays_dead_and_one_that_wakes_up_late_is_seen() -> None:
    te = np.zeros((3, 100))
    te[1] = -1 + np.random.default_rng(4).normal(0, 0.1, 100)
    te[2, 60:] = -0.5
    evidence, verdicts = sampled(te)
    assert verdicts.roles[0] is Role.DEAD
    assert verdicts.roles[1] is Role.NECESSARY
    assert verdicts.roles[2] is Role.MINOR
    assert evidence.used[2] > 60


def test_few_samples_are_looked_at_once_and_give_the_full_run() -> None:
    te = mixed(np.random.default_rng(5), samples=12)
    evidence, verdicts = sampled(te)
    full = assess_paired(EffectTable(te, np.linspace(5, 6, 12)))
    assert (evidence.used == 12).all()
    assert verdicts.roles == full.roles
    np.testing.assert_array_equal(verdicts.p, full.p)
