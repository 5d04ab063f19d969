"""The GitHub Action: its shell steps run as a runner would run them, with the installer and the program replaced."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.options import flags_of
from tests.support.shell import REAL, ROOT, calls, run_lines

TEXT = (ROOT / "tools" / "action" / "action.yml").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}


@dataclass(frozen=True, slots=True)
class Done:
    """What a step left.

    Attributes:
        code: its exit code.
        called: arguments of each call of a replaced program.
        outputs: what it set.
        shown: what it printed.
        summary: what it wrote to the summary of the job.
    """

    code: int
    called: list[list[str]]
    outputs: dict[str, str]
    shown: str
    summary: str


def run_step(name: str, inputs: Mapping[str, str], place: Path, programs: Mapping[str, str]) -> Done:
    """Run a step in a folder; `programs` are bash scripts by the name of the program that they stand in for."""
    given = {key: str(declared.get("default", "")) for key, declared in ACTION["inputs"].items()} | dict(inputs)
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: given[found[1]], value)
        for key, value in STEPS[name]["env"].items()
    }
    (place / "runner").mkdir()
    set_by_runner = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "RUNNER_TEMP": str(place / "runner"),
        "GITHUB_OUTPUT": str(place / "output"),
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        "GITHUB_WORKSPACE": str(place),
        "GITHUB_ACTION_PATH": str(ROOT / "tools" / "action"),
    }
    done = run_lines(STEPS[name]["run"], place, programs, set_by_runner | variables)
    lines = (place / "output").read_text().splitlines() if (place / "output").exists() else []
    summary = (place / "summary.md").read_text() if (place / "summary.md").exists() else ""
    outputs = dict(line.split("=", 1) for line in lines)
    return Done(done.returncode, calls(place), outputs, done.stdout + done.stderr, summary)


def test_every_input_is_described_and_used_and_no_other() -> None:
    used = re.findall(r"inputs\.([a-z-]+)", yaml.safe_dump(ACTION["runs"]))
    assert set(used) == set(ACTION["inputs"])
    assert all(declared["description"] for declared in ACTION["inputs"].values())
    assert [key for key, declared in ACTION["inputs"].items() if declared.get("required")] == ["model"]


def test_no_input_is_written_into_a_script() -> None:
    assert not any("${{" in step.get("run", "") for step in STEPS.values())
    assert all(step["shell"] == "bash" for step in STEPS.values() if "run" in step)


@pytest.mark.parametrize("name", ["tools/action/action.yml", "docs/ci.md", "tools/gitlab-ci.yml"])
def test_what_others_wrote_is_named_by_the_hash_of_a_commit(name: str) -> None:
    named = re.findall(r"\buses: *([^\s@]+)@(\S+)", (ROOT / name).read_text(encoding="utf-8"))
    assert bool(named) is not name.endswith("gitlab-ci.yml")
    for action, revision in named:
        own = action.startswith("onnxcausal/")
        assert revision == "FULL-COMMIT-HASH" if own else re.fullmatch(r"[0-9a-f]{40}", revision), action


def test_expressions_stand_where_no_shell_reads_them() -> None:
    for step in ACTION["runs"]["steps"]:
        for key, value in step.items():
            assert key in ("env", "with", "if", "id") or "${{" not in str(value), (step, key)
    for name in ("docs/ci.md", "tools/gitlab-ci.yml"):
        assert "${{" not in (ROOT / name).read_text(encoding="utf-8")


def test_every_variable_is_quoted_in_the_scripts() -> None:
    for step in ACTION["runs"]["steps"]:
        for line in step.get("run", "").splitlines():
            bare = re.sub(r'"[^"]*"', "", line).replace("$?", "").replace("$(mktemp", "")
            assert "$" not in re.sub(r"^\s*\w+=\S*", "", bare).replace("^[0-9A-Za-z.+!_-]+$", ""), line


HOSTILE = (
    "$(touch ran)",
    "`touch ran`",
    "; touch ran",
    "a && touch ran",
    "a | touch ran",
    "a\ntouch ran",
    '"; touch ran; "',
    "'; touch ran; '",
    "${IFS}touch${IFS}ran",
    "*",
    "~",
    "-h",
    "a > ran",
    "<(touch ran)",
    "$((a[$(touch ran)]))",
    "a\\",
)
"""Texts that do something where a shell reads them as a script."""


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["model", "data", "config", "baseline", "fail-on", "arguments"])
def test_no_input_is_read_as_a_script(name: str, text: str, tmp_path: Path) -> None:
    done = run_step("Analyse", {"model": "model.onnx"} | {name: text}, tmp_path, {"onnxcausal": ""})
    assert done.code == 0, done.shown
    ((*arguments,),) = done.called
    parts = text.splitlines() if name in ("fail-on", "arguments") else [text]
    assert set(parts) <= set(arguments)
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("text", [*HOSTILE, "0.1.0 --index-url https://example.org", "0.1.0; x", "0.1.0 @ https://x"])
def test_a_version_that_is_none_installs_nothing(text: str, tmp_path: Path) -> None:
    done = run_step("Install onnxcausal", {"version": text}, tmp_path, {"pip": ""})
    if text != "-h":
        assert (done.code, done.called) == (2, [])
    else:
        assert done.called == [["install", "--quiet", "onnxcausal==-h"]]  # pip takes it for no version
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("text", ["requirements.txt", *HOSTILE])
def test_a_file_of_requirements_needs_hashes(text: str, tmp_path: Path) -> None:
    done = run_step("Install onnxcausal", {"requirements": text, "version": "0.1.0"}, tmp_path, {"pip": ""})
    assert done.called == [["install", "--quiet", "--require-hashes", "--requirement", text]]
    assert not list(tmp_path.rglob("ran"))


def test_every_output_is_set_by_the_step_it_names() -> None:
    for name, declared in ACTION["outputs"].items():
        assert declared["value"] == f"${{{{ steps.analyze.outputs.{name} }}}}"
        assert f'echo "{name}=' in STEPS["Analyse"]["run"]


def test_the_flags_it_passes_exist() -> None:
    passed = re.findall(r"--[a-z-]+", STEPS["Analyse"]["run"])
    assert {"--quiet", "--out", "--report", "--fail-on", "--baseline", "--data", "--config"} == set(passed)
    assert set(passed) <= flags_of("analyze")


def test_it_installs_what_it_came_with_or_the_release_asked_for(tmp_path: Path) -> None:
    for version in ("", "0.1.0"):
        place = tmp_path / f"at{version}"
        place.mkdir()
        done = run_step("Install onnxcausal", {"version": version}, place, {"pip": ""})
        assert done.code == 0
        ((install, quiet, wanted),) = done.called
        assert (install, quiet) == ("install", "--quiet")
        if version:
            assert wanted == "onnxcausal==0.1.0"
        else:
            assert Path(wanted).resolve() == ROOT
            assert (Path(wanted) / "pyproject.toml").is_file()


def test_inputs_become_arguments_as_they_are(tmp_path: Path) -> None:
    inputs = {
        "model": "-my $(touch ran) model.onnx",
        "data": "some; data.npz",
        "config": "a`b`.toml",
        "baseline": "good $HOME",
        "fail-on": 'accuracy[a "b"] < 0.9\n\nnodes > 9\n',
        "arguments": "--samples=50\n--target=a b",
    }
    done = run_step("Analyse", inputs, tmp_path, {"onnxcausal": ""})
    assert done.code == 0, done.shown
    ((command, quiet, out, folder, *rest),) = done.called
    assert (command, quiet, out) == ("analyze", "--quiet", "--out")
    results = Path(folder).parent
    assert results.parent == tmp_path / "runner"
    reports = ["--report", f"junit={results}/junit.xml", "--report", f"sarif={results}/onnxcausal.sarif"]
    places = ["--data", "some; data.npz", "--config", "a`b`.toml", "--baseline", "good $HOME"]
    gates = ["--fail-on", 'accuracy[a "b"] < 0.9', "--fail-on", "nodes > 9"]
    more = ["--samples=50", "--target=a b"]
    assert rest == [*reports, *places, *gates, *more, "--", "-my $(touch ran) model.onnx"]
    assert not (tmp_path / "ran").exists()


def test_what_is_not_given_is_not_passed(tmp_path: Path) -> None:
    done = run_step("Analyse", {"model": "model.onnx"}, tmp_path, {"onnxcausal": ""})
    ((*_, before, last, model),) = done.called
    assert before.startswith("sarif=")
    assert (last, model) == ("--", "model.onnx")


@pytest.mark.parametrize("code", [1, 2, 3, 130])
def test_its_exit_code_is_that_of_the_analysis_and_reports_not_written_are_not_named(tmp_path: Path, code: int) -> None:
    done = run_step("Analyse", {"model": "model.onnx"}, tmp_path, {"onnxcausal": f"exit {code}"})
    assert done.code == code
    assert set(done.outputs) == {"analysis"}


def test_sarif_is_uploaded_where_asked_even_if_a_gate_failed() -> None:
    upload = STEPS["Upload SARIF"]
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    assert "!cancelled()" in upload["if"]  # without a word on its state, a step is left out after one that failed
    assert "inputs.upload-sarif == 'true'" in upload["if"]
    assert upload["with"]["sarif_file"] == ACTION["outputs"]["sarif"]["value"]


@pytest.mark.slow
@pytest.mark.parametrize(("gate", "code"), [("accuracy < 0.5", 0), ("nodes > 0", 1)])
def test_the_gate_decides_on_the_shipped_model(tmp_path: Path, gate: str, code: int) -> None:
    for name in ("digits_lenet.onnx", "digits_lenet.toml", "digits.npz"):
        shutil.copy(ROOT / "models" / name, tmp_path)
    inputs = {"model": "digits_lenet.onnx", "fail-on": gate, "arguments": "--target=3\n--samples=30"}
    done = run_step("Analyse", inputs, tmp_path, {"onnxcausal": REAL})
    assert done.code == code, done.shown
    assert (Path(done.outputs["analysis"]) / "analysis.json").is_file()
    assert ("<failure" in Path(done.outputs["junit"]).read_text()) is bool(code)
    assert "digits_lenet.onnx" in Path(done.outputs["sarif"]).read_text()
    assert done.summary.startswith("### onnxcausal: digits")
    assert ("**failed**" in done.summary) is bool(code)
    assert ("::error file=digits_lenet.onnx,title=nodes > 0::" in done.shown) is bool(code)
