"""Every example in the README does what it shows."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = [match.group(1).split("\n", 1) for match in re.finditer(r"```console\n\$ (.*?)```", README, re.DOTALL)]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.slow
@pytest.mark.parametrize(("command", "expected"), CONSOLE, ids=[command for command, _ in CONSOLE])
def test_a_command_prints_what_the_readme_shows(command: str, expected: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    arguments = shlex.split(command)
    assert arguments[0] == "onnxcausal"
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    shown = done.stderr if expected.startswith("error:") else done.stdout
    checker = doctest.OutputChecker()
    assert checker.check_output(expected, shown, FLAGS), f"expected:\n{expected}\ngot:\n{shown}\n{done.stderr}"


def test_the_commands_are_found() -> None:
    assert len(CONSOLE) == 13


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    test = doctest.DocTestParser().get_doctest(code, {}, "README.md", None, None)
    assert len(test.examples) == 6
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0


def test_the_sidecar_shown_is_accepted_and_names_the_defaults(tmp_path: Path) -> None:
    from onnxcausal.pipeline.configuration import AnalysisSection, configure  # noqa: PLC0415

    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "model.toml").write_text(text)
    shown = configure(tmp_path / "model.onnx", None, {}).values
    assert shown.analysis.model_copy(update={"targets": None}) == AnalysisSection()


def test_the_masks_shown_are_written_so(tmp_path: Path) -> None:
    from onnxcausal.analysis.masks import read_masks, to_json  # noqa: PLC0415

    (text,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    (tmp_path / "masks.json").write_text(text)
    assert to_json(read_masks(tmp_path / "masks.json")) == text


def test_the_two_commands_are_the_ones_ci_runs() -> None:
    commands = re.findall(r"<!-- command -->\n```bash\n(.*?)\n```", README)
    assert len(commands) == 2
    assert "onnxcausal analyze models/digits_lenet.onnx" in commands[0]
    assert "tools/check.py" in commands[1]


def test_every_local_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
