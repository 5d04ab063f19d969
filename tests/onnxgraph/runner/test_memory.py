"""Bounds on memory."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.runner import memory
from onnxcausal.onnxgraph.runner.memory import Memory, batch_within, free_memory, parse_size
from tests.support.networks import convolutional


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "1 TB", "2 GiBs"])
def test_a_size_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match="size cannot be read"):
        parse_size(text)


def test_what_a_container_leaves_counts_as_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_in_groups", lambda: 3_000_000)
    assert free_memory() == 3_000_000
    monkeypatch.setattr(memory, "free_in_groups", lambda: None)
    assert free_memory() > 3_000_000


def test_a_device_whose_free_memory_is_not_known_needs_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_device_memory", lambda _: None)
    with pytest.raises(ConfigError, match="free memory is not known"):
        Memory.of(None, 0)
    assert Memory.of(2**33, 0).device == 2**32
    monkeypatch.setattr(memory, "free_device_memory", lambda _: 2**30)
    assert Memory.of(2**33, 0).device == int(0.6 * 2**30) // 2


def test_the_parts_of_a_bound_do_not_exceed_it() -> None:
    divided = Memory.of(2**33)
    assert divided.used + divided.kept + divided.run + divided.sessions < divided.bound == 2**33


def test_batches_follow_the_memory() -> None:
    divided = Memory(bound=0, used=0, kept=0, run=1000, sessions=0)
    assert [batch_within(divided, size) for size in (1, 100, 999, 5000)] == [64, 10, 1, 1]


PEAK = """
import sys
from pathlib import Path
import numpy as np
from onnxcausal import Machine, analyze
x = np.random.default_rng(0).normal(size=(200, 3, 64, 64)).astype("f4")
y = np.zeros(200, int)
y[:2] = 1
machine = Machine.of(memory=sys.argv[2])
analyze(sys.argv[1], (x, y), samples=60, machine=machine, out=sys.argv[3], replace=sys.argv[4], budget=6)
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_the_peak_stays_within_the_bound_and_the_model(tmp_path: Path) -> None:
    model = convolutional([24, 24, 48, 48, 48, 48], size=64, classes=3)
    onnx.save(model, tmp_path / "m.onnx")
    weights = (tmp_path / "m.onnx").stat().st_size
    for bound, replace in ((450, "zero"), (700, "zero"), (450, "mean")):
        command: list[str | Path] = [sys.executable, "-c", PEAK, tmp_path / "m.onnx", f"{bound}MiB", tmp_path, replace]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert int(told) <= bound * 2**20 + weights
