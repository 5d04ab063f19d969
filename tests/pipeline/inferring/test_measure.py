"""Adaptive sampling and budgets in a whole analysis."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal import analyze
from onnxcausal.analysis.formats.journal import Journal
from onnxcausal.analysis.result.analysis import Settings
from onnxcausal.causal.significance import Role
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.engine.interface import Cost, Observation
from onnxcausal.pipeline.inferring import measure as measuring
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.measure import Bench, measure
from onnxcausal.pipeline.progress import Silent

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
        return Cost(measuring.CHUNK_WORK // (10 * len(probe)), 1, "at once")

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
