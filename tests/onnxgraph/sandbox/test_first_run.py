"""Models that harm on some samples only: seen in a process of its own on the first ones, ended on all others."""

import signal
import subprocess
import tempfile
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
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.deadline import Watch, watched
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.memory import LARGEST_BATCH
from onnxcausal.onnxgraph.sandbox import first_run
from onnxcausal.onnxgraph.sandbox.first_run import rehearse, tried_together
from onnxcausal.onnxgraph.sandbox.open_model import try_model
from onnxcausal.pipeline.inspect import inspect, try_inspecting
from onnxcausal.pipeline.preparing import machine
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import HERE, Machine
from onnxcausal.pipeline.preparing.opening import Caution
from onnxcausal.pipeline.preparing.ready import make_ready
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
    """Return a list that takes the limit of runs in this process, which is made `SECONDS`."""
    asked: list[float] = []

    def watch(longest: float, *, ends_process: bool) -> Watch:
        asked.append(longest)
        assert not ends_process
        return Watch(SECONDS)

    monkeypatch.setattr(machine, "Watch", watch)
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
    assert f"within {SECONDS} s" in raised.value.why
    assert f"--limits time={10 * SECONDS}" in raised.value.remedy
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


def test_every_file_that_is_not_trusted_is_tried_on_the_first_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(first_run, "ask", lambda *given: asked.append(given))
    model, limits = Model("m.onnx", sound(), "0" * 64), Limits(seconds=7)
    rehearse(open_network(model, limits=None), X[:5])
    assert not asked
    rehearse(open_network(model, limits=limits), X[:5], 64)
    ((job, path, held, told),) = asked
    assert (job, path, held) == (first_run.JOB, Path("m.onnx"), limits)
    assert (told["input"], told["batch"], told["rows"]) == ("x", None, 64)


def test_a_run_tries_the_first_samples_and_then_the_batch_it_will_use(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def asked_for(_: object, __: object, limits: Limits, told: dict[str, Any]) -> str:
        asked.append((limits, told["rows"]))
        return ""

    monkeypatch.setattr(first_run, "ask", asked_for)
    network = open_network(Model("m.onnx", sound(), "0" * 64), limits=Limits(seconds=7))
    assert make_ready(network, X[:5], HERE, 1000).network.batch == LARGEST_BATCH
    make_ready(network, X[:5], HERE, 20)
    make_ready(network, X[:5], HERE, 5)
    make_ready(network, X[:5], HERE, 1000, tried=True)
    assert asked == [(Limits(seconds=7), rows) for rows in (None, LARGEST_BATCH, None, 20, None)]


def test_a_model_whose_batch_was_opened_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(first_run, "ask", lambda _, __, ___, told: asked.append((told["batch"], told["rows"])))
    proto = sound()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    network = open_network(Model("m.onnx", proto, "0" * 64), limits=Limits(seconds=7))
    make_ready(network, X[:5], HERE, 1000, tried=True)
    make_ready(network, X[:5], HERE, 1000)
    assert asked == [(None, LARGEST_BATCH), (1, None), (None, LARGEST_BATCH)]


@pytest.mark.parametrize(
    ("batch", "rows", "sizes"),
    [
        (None, None, [1, 1, 1, 2, 3]),
        (None, 64, [1, 1, 1, 2, 3, 64]),
        (None, 2, [1, 1, 1, 2, 3]),
        (2, None, [2, 2, 2, 2, 2]),
        (4, None, [4, 4, 4, 4]),
    ],
)
def test_the_sizes_that_are_tried(batch: int | None, rows: int | None, sizes: list[int]) -> None:
    tried = list(tried_together(X[:3], batch, rows, PATIENT))
    assert list(map(len, tried)) == sizes
    np.testing.assert_array_equal(tried[-1][0], X[2] if batch == 2 else X[0])  # the last batch of two begins there


def test_a_batch_that_would_take_too_long_is_not_tried() -> None:
    parts = tried_together(X[:3], None, 64, 0.0)
    assert list(map(len, parts)) == [1, 1, 1, 2, 3]


def test_what_samples_make_fail_is_told_where_they_are_used(tmp_path: Path) -> None:
    network = open_network(load_model(hostile(ABOVE, tmp_path)), limits=Limits(PATIENT))
    rehearse(network, np.zeros((2, 1, 4, 5), np.float32))
    with pytest.raises(ModelError, match="fails while it runs"):
        network.scores(np.zeros((2, 1, 4, 5), np.float32))


def test_an_intervention_that_makes_a_loop_endless_is_stopped(tmp_path: Path) -> None:
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
    with watched(Watch(SECONDS)), pytest.raises(ModelError, match="a run of the model was stopped"):
        SuffixEngine(network, wiring).effects(probe, X, lambda scores: scores[:, 0].astype(np.float64))
