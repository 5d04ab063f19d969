"""Adaptive sampling: its error rates, and its agreement with the full run."""

import math
import statistics

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.analysis.result.settings import EngineKind
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
from onnxcausal.causal.significance import Role, SelectedBy, Verdicts
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
        significant = verdicts.q <= 0.05
        claimed = (Role.NECESSARY, Role.NOISY, Role.MINOR)
        assert not any(role in claimed for role, found in zip(verdicts.roles, significant, strict=True) if not found)
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
    assert verdicts.roles[2] is Role.WEAK
    assert evidence.used[2] > 60


def test_few_samples_are_looked_at_once_and_give_the_full_run() -> None:
    te = mixed(np.random.default_rng(5), samples=12)
    evidence, verdicts = sampled(te)
    full = assess_paired(EffectTable(te, np.linspace(5, 6, 12)))
    assert (evidence.used == 12).all()
    assert verdicts.roles == full.roles
    np.testing.assert_array_equal(verdicts.p, full.p)


LOOKED_AT = {100: (15, 30, 50, 75, 100), 60: (18, 30, 45, 60), 40: (12, 20, 30, 40), 20: (10, 15, 20)}
"""After how many samples a layer is looked at: 15, 30, 50 and 75 % where that is at least ten, and all."""


@pytest.mark.parametrize("samples", LOOKED_AT)
def test_looks_are_at_shares_of_the_samples_and_never_at_fewer_than_ten(samples: int) -> None:
    assert looks(samples) == LOOKED_AT[samples]


def adjusted(p: list[float], tested: list[bool]) -> list[float]:
    """Benjamini & Hochberg 1995, from the definition, over the tested nodes; 1 for the others."""
    order = sorted((i for i in range(len(p)) if tested[i]), key=lambda i: p[i])
    q, running = [1.0] * len(p), 1.0
    for rank in range(len(order), 0, -1):
        running = min(running, p[order[rank - 1]] * len(order) / rank)
        q[order[rank - 1]] = running
    return q


def two_sided(mean: float, error: float, freedom: int) -> float:
    return float(2 * stats.t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)


class Slowly:
    """An adaptive run node by node, as the module describes it."""

    def __init__(self, te: Array, alpha: float, coverage: float) -> None:
        self.te, self.alpha, self.coverage = te.tolist(), alpha, coverage
        self.nodes, self.total = te.shape
        self.looks = LOOKED_AT[self.total]
        self.used = [0] * self.nodes
        self.p = [1.0] * self.nodes
        self.leaving = [False] * self.nodes

    def seen_of(self, node: int) -> list[float]:
        return self.te[node][: self.used[node]]  # type: ignore[no-any-return]  # lists of floats

    def mean(self, node: int) -> float:
        seen = self.seen_of(node)
        return seen[0] if len(set(seen)) == 1 else statistics.fmean(seen)

    def spread(self, node: int) -> float:
        seen = self.seen_of(node)
        return 0.0 if len(set(seen)) == 1 else statistics.stdev(seen)

    def alive(self) -> list[bool]:
        return [any(self.seen_of(node)) for node in range(self.nodes)]

    def look(self, seen: int) -> None:
        # A tenth of the level is spent over the early looks, alike, and the rest at the last.
        last = seen == self.total
        weight = 1.0 if len(self.looks) == 1 else 0.9 if last else 0.1 / (len(self.looks) - 1)
        for node in range(self.nodes):
            if not self.leaving[node]:
                self.used[node] = seen
                p = two_sided(self.mean(node), self.spread(node) / math.sqrt(seen), seen - 1)
                self.p[node] = min(1.0, p / weight)
        settled = [True] * self.nodes if last else self.settled(seen)
        self.leaving = [held or now for held, now in zip(self.leaving, settled, strict=True)]

    def settled(self, seen: int) -> list[bool]:
        alive = self.alive()
        missed = 0.05 / (len(self.looks) - 1)  # divided over the early looks, half of it on either side

        def half(node: int) -> float:
            used = self.used[node]
            without_replacement = math.sqrt((1 - used / self.total) / used)
            return float(stats.t.isf(missed / 2, used - 1)) * self.spread(node) * without_replacement

        q = adjusted(self.p, alive)
        expected = self.expected(alive)
        strong, weak = [False] * self.nodes, list(alive)
        for sign in (-1, 1):
            strength = [sign * self.mean(node) for node in range(self.nodes)]
            positive = [node for node in range(self.nodes) if strength[node] > 0]
            candidates = [node for node in positive if expected[node]] or positive
            if not candidates:
                continue
            candidates.sort(key=lambda node: -strength[node])
            below, above = self.cutoff(candidates, strength, sign, seen, missed)
            for node in range(self.nodes):
                strong[node] |= alive[node] and q[node] <= self.alpha and strength[node] - half(node) > above
                weak[node] &= strength[node] + half(node) < below
        return [one or other for one, other in zip(strong, weak, strict=True)]

    def cutoff(
        self, candidates: list[int], strength: list[float], sign: int, seen: int, missed: float
    ) -> tuple[float, float]:
        """Return the strength of the last that may be covered at most, and of the first beyond those at least."""
        total = sum(strength[node] for node in candidates)

        def covering(share: float) -> int:
            carried = 0.0
            for place, node in enumerate(candidates):
                carried += strength[node]
                if carried >= share * total:
                    return place
            return len(candidates)

        common, last = min(self.used), covering(self.coverage)
        excess = [
            sign
            * (
                sum(self.te[node][sample] for node in candidates[: last + 1])
                - self.coverage * sum(self.te[node][sample] for node in candidates)
            )
            for sample in range(common)
        ]
        scale = float(stats.t.isf(missed / 2, seen - 1)) * math.sqrt((1 - seen / self.total) / seen)
        error = scale * statistics.stdev(excess) / total
        most, fewest = covering(min(1.0, self.coverage + error)), covering(max(0.0, self.coverage - error))
        ordered = [strength[node] for node in candidates]
        return ordered[min(most, len(ordered) - 1)], ordered[fewest + 1] if fewest + 1 < len(ordered) else 0.0

    def expected(self, alive: list[bool]) -> list[bool]:
        """Return which nodes the full run would find significant, were their effects as they are now."""
        p = [
            two_sided(self.mean(node), self.spread(node) / math.sqrt(self.total), self.total - 1)
            for node in range(self.nodes)
        ]
        return [live and held <= self.alpha for live, held in zip(alive, adjusted(p, alive), strict=True)]


def drawn(seed: int) -> Array:
    """Effects of layers of all kinds, one seed each: few nodes and many, sure and unsure, some dead or constant."""
    rng = np.random.default_rng(seed)
    samples = list(LOOKED_AT)[seed % len(LOOKED_AT)]
    match seed % 3:
        case 0:
            te = mixed(rng, int(rng.integers(6, 25)), samples)
            te[-1], te[-2] = 0.0, rng.choice([-0.3, 0.3])
        case 1:  # few, which are significant or not by a hair
            size = rng.choice([-0.8, 0.7, 0.3, 0.0], (int(rng.integers(1, 5)), 1))
            te = size + rng.normal(size=samples) + rng.normal(0, 0.3, (len(size), samples))
        case _:  # one sign alone, strongly tied to one another
            common = rng.normal(1, 0.5, samples)
            te = -np.geomspace(1, 0.05, 12)[:, None] * common + rng.normal(0, 0.05, (12, samples))
    return np.asarray(te)


@pytest.mark.parametrize("coverage", [0.3, 0.8, 1.0])
def test_at_each_look_the_same_nodes_are_settled_as_by_a_slow_transcription(coverage: float) -> None:
    left_early = 0
    for seed in range(36):
        te = drawn(seed)
        slowly, evidence, start = Slowly(te, 0.05, coverage), begin(*te.shape), 0
        for stop in LOOKED_AT[te.shape[1]]:
            staying = np.flatnonzero(~evidence.leaving)
            if not len(staying):
                break
            evidence = look(evidence, te[staying, start:stop], alpha=0.05, coverage=coverage)
            slowly.look(stop)
            start = stop
            assert evidence.leaving.tolist() == slowly.leaving, (seed, stop)
            assert evidence.used.tolist() == slowly.used
            np.testing.assert_allclose(evidence.p, slowly.p, rtol=1e-9, atol=1e-300)
            left_early += int(evidence.leaving.sum()) if stop < te.shape[1] else 0
    assert left_early > 50


def test_the_weights_of_all_looks_sum_to_one() -> None:
    te = np.random.default_rng(6).normal(-2.0, 1, (1, 100))
    evidence, start, weights = begin(1, 100), 0, []
    for stop in looks(100):
        evidence = look(evidence, te[:, start:stop], alpha=0.05, coverage=0.8)
        evidence = Evidence(evidence.te, evidence.used, evidence.p, np.zeros(1, np.bool_))  # it stays to the end
        weights.append(float(stats.ttest_1samp(te[0, :stop], 0).pvalue) / evidence.p[0])
        start = stop
    assert weights == pytest.approx([0.025] * 4 + [0.9])
    assert sum(weights) == pytest.approx(1)


@pytest.mark.parametrize("coverage", [0.5, 0.8])
def test_verdicts_are_those_of_the_definition_on_what_was_measured_of_each_node(coverage: float) -> None:
    for seed in range(24):
        te = drawn(seed)
        slowly = Slowly(te, 0.05, coverage)
        evidence, verdicts = sampled(te, coverage=coverage)
        slowly.used, slowly.p = evidence.used.tolist(), evidence.p.tolist()
        alive = slowly.alive()
        q = adjusted(slowly.p, alive)
        expected = slowly.expected(alive)
        significant = [live and held <= 0.05 for live, held in zip(alive, q, strict=True)]
        roles = [Role.DEAD if not live else Role.NEUTRAL for live in alive]
        for node in range(len(te)):
            if significant[node]:
                roles[node] = Role.MINOR
        for sign, role in ((-1, Role.NECESSARY), (1, Role.NOISY)):
            strength = [sign * slowly.mean(node) for node in range(len(te))]
            candidates = sorted(
                (i for i in range(len(te)) if expected[i] and strength[i] > 0), key=lambda i: -strength[i]
            )
            total, carried = sum(strength[i] for i in candidates), 0.0
            for node in candidates:
                if carried < coverage * total * (1 - 1e-12) and significant[node]:
                    roles[node] = role
                carried += strength[node]
        for node, seen_of in enumerate(slowly.used):
            if seen_of < te.shape[1] and roles[node] in (Role.MINOR, Role.NEUTRAL):
                roles[node] = Role.WEAK  # which of the two it is was not asked
        assert list(verdicts.roles) == roles, seed
        np.testing.assert_allclose(verdicts.q, q, rtol=1e-9)
        np.testing.assert_array_equal(verdicts.p, evidence.p)
        for node in range(len(te)):
            seen = np.array(slowly.seen_of(node))
            margin = slowly.spread(node) / math.sqrt(len(seen)) * float(stats.t.isf(0.025, len(seen) - 1))
            assert verdicts.ate[node] == pytest.approx(seen.mean(), rel=1e-12)
            assert verdicts.low[node] == pytest.approx(seen.mean() - margin)
            assert verdicts.high[node] == pytest.approx(seen.mean() + margin)
            assert verdicts.d[node] == pytest.approx(seen.mean() / np.linspace(5, 6, te.shape[1]).std(ddof=1))
        necessary = Role.NECESSARY in roles
        assert verdicts.selected_by is (SelectedBy.COVERAGE if necessary else SelectedBy.NONE)
        assert bool(verdicts.reason) is not necessary


def test_an_adaptive_run_says_why_nothing_is_necessary() -> None:
    rng = np.random.default_rng(8)
    assert sampled(np.zeros((3, 40)))[1].reason == "every node is dead on these samples"
    assert sampled(rng.normal(size=(2, 40)))[1].reason == "no node has a significant effect on 40 samples"
    assert sampled(rng.normal(3, 1, (2, 40)))[1].reason.startswith("no significant effect is negative")


def test_by_default_the_level_is_five_percent_and_the_coverage_eighty() -> None:
    te = -np.geomspace(1, 0.02, 20)[:, None] + np.random.default_rng(9).normal(0, 0.3, (20, 60))
    evidence, verdicts = sampled(te, 0.05, 0.8)
    default = assess_sequential(EffectTable(evidence.te, np.linspace(5, 6, 60)), evidence.p)
    assert default.roles == verdicts.roles
    np.testing.assert_array_equal(default.low, verdicts.low)
    assert {Role.NECESSARY, Role.MINOR, Role.NEUTRAL} <= set(default.roles)


def test_a_node_whose_adjusted_p_value_is_the_level_itself_is_significant() -> None:
    te = mixed(np.random.default_rng(10), 12, 40)
    evidence, verdicts = sampled(te)
    table = EffectTable(evidence.te, np.linspace(5, 6, 40))
    for q in verdicts.q.tolist():
        roles = assess_sequential(table, evidence.p, alpha=q).roles
        whole = evidence.used == 40
        neutral = np.array([role is Role.NEUTRAL for role in roles])
        np.testing.assert_array_equal(neutral[whole], (verdicts.q > q)[whole])
        assert not neutral[~whole].any()
