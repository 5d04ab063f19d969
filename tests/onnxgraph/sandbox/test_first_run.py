"""Models that harm on some samples only: seen in a process of its own on the first ones, ended on all others."""

import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal import analyze
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.network.network import WHOLE_MODEL, open_network
from onnxcausal.onnxgraph.runner import BoundSession, Runner
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.provider import CPU, Provider
from onnxcausal.onnxgraph.sandbox import first_run
from onnxcausal.onnxgraph.sandbox.first_run import rehearse
from onnxcausal.onnxgraph.sandbox.open_model import try_model
from onnxcausal.pipeline.inspect import inspect, try_inspecting
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import Caution
from onnxcausal.samples.source import Inputs
from tests.support.hostile import HOSTILE
from tests.support.hostile_data import LARGE
from tests.support.hostile_parts import sound
from tests.support.opened import open_proto

pytestmark = [pytest.mark.in_its_own_process, pytest.mark.slow]
ON_ONE_VALUE, ABOVE = "Loop that ends on samples of one value only", "Loop that never ends on samples above 1000"
X: Inputs = np.random.default_rng(0).normal(size=(40, 1, 4, 4)).astype(np.float32)
SECONDS = 2
"""What is given to nothing but what never ends: on any machine it ends that, and nothing else."""
PATIENT = 3600
"""What is given to whatever ends by itself, which no machine takes as long for."""


def hostile(name: str, folder: Path) -> Path:
    return next(file for file in HOSTILE if file.name.startswith(name)).write(folder)


def labels(path: Path) -> NDArray[np.int64]:
    """Return the classes of the samples by the model as it is without what harms."""
    scores = open_network(Model(path.name, sound(), "0" * 64)).scores(X)
    return np.asarray(scores.argmax(axis=1), np.int64)


@pytest.fixture
def handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands in for the system's temporary one."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def _opened_patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave as much time as it takes to what opens a file; the limits that are given are for running it."""

    def patiently(real: Callable[..., str]) -> Callable[..., str]:
        def opened(path: Path, *given: Any, **settings: Any) -> str:
            return real(path, *(Limits(PATIENT) if isinstance(held, Limits) else held for held in given), **settings)

        return opened

    monkeypatch.setattr("onnxcausal.pipeline.preparing.opening.try_model", patiently(try_model))
    monkeypatch.setattr("onnxcausal.pipeline.inspect.try_inspecting", patiently(try_inspecting))


@pytest.fixture
def endings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes the exit code of every process that is started."""
    real, codes = subprocess.run, list[int]()

    def run(*given: Any, **settings: Any) -> Any:
        ended = real(*given, **settings)
        codes.append(ended.returncode)
        return ended

    monkeypatch.setattr("subprocess.run", run)
    return codes


@pytest.fixture
def limits_of_runs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that takes the limit of every run in this process, which is made `SECONDS`."""
    real, asked = threading.Timer, list[float]()

    def timer(interval: float, *given: Any) -> threading.Timer:
        asked.append(interval)
        return real(SECONDS, *given)

    monkeypatch.setattr("threading.Timer", timer)
    return asked


@pytest.mark.usefixtures("_opened_patiently")
def test_a_loop_that_is_endless_on_the_first_samples_is_stopped_and_told(
    tmp_path: Path, handed_over: Path, endings: list[int]
) -> None:
    path = hostile(ON_ONE_VALUE, tmp_path)
    with pytest.raises(ModelError, match="running the model on the first samples takes too long") as raised:
        analyze(path, (X, labels(path)), machine=Machine.of(limits=f"time={SECONDS}"), out=tmp_path / "out")
    assert endings == [0, -signal.SIGALRM]  # it was opened, and ended by its own alarm
    assert "--limits time=20" in raised.value.remedy
    assert raised.value.exit_code == 3
    assert not (tmp_path / "out").exists()
    assert not list(handed_over.iterdir())


@pytest.mark.usefixtures("_opened_patiently")
def test_a_loop_that_is_endless_on_synthetic_probes_is_stopped_before_they_are_labelled(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="running the model on the first samples takes too long"):
        analyze(hostile(ON_ONE_VALUE, tmp_path), machine=Machine.of(limits=f"time={SECONDS}"))


def test_a_loop_that_is_endless_on_one_later_sample_is_stopped_and_told(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = hostile(ABOVE, tmp_path)
    y, x = labels(path), X.copy()
    assert analyze(path, (x, y), machine=Machine.of(limits=f"time={PATIENT}"), samples=20).graphs
    last = np.flatnonzero(y == np.bincount(y).argmax())[-1]
    x[last, 0, 0, 0] = 2 * LARGE
    asked: list[float] = request.getfixturevalue("limits_of_runs")
    with pytest.raises(ModelError, match="a run of the model was stopped") as raised:
        analyze(path, (x, y), machine=Machine.of(limits=f"time={PATIENT}"), samples=40)
    assert set(asked) == {PATIENT}
    assert f"within {PATIENT} s" in raised.value.why
    assert f"--limits time={10 * PATIENT}" in raised.value.remedy
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("name", ["ConstantOfShape", "Expand"])
def test_a_size_that_values_decide_is_refused_before_this_process_makes_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile(f"memory bomb: {name} of a size", tmp_path)

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Runner, "run", never)
    with pytest.raises(ModelError, match=r"more memory than it may|crashes") as raised:
        analyze(path, (X, np.zeros(len(X), np.int64)), machine=Machine.of(limits=f"time={PATIENT},memory=1GiB"))
    assert "--limits memory=" in raised.value.remedy


@pytest.mark.usefixtures("_opened_patiently")
def test_inspecting_by_a_run_is_bounded_too(tmp_path: Path) -> None:
    path = hostile(ON_ONE_VALUE, tmp_path)
    found = inspect(path, configure(path, None, {}), run=True, caution=Caution(Limits(seconds=SECONDS)))
    assert "takes too long" in found.flow_reason
    assert not found.ran


def test_only_models_led_by_values_are_watched_and_only_where_they_are_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(first_run, "ask", lambda *given: asked.append(given))
    model, limits = load_model(hostile(ABOVE, tmp_path)), Limits(seconds=7)
    watched, trusted = open_network(model, limits=limits), open_network(model, limits=None)
    assert (watched.limits, watched.longest) == (limits, 7)
    assert (trusted.limits, trusted.longest) == (None, None)
    bomb = open_network(load_model(hostile("memory bomb: Expand of a size", tmp_path)), limits=limits)
    assert (bomb.limits, bomb.longest) == (limits, None)
    plain = open_network(Model("m.onnx", sound(), "0" * 64), limits=limits)
    assert (plain.limits, plain.longest) == (None, None)
    for network in (trusted, plain):
        rehearse(network, X[:5])
    assert not asked
    rehearse(watched, X[:5])
    assert len(asked) == 1


def test_what_samples_make_fail_is_told_where_they_are_used(tmp_path: Path) -> None:
    network = open_network(load_model(hostile(ABOVE, tmp_path)), limits=Limits(PATIENT))
    rehearse(network, np.zeros((2, 1, 4, 5), np.float32))
    with pytest.raises(ModelError, match="fails while it runs"):
        network.scores(np.zeros((2, 1, 4, 5), np.float32))


def test_plain_and_bound_runs_end_in_time_and_go_on_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(hostile(ABOVE, tmp_path))
    network = open_network(model, WHOLE_MODEL, provider=Provider(CPU), limits=Limits(PATIENT))
    endless = X[:3].copy()
    endless[:, 0, 0, 0] = 2 * LARGE
    bound = BoundSession(network.proto, "m.onnx", Provider(CPU), longest=PATIENT)
    real, asked = threading.Timer, list[float]()

    def at_once(interval: float, *given: Any) -> threading.Timer:
        asked.append(interval)
        return real(1, *given)

    for _ in range(2):
        with monkeypatch.context() as hurried:
            hurried.setattr("threading.Timer", at_once)
            with pytest.raises(ModelError, match="a run of the model was stopped"):
                network.scores(endless)
            bound.put("x", endless)
            with pytest.raises(ModelError, match="a run of the model was stopped"):
                bound.run()
        bound.put("x", X[:3])
        np.testing.assert_array_equal(bound.run()[0], network.scores(X[:3]))
    assert asked == [PATIENT] * 4


def test_an_intervention_that_makes_a_loop_endless_is_stopped(tmp_path: Path, limits_of_runs: list[float]) -> None:
    # The loop looks at the samples in the file; here it is made to look at what the layer before it gives.
    proto = load_model(hostile(ABOVE, tmp_path)).proto
    body = proto.graph.node[-1].attribute[0].g
    for op in body.node[:2]:
        op.input[0] = "inner"
    network = open_network(Model("m.onnx", proto, "0" * 64), limits=Limits(PATIENT))
    wiring = open_proto(proto, X).wiring
    layer = wiring.flow.layers[-1]
    assert layer.parents == 8
    probe = PathProbe(layer, wiring.flow.nodes[layer.name], np.arange(layer.children), -1e6)
    with pytest.raises(ModelError, match="a run of the model was stopped"):
        SuffixEngine(network, wiring).effects(probe, X, lambda scores: scores[:, 0].astype(np.float64))
    assert set(limits_of_runs) == {PATIENT}
