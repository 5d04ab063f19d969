"""Files that do no harm when they are tried, and take memory or time in the run: the command ends within its bounds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hostile_sizes import WHAT, write_bomb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no bound on the memory of a process"),
]
PATIENT, SHORT, GIB = 3600, 6, 2**30
OVERHEAD = 3 * GIB // 4
"""What the program takes beside the model, generously."""
MEASURED = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints its code and its peak in KiB. It is small: what it starts counts its maker's memory too."""
EARLY = ["two samples or more", "samples of height four", "samples of differing values"]
"""Conditions that the first samples meet, each of them or a batch."""
TIME = ["a Loop", "400 MatMul", "one NonMaxSuppression"]
CASES = [
    *((EARLY[number % len(EARLY)], what) for number, what in enumerate(WHAT)),
    *(("seven samples", what) for what in ("ConstantOfShape", "NonZero", "StringConcat", *TIME)),
    ("more rows of a layer than a batch has samples", "400 MatMul"),
]
COUNTS = {"seven samples": 7}
"""Samples of each class that are asked for."""


def command_of(path: Path, when: str, what: str) -> list[str | Path]:
    """Return the command that analyses the file within bounds; what takes memory gets all the time it needs."""
    limits = ["--limits", f"time={SHORT if what in TIME else PATIENT},memory=1GiB", "--memory", "1GiB"]
    data: list[str | Path] = ["--data", path.with_name("samples.npz"), "--samples", str(COUNTS.get(when, 100))]
    return [
        sys.executable,
        "-m",
        "onnxcausal",
        "analyze",
        path,
        *data,
        *limits,
        "--quiet",
        "--out",
        path.with_name("out"),
    ]


@pytest.mark.attack("time and memory", "stopped within its bounds, exit code 3")
@pytest.mark.parametrize(("when", "what"), CASES)
def test_a_bomb_ends_with_3_and_within_its_bounds(when: str, what: str, tmp_path: Path) -> None:
    path = write_bomb(tmp_path, when, what)
    measured = [sys.executable, "-c", MEASURED, *command_of(path, when, what)]
    ended = subprocess.run(measured, check=True, capture_output=True, text=True)
    code, most = map(int, ended.stdout.split())
    told = ended.stderr
    assert code == 3, told
    begins = [line.split(":")[0].strip() for line in told.splitlines()]
    assert begins == ["error", "where", "why", "do"]
    expected = "too long|was stopped" if what in TIME else "more memory|crashes"
    assert any(part in told for part in expected.split("|"))
    assert most * 1024 < GIB + OVERHEAD


@pytest.mark.attack("time and memory", "avoided by smaller runs")
def test_a_bomb_that_only_many_rows_set_off_is_avoided_by_smaller_runs(tmp_path: Path) -> None:
    when = "more rows of a layer than a batch has samples"
    path = write_bomb(tmp_path, when, "Expand")
    subprocess.run(command_of(path, when, "Expand"), check=True, capture_output=True)
    assert (tmp_path / "out" / "analysis.json").is_file()
