"""Opening models in a process of their own, under limits."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onnxcausal import analyze
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.runner.limits import Limits, parse_limits
from onnxcausal.onnxgraph.runner.sessions import out_of_memory
from onnxcausal.onnxgraph.sandbox.open_model import try_model
from onnxcausal.pipeline.inspect import inspect
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import Caution, open_model
from tests.support.hostile import HOSTILE

DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"
pytestmark = pytest.mark.in_its_own_process


def hostile(name: str, folder: Path) -> Path:
    return next(file for file in HOSTILE if file.name == name).write(folder)


def test_a_sound_model_passes_with_its_hash() -> None:
    assert try_model(DIGITS, Limits()) == load_model(DIGITS).sha256
    assert open_model(DIGITS).sha256 == load_model(DIGITS).sha256


@pytest.mark.attack("time and memory", "stopped in a process of its own, exit code 3")
def test_an_endless_loop_is_stopped_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, codes = subprocess.run, list[int]()

    def run(*given: Any, **settings: Any) -> Any:
        ended = real(*given, **settings)
        codes.append(ended.returncode)
        return ended

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(ModelError, match="takes too long") as raised:
        open_model(hostile("endless Loop", tmp_path), Caution(Limits(seconds=2)))
    assert codes == [-signal.SIGALRM]  # the alarm of the process itself, however slow the machine
    assert "within 2 s" in raised.value.why
    assert "--limits time=20" in raised.value.remedy


@pytest.mark.attack("time and memory", "stopped in a process of its own, exit code 3")
def test_a_model_that_fills_memory_is_stopped_and_told(tmp_path: Path) -> None:
    name = "memory bomb: input appended to itself 40 times"
    with pytest.raises(ModelError, match=r"more memory than it may|crashes") as raised:
        open_model(hostile(name, tmp_path), Caution(Limits(seconds=3600, memory=2**30)))
    assert "--limits memory=" in raised.value.remedy


def test_a_thread_that_cannot_be_started_is_memory_that_runs_out() -> None:
    told = "PosixThread pthread_create failed, error code: 12 error msg: Cannot allocate memory"
    assert out_of_memory(RuntimeError(told)) is not None
    assert out_of_memory(RuntimeError("Node (Add_0) Op (Add) Incompatible dimensions")) is None


def test_errors_of_the_other_process_are_told_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="not an ONNX model") as raised:
        open_model(tmp_path / "m.onnx")
    assert raised.value.why == "the file is empty"
    with pytest.raises(ConfigError, match="no tensor 'nowhere'"):
        open_model(DIGITS, output="nowhere")


@pytest.mark.attack("model files", "refused, exit code 3")
def test_a_file_that_changes_between_check_and_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxcausal.pipeline.preparing.opening.try_model", lambda *_, **__: "another hash")
    with pytest.raises(ModelError, match="changed while it was opened"):
        analyze(DIGITS, targets=[3], samples=10, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trusted_file_is_opened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> str:
        raise AssertionError

    monkeypatch.setattr("onnxcausal.pipeline.preparing.opening.try_model", never)
    assert analyze(DIGITS, targets=[3], samples=10, machine=Machine.of(limits="none")).targets == (3,)


@pytest.mark.parametrize("text", ["time", "time=x", "time=0", "memory=lots", "speed=3", "time=1,time=2", "time=-3"])
def test_limits_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_limits(text)


def test_limits_are_read_one_by_one() -> None:
    assert parse_limits("memory=1GiB") == Limits(memory=2**30)
    assert parse_limits("time=2.5") == Limits(seconds=2.5)
    assert parse_limits("none") is None


@pytest.mark.attack("model files", "not run")
def test_nothing_in_the_current_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("resource", "psutil", "json", "onnx"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w').close()\n")
    assert open_model(DIGITS).sha256
    assert inspect(DIGITS, configure(DIGITS, None, {})).layers
    assert not (tmp_path / "was_run").exists()


@pytest.mark.attack("model files", "refused, exit code 3")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    for name in ("pipe.onnx", "zero.onnx"):
        with pytest.raises(ModelError, match="not an ONNX model") as raised:
            open_model(tmp_path / name)
        assert "no plain file" in raised.value.why
        with pytest.raises(ModelError, match="not an ONNX model"):
            inspect(tmp_path / name, configure(tmp_path / name, None, {}))
