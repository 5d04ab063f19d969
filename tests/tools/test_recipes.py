"""What users copy into their pipelines besides the GitHub Action: pre-commit, GitLab, Docker, lines of docs/ci.md."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from onnxcausal.analysis.gating.gates import parse_gate
from onnxcausal.cli import main
from tests.support.options import flags_of, parse
from tests.support.pages import page
from tests.support.shell import REAL, ROOT, calls, run_lines

PAGE = page("docs/ci.md")
DOCKERFILE = (ROOT / "tools" / "Dockerfile").read_text(encoding="utf-8")
DIGITS = ROOT / "models" / "digits_lenet.onnx"
BROKEN = ROOT / "tests" / "seeds" / "broken_truncated_at_90.onnx"
FILES = (".pre-commit-hooks.yaml", "tools/action/action.yml", "tools/gitlab-ci.yml", "tools/Dockerfile")
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "tools" / "gitlab-ci.yml").read_text(encoding="utf-8"))["onnxcausal"]


def code_of(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions and their arguments, in order."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def test_the_hook_only_inspects_onnx_files() -> None:
    assert shlex.split(HOOK["entry"]) == ["onnxcausal", "inspect"]
    assert HOOK["language"] == "python"
    assert [name for name in ("a/model.onnx", "model.onnx.txt", "monnx") if re.search(HOOK["files"], name)] == [
        "a/model.onnx"
    ]
    assert HOOK.get("pass_filenames", True)


def test_the_hook_passes_models_and_fails_where_one_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    entry = shlex.split(HOOK["entry"])[1:]
    assert code_of(*entry, DIGITS, ROOT / "models" / "mnist_lenet.onnx") == 0
    assert capsys.readouterr().err == ""
    assert code_of(*entry, BROKEN, DIGITS) == 3
    shown = capsys.readouterr()
    assert BROKEN.name in shown.err
    assert shown.out.startswith("digits_lenet.onnx: ")


@pytest.mark.slow
@pytest.mark.in_its_own_process
def test_the_hook_does_so_where_files_are_opened_in_a_process_of_their_own() -> None:
    entry = shlex.split(HOOK["entry"])[1:]
    assert code_of(*entry, DIGITS) == 0
    assert code_of(*entry, BROKEN) == 3


def test_the_gitlab_job_keeps_the_reports_it_writes() -> None:
    (analyze,) = [line for line in map(shlex.split, GITLAB["script"]) if line[1] == "analyze"]
    written = {value.split("=", 1)[0]: value.split("=", 1)[1] for value in analyze if re.match("junit=|sarif=", value)}
    assert GITLAB["artifacts"]["reports"]["junit"] == written["junit"]
    assert set(GITLAB["artifacts"]["paths"]) == {written["sarif"], analyze[analyze.index("--out") + 1]}
    assert GITLAB["artifacts"]["when"] == "always"  # the reports of a failed gate are those that matter


def test_the_lines_of_the_gitlab_job_are_shell_and_their_flags_exist() -> None:
    for line in GITLAB["before_script"] + GITLAB["script"]:
        assert isinstance(line, str)
        assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0, line
        assert set(re.findall(r"\$(\w+)", line)) <= set(GITLAB["variables"])
    for program, command, *rest in map(shlex.split, GITLAB["script"]):
        assert program == "onnxcausal"
        assert {word for word in rest if word.startswith("-")} <= flags_of(command)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.9, 1.1])
def test_the_gitlab_job_runs_on_the_shipped_model(tmp_path: Path, accuracy: float) -> None:
    for name in ("digits_lenet.onnx", "digits_lenet.toml", "digits.npz"):
        shutil.copy(ROOT / "models" / name, tmp_path)
    lines = "\n".join(GITLAB["before_script"] + GITLAB["script"]).replace("accuracy < 0.9", f"accuracy < {accuracy}")
    variables = GITLAB["variables"] | {"MODEL": "digits_lenet.onnx", "CI": "true", "GITLAB_CI": "true"}
    done = run_lines(lines, tmp_path, {"pip": "", "onnxcausal": REAL}, variables)
    assert done.returncode == int(accuracy > 1), done.stderr
    install, inspect, analyze = calls(tmp_path)
    assert install == ["install", "--quiet", "onnxcausal"]
    assert (inspect, analyze[:2]) == (["inspect", "digits_lenet.onnx"], ["analyze", "digits_lenet.onnx"])
    kept = [*GITLAB["artifacts"]["paths"], GITLAB["artifacts"]["reports"]["junit"]]
    assert all((tmp_path / name).exists() for name in kept)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="pre-commit needs git")
def test_pre_commit_runs_the_hook_on_models_alone_and_refuses_a_broken_one(tmp_path: Path) -> None:
    """What is installed for the hook is replaced by what is here; all else is pre-commit itself."""
    hook, work = tmp_path / "hook", tmp_path / "work"
    for place in (hook, work):
        place.mkdir()
    manifest = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    (hook / ".pre-commit-hooks.yaml").write_text(manifest.replace("language: python", "language: system"))
    shutil.copy(DIGITS, work / "good.onnx")
    (work / "notes.txt").write_text("no model")
    for place in (hook, work):
        commit = "git -c user.name=a -c user.email=a@b commit -qm all"
        assert run_lines(f"git init -q && git add -A && {commit}", place, {}, {}).returncode == 0
    run_hook = f"{shlex.quote(sys.executable)} -m pre_commit try-repo ../hook {HOOK['id']} --all-files --verbose"
    variables = {"PRE_COMMIT_HOME": str(tmp_path / "kept")}
    passed = run_lines(run_hook, work, {"onnxcausal": REAL}, variables)
    assert passed.returncode == 0, passed.stdout
    assert calls(work) == [["inspect", "good.onnx"]]
    shutil.copy(BROKEN, work / "broken.onnx")
    assert run_lines("git add broken.onnx", work, {}, {}).returncode == 0
    refused = run_lines(run_hook, work, {"onnxcausal": REAL}, variables)
    assert refused.returncode == 1
    assert "where: broken.onnx" in refused.stdout


def test_the_image_is_made_of_what_is_there_and_all_that_the_package_needs() -> None:
    sources = {source for line in of("COPY") for source in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in sources)
    assert {"pyproject.toml", "README.md", "LICENSE", "onnxcausal", "models"} == sources
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert "*" in ignored


def test_the_image_runs_as_a_plain_user_and_starts_the_program() -> None:
    words = [word for word, _ in instructions()]
    (user,) = of("USER")
    assert user not in ("root", "0")
    assert any(f"useradd --no-create-home {user}" in line for line in of("RUN"))
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])  # nothing comes as another user's
    assert of("ENTRYPOINT") == ['["onnxcausal"]']
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", of("FROM")[0])  # a release of Debian: packages change their names
    assert of("FROM") == [GITLAB["image"]]


def test_the_image_and_the_gitlab_job_take_nothing_from_the_system() -> None:
    for text in (DOCKERFILE, " ".join(GITLAB["before_script"])):
        assert "pip install" in text
        assert "apt-get" not in text


@pytest.mark.parametrize("name", FILES)
def test_nothing_holds_a_secret_or_names_a_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"(?i)secret|token|password|api[_-]?key|https?://|--index-url|(\d+\.){3}\d+", text)


def test_what_the_page_shows_fits_the_files() -> None:
    workflow, commits, job = map(yaml.safe_load, PAGE.blocks("yaml"))
    (step,) = [step for step in workflow["jobs"]["model"]["steps"] if step["uses"].startswith("onnxcausal/")]
    path = step["uses"].removeprefix("onnxcausal/onnxcausal/").split("@")[0]
    action = yaml.safe_load((ROOT / path / "action.yml").read_text(encoding="utf-8"))
    assert set(step["with"]) <= set(action["inputs"])
    assert {name for name, declared in action["inputs"].items() if declared.get("required")} <= set(step["with"])
    assert all(line.split("=")[0] in flags_of("analyze") for line in step["with"]["arguments"].split())
    assert [hook["id"] for hook in commits["repos"][0]["hooks"]] == [HOOK["id"]]
    assert job["script"] == GITLAB["script"]
    (shown,) = PAGE.blocks("bash")
    assert shown.splitlines() == [line.removeprefix("# ") for line in DOCKERFILE.splitlines()[:2]]


def test_the_program_takes_what_is_run_in_a_container() -> None:
    (shown,) = PAGE.blocks("bash")
    build, run = map(shlex.split, shown.splitlines())
    assert (ROOT / build[build.index("-f") + 1]).is_file()
    image = build[build.index("-t") + 1]
    arguments = run[run.index(image) + 1 :]
    assert arguments[0] == "analyze"
    assert parse(arguments)["model"] == Path("model.onnx")


def test_the_program_takes_what_its_action_is_given() -> None:
    workflow = yaml.safe_load(PAGE.blocks("yaml")[0])
    given = workflow["jobs"]["model"]["steps"][-1]["with"]
    gates = given["fail-on"].splitlines()
    more = [word for gate in gates for word in ("--fail-on", gate)]
    read = parse(["analyze", *more, *given["arguments"].splitlines(), "--", given["model"]])
    assert (read["fail_on"], read["samples"]) == (gates, 50)
    assert [parse_gate(gate, "fail-on").measure for gate in gates] == ["accuracy", "noisy_share"]
