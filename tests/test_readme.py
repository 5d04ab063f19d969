"""The README is short, and its two commands are those of CI; tests/test_docs.py has what all pages share."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.pages import ROOT, examples, page

README = page("README.md")
MARKED = re.findall(r"<!-- command -->\n```bash\n(.*?)\n```", README.text)


def test_it_is_short() -> None:
    assert len(README.text.splitlines()) <= 250


def test_it_shows_five_commands_at_work_and_a_gate() -> None:
    shown = [example.command.split()[1] for example in examples() if example.page == README.name]
    assert shown == ["analyze", "explain", "repair", "verify", "compare", "analyze"]


def test_its_limits_are_in_ten_lines() -> None:
    (limits,) = re.findall(r"## Limits\n\n.*?\n\n(.*?)\n\n", README.text, re.DOTALL)
    assert len(limits.splitlines()) <= 10


def test_the_two_commands_are_the_ones_ci_runs() -> None:
    assert len(MARKED) == 2
    assert "onnxcausal analyze models/digits_lenet.onnx" in MARKED[0]
    assert "tools/check.py" in MARKED[1]
    assert [block.strip() for block in README.blocks("bash")] == MARKED
    (line,) = re.findall(r"sed -n '.*?' README\.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    read = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S602  # as CI does
    assert read.stdout.splitlines() == MARKED


def test_who_contributes_is_told_the_command_of_ci() -> None:
    told = [block.strip() for block in page(".github/CONTRIBUTING.md").blocks("bash")]
    assert " && ".join(told) == MARKED[1]


@pytest.mark.slow
def test_the_picture_is_what_its_script_draws(tmp_path: Path) -> None:
    shown = ROOT / "docs" / "pictures" / "overview.png"
    subprocess.run([sys.executable, "tools/readme_picture.py", tmp_path / "drawn.png"], cwd=ROOT, check=True)
    expected, drawn = (np.asarray(Image.open(file).convert("RGB"), float) for file in (shown, tmp_path / "drawn.png"))
    assert expected.shape == drawn.shape
    assert np.abs(expected - drawn).mean() < 0.5  # of 255: fonts are drawn a little differently elsewhere
    assert shown.stat().st_size < 200_000
