"""Every example in the README does what it shows, and every command, flag, gate and file that it names exists."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import onnxcausal
from onnxcausal.analysis.formats.masks import read_masks, to_json
from onnxcausal.analysis.gating.gates import parse_gate
from onnxcausal.analysis.gating.measures import MEANING
from onnxcausal.errors import OnnxCausalError
from onnxcausal.pipeline.preparing.configuration import AnalysisSection, configure
from tests.support.options import commands, flags_of, parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "tools" / "bench" / "RESULTS.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
"""Code in the text, outside of blocks."""
PROGRAM_FLAGS = ("--version", "--install-completion", "--help")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True)
class Example:
    """A command as it is shown, and what it is shown to print."""

    command: str
    expected: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    error: str


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def examples() -> list[Example]:
    """Return the commands of all sessions shown, in their order."""
    found = []
    for block in blocks("console"):
        first, *parts = COMMAND.split(block)
        assert not first, block
        for command, expected in zip(parts[::2], parts[1::2], strict=True):
            found.append(Example(command.replace("\\\n", " "), expected))
    return found


EXAMPLES = examples()


def arguments_of(command: str) -> list[str]:
    program, *arguments = shlex.split(command)
    assert program == "onnxcausal", command
    return arguments


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Return what each command did, all of them run in their order in one folder, as a reader would."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "models", folder / "models")
    done = {}
    for example in EXAMPLES:
        program = [sys.executable, "-m", "onnxcausal", *arguments_of(example.command)]
        ran = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
        done[example.command] = Ran(ran.returncode, ran.stdout, ran.stderr)
    return done


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.command)
def test_a_command_prints_what_the_readme_shows(example: Example, session: dict[str, Ran]) -> None:
    ran = session[example.command]
    failing = re.search(r"^error:", example.expected, re.MULTILINE) is not None
    assert (ran.code != 0) is failing, ran.error
    shown = ran.out + ran.error if failing else ran.out
    assert doctest.OutputChecker().check_output(example.expected, shown, FLAGS), (
        f"expected:\n{example.expected}\ngot:\n{shown}\n{ran.error}"
    )


def test_every_command_is_shown_at_work() -> None:
    assert len(EXAMPLES) == README.count("\n$ ") == 24
    assert len({example.command for example in EXAMPLES}) == len(EXAMPLES)
    assert {arguments_of(example.command)[0] for example in EXAMPLES} == set(commands())


def test_an_example_says_something_of_its_output() -> None:
    for example in EXAMPLES:
        assert example.expected.replace("...", "").strip(), example.command


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = re.findall(r"^```(\w*)\n.*?^```$", README, re.DOTALL | re.MULTILINE)
    assert sorted(kinds) == sorted(
        ["bash"] * 3 + ["console"] * len(blocks("console")) + ["json", "python", "toml"] + ["yaml"] * 3
    )
    *of_ci, docker = blocks("bash")
    assert [command.strip() for command in of_ci] == re.findall(r"<!-- command -->\n```bash\n(.*?)\n```", README)
    assert docker.startswith("docker ")  # held to the Dockerfile by tests/tools/test_recipes.py


def test_the_program_takes_what_is_run_in_a_container() -> None:
    build, run = map(shlex.split, blocks("bash")[-1].splitlines())
    assert (ROOT / build[build.index("-f") + 1]).is_file()
    image = build[build.index("-t") + 1]
    arguments = run[run.index(image) + 1 :]
    assert arguments[0] == "analyze"
    assert parse(arguments)["model"] == Path("model.onnx")


def test_the_program_takes_what_its_action_is_given() -> None:
    workflow = yaml.safe_load(blocks("yaml")[0])
    given = workflow["jobs"]["model"]["steps"][-1]["with"]
    gates = given["fail-on"].splitlines()
    more = [word for gate in gates for word in ("--fail-on", gate)]
    read = parse(["analyze", *more, *given["arguments"].splitlines(), "--", given["model"]])
    assert (read["fail_on"], read["samples"]) == (gates, 50)
    assert [parse_gate(gate, "fail-on").measure for gate in gates] == ["accuracy", "noisy_share"]


def test_commands_and_flags_in_the_text_exist() -> None:
    known = {flag for command in commands() for flag in flags_of(command)} | set(PROGRAM_FLAGS)
    for span in SPANS:
        flags = re.findall(r"(?<![\w-])--[a-z-]+", span)
        if not span.startswith("pip "):
            assert set(flags) <= known, span
        if span.startswith("onnxcausal ") and span.split()[1] not in PROGRAM_FLAGS:
            command = span.split()[1]
            assert command in commands(), span
            assert set(flags) <= flags_of(command), span
    assert {flag for span in SPANS for flag in re.findall(r"--install-completion|--version", span)} == {
        "--install-completion",
        "--version",
    }


def test_every_command_stands_in_the_table_of_questions_with_a_link_to_its_example() -> None:
    (table,) = re.findall(r"\| command \| question \|\n(.*?)\n\n", README, re.DOTALL)
    named = re.findall(r"`(\w+)`", table)
    assert sorted(named) == sorted(commands())


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert links
    assert links <= headings


def anchor(heading: str) -> str:
    """Return how GitHub names a heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_what_is_installed_by_name_is_to_be_had() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installed = [span for span in SPANS if span.startswith(("pip install", "apt-get install"))]
    assert len(installed) == 4
    assert set(re.findall(r"onnxcausal\[(\w+)\]|'\.\[(\w+)\]'", README)) == {("evaluate", ""), ("", "test")}
    assert {"evaluate", "test"} <= set(extras)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").split()
    assert {word for span in installed if span.startswith("apt-get") for word in span.split()[2:]} <= set(ci)


def test_scripts_that_are_named_are_there() -> None:
    scripts = re.findall(r"python (tools/\S+\.py)", README)
    assert {"tools/readme_picture.py", "tools/bench/graph_sizes.py", "tools/check.py"} == set(scripts)
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_measure_of_a_gate_is_named() -> None:
    (table,) = re.findall(r"\| measure \| \|\n(.*?)\n\n", README, re.DOTALL)
    named = {name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(MEANING)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    (table,) = re.findall(r"\| exit code \| meaning \|\n(.*?)\n\n", README, re.DOTALL)
    told = {int(row.split("|")[1]) for row in table.splitlines()[1:]}
    assert told == {0, *(error.exit_code for error in errors(OnnxCausalError))}


def errors(base: type[OnnxCausalError]) -> set[type[OnnxCausalError]]:
    return {base, *(error for each in base.__subclasses__() for error in errors(each))}


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = blocks("python")
    test = doctest.DocTestParser().get_doctest(code, {}, "README.md", None, None)
    assert len(test.examples) == 6
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0


def test_the_jobs_named_for_python_are_those_of_the_package() -> None:
    (section,) = re.findall(r"## From Python\n(.*?)\n## ", README, re.DOTALL)
    assert all(f"`{job}`" in section or f"onnxcausal.{job}(" in section for job in onnxcausal.JOBS)


def test_the_sidecar_shown_is_accepted_and_names_the_defaults(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "model.toml").write_text(text)
    shown = configure(tmp_path / "model.onnx", None, {}).values
    assert shown.analysis.model_copy(update={"targets": None}) == AnalysisSection()
    assert [parse_gate(gate, "fail_on").measure for gate in shown.gates.fail_on] == ["accuracy", "noisy_share"]


def test_the_masks_shown_are_written_so(tmp_path: Path) -> None:
    (text,) = blocks("json")
    (tmp_path / "masks.json").write_text(text)
    assert to_json(read_masks(tmp_path / "masks.json")) == text


def test_the_two_commands_are_the_ones_ci_runs() -> None:
    found = re.findall(r"<!-- command -->\n```bash\n(.*?)\n```", README)
    assert len(found) == 2
    assert "onnxcausal analyze models/digits_lenet.onnx" in found[0]
    assert "tools/check.py" in found[1]


def test_every_local_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_limits_quote_what_was_measured() -> None:
    (limits,) = re.findall(r"### Limits\n(.*?)\n## ", README, re.DOTALL)
    told = " ".join(limits.split())
    lenet, resnet = (alone(f"{model}, 10 classes") for model in ("LeNet-5, MNIST", "ResNet-20, CIFAR-10"))
    assert f"AUROC of {lenet[1]:.2f} in LeNet-5 (full model {lenet[0]:.3f})" in told
    assert f"of {resnet[1]:.2f} in ResNet-20 (full {resnet[0]:.2f}, random graph {resnet[2]:.2f})" in told
    lenet, resnet = (faithful(model) for model in ("LeNet-5", "ResNet-20"))
    assert f"reach {lenet[0]:.2f} in LeNet-5, where the best gradient method has {lenet[1]:.2f}" in told
    assert f"{resnet[0]:.2f} against {resnet[1]:.2f} in ResNet-20" in told
    assert f"of ten other methods, {lenet[2]:.0f} and {resnet[2]:.0f} are ahead" in told
    (least,) = re.findall(r"appearance of at least 95 % in every layer \| at least ([\d.]+)%", RESULTS)
    assert f"in {least} % of runs or more" in told


def alone(start: str) -> list[float]:
    """Return the AUROC of the full model, of the graph alone and of random graphs, by the experiments' page."""
    (line,) = re.findall(rf"^- {start}, .*full model.*$", RESULTS, re.MULTILINE)
    return [
        float(re.findall(rf"{name} ([\d.]+)", line)[0]) for name in ("full model", "graph, zero", "random graph, zero")
    ]


def faithful(model: str) -> list[float]:
    """Return the IROF of the causal maps and of the best method, and how many methods are ahead."""
    found = re.findall(
        rf"^\| {model}: IROF .*? \| ([\d.]+) .*?; best [^(;]*? ([\d.]+) \(.*?; (\d+) of 10", RESULTS, re.MULTILINE
    )
    return [float(number) for number in found[0]]


@pytest.mark.slow
def test_the_picture_is_what_its_script_draws(tmp_path: Path) -> None:
    shown = ROOT / "models" / "overview.png"
    subprocess.run([sys.executable, "tools/readme_picture.py", tmp_path / "drawn.png"], cwd=ROOT, check=True)
    expected, drawn = (np.asarray(Image.open(file).convert("RGB"), float) for file in (shown, tmp_path / "drawn.png"))
    assert expected.shape == drawn.shape
    assert np.abs(expected - drawn).mean() < 0.5  # of 255: fonts are drawn a little differently elsewhere
    assert shown.stat().st_size < 200_000
