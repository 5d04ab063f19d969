"""Commands killed at any moment: nothing half-written has a name, and the next run makes what was to be made."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOMENTS = 25
"""For each of four commands."""


@pytest.mark.attack("kill -9", "nothing half-written, the next run makes the same bytes", MOMENTS)
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked on this system")
@pytest.mark.parametrize("command", ["analyze", "repair", "compress", "report"])
def test_a_killed_command_leaves_nothing_broken_and_the_next_makes_the_same(command: str) -> None:
    runner = [sys.executable, "-m", "tests.support.killed_runner", command, str(MOMENTS)]
    ended = subprocess.run(runner, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(lines) == MOMENTS
    assert any(line["killed"] == -signal.SIGKILL for line in lines)
    for line in lines:
        assert line["broken"] == []
        assert (line["again"], line["told"]) == (0, "")
        assert line["same"]
