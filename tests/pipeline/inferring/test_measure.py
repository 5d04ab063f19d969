"""Adaptive sampling and budgets in a whole analysis."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from onnxcausal import analyze
from onnxcausal.analysis.formats.journal import Journal
from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.effects import estimate_effects
from onnxcausal.causal.significance import Role, Rule, SelectedBy
from onnxcausal.causal.welch import assess_welch
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.engine.interface import Cost, Engine, Observation, ScoresToOutcome
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.measure import CHUNK_WORK, Bench, LayerMeasurement, measure
from onnxcausal.pipeline.progress import Silent
from onnxcausal.samples.source import Inputs
from tests.support.networks import mlp
from tests.support.opened import open_proto

DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"


def test_an_adaptive_run_finds_the_same_necessary_nodes_from_fewer_samples(tmp_path: Path) -> None:
    full = analyze(DIGITS, targets=[0, 3, 8])
    fast = analyze(DIGITS, targets=[0, 3, 8], adaptive=True, out=tmp_path)
    nodes = different = used = 0
    for target in (0, 3, 8):
        for old, new in zip(full.graph(target).layers, fast.graph(target).layers, strict=True):
            different += len(np.setxor1d(old.necessary, new.necessary))
            nodes += len(old.roles)
            assert new.effects is not None
            used += int(new.effects.used.sum())
    assert different / nodes <= 0.01
    assert used < 0.75 * 100 * nodes
    record = json.loads((tmp_path / "analysis.json").read_text())
    assert record["settings"]["adaptive"] is True
    counts = {node["samples"] for layer in record["graphs"][0]["layers"] for node in layer["nodes"]}
    assert counts <= {15, 30, 50, 75, 100}
    assert len(counts) > 2


def test_a_full_run_does_not_speak_of_samples_per_node(tmp_path: Path) -> None:
    analyze(DIGITS, targets=[3], samples=20, out=tmp_path)
    record = json.loads((tmp_path / "analysis.json").read_text())
    assert "samples" not in record["graphs"][0]["layers"][0]["nodes"][0]
    assert "untested" not in record["graphs"][0]["layers"][0]


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_budget_tests_the_most_promising_nodes_and_bounds_the_others(tmp_path: Path, *, adaptive: bool) -> None:
    full = analyze(DIGITS, targets=[3])
    analysis = analyze(DIGITS, targets=[3], budget=40, adaptive=adaptive, out=tmp_path)
    whole, top = full.graph(3).layers[0], analysis.graph(3).layers[0]
    untested = top.having(Role.UNTESTED)
    assert top.hidden is not None
    assert len(untested) == top.hidden.nodes
    tested = [node for node, role in enumerate(top.roles) if role not in (Role.UNTESTED, Role.DEAD)]
    assert len(tested) == 39  # and one intervention on all others jointly
    # The joint effect in the last layer, which is linear, is the sum of those it hides.
    assert top.hidden.ate == pytest.approx(whole.ate[untested].sum(), abs=1e-5)
    assert top.hidden.low < top.hidden.ate < top.hidden.high
    # What matters most is among the tested.
    assert set(np.argsort(whole.ate)[:5]) <= set(tested)
    record = json.loads((tmp_path / "analysis.json").read_text())["graphs"][0]["layers"][0]
    assert record["untested"]["nodes"] == len(untested)
    assert record["nodes"][int(untested[0])] == {
        "index": int(untested[0]), "ate": None, "ci": None, "d": None, "p": None, "q": None, "role": "untested"
    } | ({"samples": 0} if adaptive else {})  # fmt: skip
    assert analysis.graph(3).layers[3].hidden is None  # six nodes are within the budget


def test_the_joint_intervention_on_channels_is_that_of_the_reference(tmp_path: Path) -> None:
    del tmp_path
    fast = analyze(DIGITS, targets=[3], samples=20, budget=4).graph(3)
    assert fast.layers[3].hidden is not None
    assert fast.layers[3].hidden.nodes == 3


def test_a_budget_or_a_precision_on_the_reference_engine_is_refused() -> None:
    for wrong in ({"budget": 10}, {"precision": "fp16"}):
        with pytest.raises(ConfigError, match="suffix engine"):
            analyze(DIGITS, targets=[3], samples=20, engine="reference", **wrong)


def test_adaptive_sampling_under_the_welch_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="adaptive"):
        analyze(DIGITS, targets=[3], samples=20, adaptive=True, rule="welch")


def test_the_engine_is_recorded_and_changes_no_role() -> None:
    fast, slow = (analyze(DIGITS, targets=[3], samples=40, engine=engine) for engine in ("suffix", "reference"))
    assert (fast.settings.engine, slow.settings.engine) == ("suffix", "reference")
    for old, new in zip(slow.graph(3).layers, fast.graph(3).layers, strict=True):
        assert old.roles == new.roles
        np.testing.assert_allclose(old.ate, new.ate, rtol=0, atol=1e-5)


class Planned:
    """An engine whose effects are known: what each feature does on each sample; joint ones add up."""

    def __init__(self, te: NDArray[np.float64], bounds: NDArray[np.float64] | None, work: int = 1) -> None:
        self.te, self.work = te, work
        self.known = bounds
        self.asked: list[tuple[list[int], slice]] = []
        self.findings: dict[str, dict[str, str | float]] = {}

    def cost(self, probe: PathProbe) -> Cost:
        del probe
        return Cost(self.work, 1, "planned")

    def bounds(self, probe: PathProbe, x: Inputs) -> NDArray[np.float64] | None:
        del probe, x
        return self.known

    def effects(self, probe: PathProbe, x: Inputs, outcome: ScoresToOutcome, *, columns: slice) -> NDArray[np.float64]:
        del x, outcome
        self.asked.append((np.concatenate(probe.nodes).tolist(), columns))
        return np.array([self.te[node].sum(axis=0) for node in probe.nodes])[:, columns]


class Counting(Silent):
    """Counts the interventions that are made, and those that need not be."""

    def __init__(self) -> None:
        self.made = self.saved = 0.0

    def done(self, interventions: float) -> None:
        self.made += interventions

    def skip(self, interventions: float) -> None:
        self.saved += interventions


FLOOR = 0.25


def measured(
    te: NDArray[np.float64],
    bounds: NDArray[np.float64] | None = None,
    *,
    work: int = 1,
    journal: Journal | None = None,
    **changed: Any,
) -> tuple[LayerMeasurement, Planned, Counting]:
    """Measure a layer whose nodes are single features, with effects that are planned, `[nodes, samples]`."""
    x = np.zeros((te.shape[1], len(te)), np.float32)
    opened = open_proto(mlp([np.ones((2, len(te)))], [np.zeros(2)]), x)
    layer = opened.layers[0]
    engine, progress = Planned(te, bounds, work), Counting()
    observation = Observation(np.linspace(5, 6, te.shape[1]), FLOOR)
    bench = Bench(
        cast("Engine", engine),
        x,
        lambda scores: scores[:, 0].astype(np.float64),
        observation,
        Checkpoint(journal),
        progress,
    )
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(2))
    return measure(probe, bench, dataclasses.replace(Settings(), **changed)), engine, progress


def planned(nodes: int, samples: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return -np.geomspace(4, 0.5, nodes)[:, None] + rng.normal(0, 0.1, (nodes, samples))


def test_what_float_noise_may_cause_is_no_effect() -> None:
    te = np.array([[-1.0] * 6, [FLOOR] * 6, [-FLOOR, 0.0, FLOOR, 0.1, -0.2, 0.0], [-0.5, 0.1] * 3])
    found, _, _ = measured(te)
    assert found.effects.te.tolist() == [[-1.0] * 6, [0.0] * 6, [0.0] * 6, [-0.5, 0.0] * 3]
    assert found.verdicts.roles[1:3] == (Role.DEAD, Role.DEAD)
    assert found.hidden is None


def test_what_is_hidden_is_bounded_by_the_largest_bound_that_was_not_tested() -> None:
    te, bounds = planned(8, 20), np.array([0.5, 9.0, 3.0, 0.0, 2.0, 8.0, 1.0, 7.0])
    found, engine, progress = measured(te, bounds, budget=4)
    assert engine.asked == [([1, 3, 5, 7], slice(0, 20)), ([0, 2, 4, 6], slice(0, 20))]
    assert found.hidden is not None
    assert found.hidden.largest == 3.0
    assert found.hidden.nodes == 4
    joint = te[[0, 2, 4, 6]].sum(axis=0)
    assert found.hidden.ate == pytest.approx(joint.mean())
    interval = stats.t.interval(0.95, 19, joint.mean(), joint.std(ddof=1) / 20**0.5)
    assert (found.hidden.low, found.hidden.high) == pytest.approx(interval)
    assert found.verdicts.having(Role.UNTESTED).tolist() == [0, 2, 4, 6]
    np.testing.assert_array_equal(found.effects.te[[1, 3, 5, 7]], te[[1, 3, 5, 7]])
    assert np.isnan(found.effects.te[[0, 2, 4, 6]]).all()
    assert (progress.made, progress.saved) == (5, 0)


def test_the_interval_of_what_is_hidden_is_at_the_level_that_is_set() -> None:
    te, bounds = planned(4, 20), np.arange(1.0, 5.0)
    wide, narrow = (measured(te, bounds, budget=2, alpha=alpha)[0].hidden for alpha in (0.01, 0.2))
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("budget", "bounds"),
    [
        (None, np.arange(6.0)),  # no budget
        (6, np.arange(6.0)),  # one that reaches for all
        (9, np.arange(6.0)),
        (2, None),  # one that cannot be spent well
        (2, np.array([0.0, 0.0, 1.0, 0.0, 2.0, 0.0])),  # one that reaches for all that are alive
    ],
)
def test_where_nothing_is_left_out_every_node_is_tested(budget: int | None, bounds: NDArray[np.float64] | None) -> None:
    te = planned(6, 20)
    found, engine, progress = measured(te, bounds, budget=budget)
    assert engine.asked == [([0, 1, 2, 3, 4, 5], slice(0, 20))]
    assert found.hidden is None
    assert Role.UNTESTED not in found.verdicts.roles
    np.testing.assert_array_equal(found.effects.te, te)
    # Of a budget of two three were counted on: two nodes, and one intervention on the others.
    assert (progress.made, progress.saved) == (6, -3 if budget == 2 else 0)


def test_a_node_that_is_settled_is_not_measured_on_further_samples() -> None:
    te = planned(12, 100, seed=1)
    te[11] = np.random.default_rng(2).normal(0, 3, 100)  # which takes all samples
    found, engine, progress = measured(te, adaptive=True)
    used = found.effects.used
    start, slices = 0, []
    for stop in (15, 30, 50, 75, 100):
        slices.append(([node for node in range(12) if used[node] >= stop], slice(start, stop)))
        start = stop
    assert engine.asked == [asked for asked in slices if asked[0]]
    assert used.min() < 100 == used[11]
    for node, count in enumerate(used):
        expected = np.where(np.abs(te[node]) <= FLOOR, 0.0, te[node])
        np.testing.assert_array_equal(found.effects.te[node, :count], expected[:count])
        assert np.isnan(found.effects.te[node, count:]).all()
    assert progress.made == pytest.approx(used.sum() / 100)
    assert progress.made + progress.saved == pytest.approx(12)
    np.testing.assert_array_equal(found.effects.observed, np.linspace(5, 6, 100))


@pytest.mark.parametrize("adaptive", [False, True])
def test_level_and_coverage_are_those_that_are_set(*, adaptive: bool) -> None:
    te = planned(10, 40) + np.random.default_rng(3).normal(0, 2, (10, 40))

    def having(role: Role, **changed: Any) -> int:
        return len(measured(te, adaptive=adaptive, **changed)[0].verdicts.having(role))

    assert having(Role.NECESSARY, coverage=0.3) < having(Role.NECESSARY, coverage=0.9)
    strong = having(Role.NECESSARY, alpha=1e-6) + having(Role.NOISY, alpha=1e-6)
    assert strong < having(Role.NECESSARY, alpha=0.05) + having(Role.NOISY, alpha=0.05)


def test_the_rule_of_the_published_code_is_followed_where_it_is_set() -> None:
    te = planned(5, 30)
    found, _, _ = measured(te, rule=Rule.WELCH, alpha=0.1)
    expected = assess_welch(estimate_effects(te, np.linspace(5, 6, 30), FLOOR), alpha=0.1)
    assert found.verdicts.roles == expected.roles
    np.testing.assert_array_equal(found.verdicts.low, expected.low)
    assert found.verdicts.selected_by is SelectedBy.WELCH


@pytest.mark.parametrize(
    ("work", "size"), [(CHUNK_WORK // 60, 3), (CHUNK_WORK, 1), (10 * CHUNK_WORK, 1), (1, 7), (0, 7)]
)
def test_nodes_are_measured_in_chunks_of_about_a_second_and_kept(work: int, size: int, tmp_path: Path) -> None:
    te = planned(7, 20)
    journal = Journal(tmp_path, {"run": 1})
    found, engine, progress = measured(te, work=work, journal=journal)
    chunks = [list(range(start, min(start + size, 7))) for start in range(0, 7, size)]
    assert engine.asked == [(chunk, slice(0, 20)) for chunk in chunks]
    assert progress.made == pytest.approx(7)
    assert progress.saved == 0
    np.testing.assert_array_equal(found.effects.te, te)
    journal.close(finished=False)
    again = Journal(tmp_path, {"run": 1})
    found, engine, progress = measured(te, work=work, journal=again)
    assert engine.asked == []
    assert progress.made == 0
    assert progress.saved == pytest.approx(7)
    np.testing.assert_array_equal(found.effects.te, te)
    again.close(finished=True)


def test_an_adaptive_run_judges_at_the_level_and_coverage_that_are_set() -> None:
    te = planned(10, 40) + np.random.default_rng(3).normal(0, 1, (10, 40))
    found, _, _ = measured(te, adaptive=True, alpha=0.2, coverage=0.5)
    wide, _, _ = measured(te, adaptive=True, alpha=0.01, coverage=0.5)
    used = found.effects.used
    margin = found.effects.spread / np.sqrt(used) * stats.t.isf(0.1, used - 1)
    np.testing.assert_allclose(found.verdicts.high - found.effects.ate, margin)
    assert (wide.verdicts.high - wide.verdicts.low > 2 * margin)[wide.effects.used == used].all()
    ate = np.sort(-found.effects.ate[found.effects.ate < 0])[::-1]
    covering = int(np.searchsorted(np.cumsum(ate), 0.5 * ate.sum())) + 1
    assert len(found.verdicts.having(Role.NECESSARY)) == covering


@dataclass(frozen=True, slots=True)
class OtherKind:
    """Interventions that are of no layer and no node: what every kind offers, and nothing else."""

    sizes: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.sizes)

    def of(self, units: NDArray[np.int64]) -> "OtherKind":
        return OtherKind(tuple(self.sizes[unit] for unit in units.tolist()))

    def joint(self) -> "OtherKind":
        return OtherKind((sum(self.sizes),))

    def key(self) -> Mapping[str, object]:
        return {"sizes": list(self.sizes)}


class OtherEngine:
    """An engine on which an intervention takes its size off the outcome, a little more on each later sample."""

    findings: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.ran: list[float] = []

    def cost(self, probe: OtherKind) -> Cost:
        return Cost(CHUNK_WORK // (10 * len(probe)), 1, "at once")

    def bounds(self, probe: OtherKind, x: NDArray[Any]) -> NDArray[np.float64]:
        return np.array(probe.sizes) * len(x)

    def effects(self, probe: OtherKind, x: NDArray[Any], outcome: object, *, columns: slice) -> NDArray[np.float64]:
        del outcome
        self.ran += probe.sizes
        return np.asarray(-np.array(probe.sizes)[:, None] * (1 + 0.01 * np.arange(len(x)))[columns])


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_probe_of_any_kind_is_measured_kept_and_found_again(tmp_path: Path, *, adaptive: bool) -> None:
    x = np.zeros((30, 1), np.float32)
    probe: Any = OtherKind((1.0, 2.0, 8.0, 0.5, 4.0, 0.25))
    settings = Settings(budget=3, adaptive=adaptive)
    journal = Journal(tmp_path, {"run": 1})
    tables = []
    for runs in (True, False):
        engine: Any = OtherEngine()
        observed = Observation(np.full(30, 9.0), 1e-9)
        bench = Bench(engine, x, lambda scores: scores[:, 0].astype(float), observed, Checkpoint(journal), Silent())
        measured = measure(probe, bench, settings)
        tables.append(measured.effects.te)
        assert set(engine.ran) == ({8.0, 4.0, 3.75} if runs else set())  # the others, at once
        assert measured.hidden is not None
        assert measured.hidden.nodes == 4
        assert measured.hidden.ate == pytest.approx(-3.75 * (1 + 0.01 * np.arange(30)).mean())
    journal.close(finished=True)
    np.testing.assert_array_equal(tables[0], tables[1])
