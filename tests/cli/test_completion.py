"""Completion in the shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from onnxcausal.cli import main; main()"


def completed(words: str, count: int) -> list[str]:
    asked = {"_ONNXCAUSAL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    # The program's name decides which variable is read.
    code = f"import sys; sys.argv[0] = 'onnxcausal'; {CODE}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | asked
    )
    return done.stdout.split()


def test_commands_and_options_are_completed() -> None:
    assert completed("onnxcausal com", 1) == ["compare", "compress"]
    assert completed("onnxcausal analyze --fail", 2) == ["--fail-on"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_where_the_shell_looks(tmp_path: Path, shell: str) -> None:
    code = f"import sys; sys.argv = ['onnxcausal', '--install-completion', '{shell}']; {CODE}"
    environment = os.environ | {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "onnxcausal" in path.read_text()]
    assert written
