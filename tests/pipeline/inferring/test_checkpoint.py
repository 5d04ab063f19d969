"""Runs that are interrupted lose nothing and end with the same bytes."""

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.formats.journal import JOURNAL_FILE, Journal
from onnxcausal.errors import InterruptedRunError, OutputError
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.pipeline.inferring import measure
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.samples.selection import Selection
from tests.support.networks import mlp
from tests.support.opened import open_proto

DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"
SETTINGS: dict[str, Any] = {"targets": [3, 8], "samples": 30}

KILLED = """
import os, signal, sys
from onnxcausal import analyze
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.pipeline.inferring import measure
measure.CHUNK_WORK = 100_000
real, left = SuffixEngine.effects, [int(sys.argv[2])]
def effects(self, *given, **settings):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *given, **settings)
SuffixEngine.effects = effects
analyze(sys.argv[1], out=sys.argv[3], targets=[3, 8], samples=30, adaptive=sys.argv[4] == "adaptive")
"""


def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the chunks that are really run, in small chunks."""
    monkeypatch.setattr(measure, "CHUNK_WORK", 100_000)
    ran: list[int] = []
    real = SuffixEngine.effects

    def effects(self: SuffixEngine, probe: Any, *given: Any, **settings: Any) -> Any:
        ran.append(len(probe))
        return real(self, probe, *given, **settings)

    monkeypatch.setattr(SuffixEngine, "effects", effects)
    return ran


@pytest.mark.parametrize(
    ("after", "adaptive"),
    [
        (0, False),
        pytest.param(7, False, marks=pytest.mark.slow),
        pytest.param(40, False, marks=pytest.mark.slow),
        (25, True),
    ],
)
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, *, adaptive: bool
) -> None:
    ran = calls(monkeypatch)
    analyze(DIGITS, out=tmp_path / "whole", adaptive=adaptive, **SETTINGS)
    in_all = len(ran)
    assert in_all > after
    ran.clear()
    kind = "adaptive" if adaptive else "full"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, DIGITS, str(after), tmp_path / "killed", kind], check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "analysis.json").exists()
    analyze(DIGITS, out=tmp_path / "killed", adaptive=adaptive, **SETTINGS)
    assert len(ran) == in_all - after  # nothing that was finished is run again
    for name in ("analysis.json", "effects.npz"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "killed").glob(f"{JOURNAL_FILE}*"))


def test_what_was_found_on_the_way_is_told_after_an_interruption_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze(DIGITS, out=tmp_path / "whole", precision="fp16", **SETTINGS)
    interrupted(tmp_path / "out", monkeypatch, 3, precision="fp16")
    analyze(DIGITS, out=tmp_path / "out", precision="fp16", **SETTINGS)
    whole, again = ((tmp_path / name / "analysis.json").read_bytes() for name in ("whole", "out"))
    assert b"precision fp16: effects deviate" in whole
    assert whole == again


def interrupted(out: Path, monkeypatch: pytest.MonkeyPatch, after: int, **settings: Any) -> None:
    """Run, and press Ctrl-C after so many chunks."""
    with monkeypatch.context() as patch:
        ran = calls(patch)
        real = SuffixEngine.effects

        def effects(self: SuffixEngine, *given: Any, **where: Any) -> Any:
            if len(ran) >= after:
                raise KeyboardInterrupt
            return real(self, *given, **where)

        patch.setattr(SuffixEngine, "effects", effects)
        with pytest.raises(InterruptedRunError) as caught:
            analyze(DIGITS, out=out, **settings, **SETTINGS)
        assert f"{after} finished chunk(s) are kept" in caught.value.why
        assert "same command again" in caught.value.remedy


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "out", monkeypatch, 9)
    ran = calls(monkeypatch)
    analyze(DIGITS, out=tmp_path / "out", **SETTINGS)
    again = len(ran)
    analyze(DIGITS, out=tmp_path / "other", **SETTINGS)
    assert len(ran) - again == again + 9


@pytest.mark.parametrize(
    "other",
    [
        {"beta": 0.5},
        {"replace": "mean"},
        {"outcome": "margin"},
        {"seed": 1},
        {"alpha": 0.01},
        {"engine": "reference"},
        {"data": "arrays"},
        {"model": "edited"},
    ],
)
def test_another_model_data_or_setting_never_reuses_a_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, str]
) -> None:
    interrupted(tmp_path / "out", monkeypatch, 9)
    settings = {**SETTINGS, **other}
    model, data = DIGITS, None
    if settings.pop("data", None):
        with np.load(DIGITS.parent / "digits.npz") as held:
            x = held["x"].copy()
            x[0] = 255 - x[0]
            data = (x, held["y"])
    if settings.pop("model", None):
        model = tmp_path / DIGITS.name
        model.write_bytes(DIGITS.read_bytes().replace(b"relu_3", b"relu_x"))
        (tmp_path / "digits_lenet.toml").write_bytes(DIGITS.with_suffix(".toml").read_bytes())
        (tmp_path / "digits.npz").write_bytes((DIGITS.parent / "digits.npz").read_bytes())
    analyze(model, data, out=tmp_path / "out", force=True, **settings)
    analyze(model, data, out=tmp_path / "fresh", **settings)
    for name in ("analysis.json", "effects.npz"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    # The interrupted run's chunks are still there for it.
    assert (tmp_path / "out" / JOURNAL_FILE).exists()


def test_two_runs_on_one_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SuffixEngine.observe

    def observe(self: SuffixEngine, *given: Any) -> Any:
        monkeypatch.setattr(SuffixEngine, "observe", real)
        with pytest.raises(OutputError, match="another run is at work"):
            analyze(DIGITS, out=tmp_path / "out", **SETTINGS)
        return real(self, *given)

    monkeypatch.setattr(SuffixEngine, "observe", observe)
    analyze(DIGITS, out=tmp_path / "out", **SETTINGS)
    assert (tmp_path / "out" / "analysis.json").exists()


def test_a_run_that_fails_before_its_first_chunk_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def observe(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(SuffixEngine, "observe", observe)
    with pytest.raises(RuntimeError, match="boom"):
        analyze(DIGITS, out=tmp_path / "out", **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    analyze(DIGITS, **SETTINGS)
    assert not list(tmp_path.iterdir())


def one_chunk() -> tuple[PathProbe, Selection]:
    """Return a probe of two nodes, one of two features, and three samples."""
    x = np.ones((3, 5), np.float32)
    layer = open_proto(mlp([np.ones((6, 5))], [np.zeros(6)]), x).layers[0]
    probe = PathProbe(replace(layer, name="fc"), (np.array([0]), np.array([2, 3])), np.array([1, 4]), 0.5)
    return probe, Selection(x, np.array([5, 6, 9]), 3, 3)


def test_a_chunk_is_found_again_by_all_that_its_effects_depend_on(tmp_path: Path) -> None:
    probe, chosen = one_chunk()
    effects = np.arange(6.0).reshape(2, 3)
    written = {
        "target": 7,
        "samples": np.array([5, 6, 9]),
        "layer": "fc",
        "nodes": [1, 2],
        "features": np.array([0, 2, 3]),
        "targets": np.array([1, 4]),
        "columns": [0, 3],
    }
    journal = Journal(tmp_path, {"run": 1})
    journal.keep(written, effects, {})
    ledger = Checkpoint(journal).of(7, chosen)
    found = ledger.find(probe, slice(0, 3))
    assert found is not None
    np.testing.assert_array_equal(found, effects)
    others = [
        probe.of(np.array([0])),
        probe.joint(),
        replace(probe, nodes=(np.array([0, 2]), np.array([3]))),
        replace(probe, targets=np.array([1, 3])),
        replace(probe, layer=replace(probe.layer, name="other")),
    ]
    assert all(ledger.find(other, slice(0, 3)) is None for other in others)
    assert ledger.find(probe, slice(0, 2)) is None
    assert Checkpoint(journal).of(8, chosen).find(probe, slice(0, 3)) is None
    journal.close(finished=True)


def test_the_key_of_a_chunk_stays_what_it_was_in_journals_that_exist(tmp_path: Path) -> None:
    probe, chosen = one_chunk()
    journal = Journal(tmp_path, {"run": 1})
    Checkpoint(journal).of(7, chosen).keep(probe, slice(0, 3), np.zeros((2, 3)), {})
    journal.close(finished=False)
    with sqlite3.connect(tmp_path / JOURNAL_FILE) as connection:
        kept = connection.execute("SELECT run, chunk FROM chunk").fetchall()
    connection.close()
    assert kept == [
        (
            "8766d48d0109c31704734bbd2259d988b59cf6164a8978c3dd996ab0b74bfe10",
            "3540918c5801edb3f9b9eca7a205191e74c5b91e12235205758f4357a06f8a38",
        )
    ]
