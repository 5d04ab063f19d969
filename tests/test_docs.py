"""Every example on a page does what it shows, and every link, command, flag, gate and file that is named exists."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import onnxcausal
from onnxcausal.analysis.formats.masks import read_masks, to_json
from onnxcausal.analysis.gating.gates import parse_gate
from onnxcausal.analysis.gating.measures import MEANING
from onnxcausal.analysis.result.settings import EngineKind
from onnxcausal.causal.graph import FlowKind
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import OutcomeKind
from onnxcausal.causal.significance import Role, Rule
from onnxcausal.causal.task import Task
from onnxcausal.errors import OnnxCausalError
from onnxcausal.pipeline.preparing.configuration import AnalysisSection, configure
from tests.support.options import commands, flags_of
from tests.support.pages import DOCS, ROOT, Example, Page, anchor, examples, page, pages

EXAMPLES = examples()
SPANS = [span for shown in pages() for span in shown.spans]
RESULTS = page("tools/bench/RESULTS.md").text
LINKED = (*pages(), *map(page, (".github/CONTRIBUTING.md", ".github/SECURITY.md", "CHANGELOG.md", "models/README.md")))
PROGRAM_FLAGS = ("--version", "--install-completion", "--help")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    error: str


def arguments_of(command: str) -> list[str]:
    program, *arguments = shlex.split(command)
    assert program == "onnxcausal", command
    return arguments


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Return what each command did, each run once, where it is first shown, in one folder, as a reader would."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "models", folder / "models")
    done: dict[str, Ran] = {}
    for example in EXAMPLES:
        if example.command not in done:
            program = [sys.executable, "-m", "onnxcausal", *arguments_of(example.command)]
            ran = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
            done[example.command] = Ran(ran.returncode, ran.stdout, ran.stderr)
    return done


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}: {example.command}")
def test_a_command_prints_what_a_page_shows(example: Example, session: dict[str, Ran]) -> None:
    ran = session[example.command]
    failing = re.search(r"^error:", example.expected, re.MULTILINE) is not None
    assert (ran.code != 0) is failing, ran.error
    shown = ran.out + ran.error if failing else ran.out
    assert doctest.OutputChecker().check_output(example.expected, shown, FLAGS), (
        f"expected:\n{example.expected}\ngot:\n{shown}\n{ran.error}"
    )


def test_every_command_is_shown_at_work() -> None:
    assert len(EXAMPLES) == sum(shown.text.count("\n$ ") for shown in pages())
    assert len({example.command for example in EXAMPLES}) == 25
    assert len({(example.page, example.command) for example in EXAMPLES}) == len(EXAMPLES)
    assert {arguments_of(example.command)[0] for example in EXAMPLES} == set(commands())


def test_an_example_says_something_of_its_output() -> None:
    for example in EXAMPLES:
        assert example.expected.replace("...", "").strip(), example.command


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    """Shell is held to what CI and the Dockerfile run by tests of the README and in tests/tools; text is formulas."""
    found = {shown.name: re.findall(r"^```(\w*)$", shown.text, re.MULTILINE)[::2] for shown in pages()}
    once = ("bash", "json", "python", "toml")
    for language in (*once, "yaml"):
        expected = {
            "bash": {"README.md": 2, "docs/ci.md": 1},
            "json": {"docs/formats.md": 1},
            "python": {"docs/python.md": 1},
            "toml": {"docs/own-model.md": 1},
            "yaml": {"docs/ci.md": 3},
        }[language]
        assert {name: kinds.count(language) for name, kinds in found.items() if language in kinds} == expected
    assert {kind for kinds in found.values() for kind in kinds} == {*once, "yaml", "console", "text"}
    assert [name for name, kinds in found.items() if "text" in kinds] == ["docs/method.md", "docs/architecture.md"]


def test_commands_and_flags_in_the_text_exist() -> None:
    known = {flag for command in commands() for flag in flags_of(command)} | set(PROGRAM_FLAGS)
    for span in SPANS:
        flags = re.findall(r"(?<![\w-])--[a-z-]+", span)
        if not span.startswith(("pip ", "mkdocs ")):
            assert set(flags) <= known, span
        if span.startswith("onnxcausal ") and span.split()[1] not in PROGRAM_FLAGS:
            command = span.split()[1]
            assert command in commands(), span
            assert set(flags) <= flags_of(command), span
    assert {flag for span in SPANS for flag in re.findall(r"--install-completion|--version", span)} == {
        "--install-completion",
        "--version",
    }


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_every_command_stands_in_the_table_of_questions_with_a_link_to_its_example(name: str) -> None:
    shown = page(name)
    (table,) = re.findall(r"\| command \| question \|\n\|---\|---\|\n(.*?)\n\n", shown.text, re.DOTALL)
    named = []
    for row in table.splitlines():
        told = row.split("|")[1]
        (link,) = re.findall(r"\]\((.*?)\)", told)
        there = (shown.file.parent / link).relative_to(ROOT).as_posix()
        for command in re.findall(r"`(\w+)`", told):
            assert any(arguments_of(held.command)[0] == command for held in EXAMPLES if held.page == there), command
            named.append(command)
    assert sorted(named) == sorted(commands())


@pytest.mark.parametrize("shown", LINKED, ids=lambda shown: shown.name)
def test_every_link_leads_to_a_file_and_a_heading(shown: Page) -> None:
    for link in shown.links:
        place, _, heading = link.partition("#")
        if not place.startswith("https:"):
            there = (shown.file.parent / place).resolve() if place else shown.file
            assert there.exists(), link
            if heading:
                assert heading in map(anchor, page(there.relative_to(ROOT).as_posix()).headings), link


def test_there_are_links_of_every_kind() -> None:
    links = [link for shown in LINKED for link in shown.links]
    assert any(link.startswith("#") for link in links)
    assert any(link.startswith("../") and "#" in link for link in links)
    assert any(link.endswith(".png") for link in links)


def test_no_page_has_two_headings_of_one_name_and_all_stand_on_the_site() -> None:
    for shown in pages():
        assert len(set(map(anchor, shown.headings))) == len(shown.headings), shown.name
    assert {shown.file for shown in pages()[1:]} == set(DOCS.rglob("*.md"))


def test_what_is_installed_by_name_is_to_be_had() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installed = [span for span in SPANS if span.startswith(("pip install", "apt-get install"))]
    assert len(installed) == 4
    text = "\n".join(shown.text for shown in pages())
    assert set(re.findall(r"onnxcausal\[(\w+)\]|'\.\[(\w+)\]'", text)) == {("evaluate", ""), ("", "test")}
    assert {"evaluate", "test"} <= set(extras)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").split()
    assert {word for span in installed if span.startswith("apt-get") for word in span.split()[2:]} <= set(ci)


def test_scripts_that_are_named_are_there() -> None:
    scripts = {script for shown in pages() for script in re.findall(r"python (tools/\S+\.py)", shown.text)}
    named = ("attacks", "bench/graph_sizes", "check", "readme_picture", "support", "write_schemas")
    assert {f"tools/{name}.py" for name in named} == scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_measure_of_a_gate_is_named() -> None:
    (table,) = re.findall(r"\| measure \| \|\n(.*?)\n\n", page("docs/ci.md").text, re.DOTALL)
    named = {name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(MEANING)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    (table,) = re.findall(r"\| exit code \| meaning \|\n(.*?)\n\n", page("docs/formats.md").text, re.DOTALL)
    told = {int(row.split("|")[1]) for row in table.splitlines()[1:]}
    assert told == {0, *(error.exit_code for error in errors(OnnxCausalError))}


def errors(base: type[OnnxCausalError]) -> set[type[OnnxCausalError]]:
    return {base, *(error for each in base.__subclasses__() for error in errors(each))}


def test_every_schema_has_a_link_where_formats_are_listed() -> None:
    shipped = {file.name for file in (ROOT / "onnxcausal").rglob("*.schema.json")}
    assert {Path(link).name for link in page("docs/formats.md").links if link.endswith(".schema.json")} == shipped


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = page("docs/python.md").blocks("python")
    test = doctest.DocTestParser().get_doctest(code, {}, "python.md", None, None)
    assert len(test.examples) == 6
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0


def test_the_jobs_named_for_python_are_those_of_the_package() -> None:
    text = page("docs/python.md").text
    assert all(f"`{job}`" in text or f"onnxcausal.{job}(" in text for job in onnxcausal.JOBS)


def test_the_sidecar_shown_is_accepted_and_names_the_defaults(tmp_path: Path) -> None:
    (text,) = page("docs/own-model.md").blocks("toml")
    (tmp_path / "model.toml").write_text(text)
    shown = configure(tmp_path / "model.onnx", None, {}).values
    assert replace(shown.analysis, targets=None) == AnalysisSection()
    assert [parse_gate(gate, "fail_on").measure for gate in shown.gates.fail_on] == ["accuracy", "noisy_share"]


def test_the_masks_shown_are_written_so(tmp_path: Path) -> None:
    (text,) = page("docs/formats.md").blocks("json")
    (tmp_path / "masks.json").write_text(text)
    assert to_json(read_masks(tmp_path / "masks.json")) == text


def test_the_glossary_has_every_word_once_in_order_and_all_that_results_say() -> None:
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", page("docs/glossary.md").text, re.MULTILINE)[1:]
    words = [word.lower() for word, _ in rows if not word.startswith("-")]
    assert words == sorted(set(words))
    assert set(Role) <= set(words)
    told = " ".join(f"{word} {meaning}" for word, meaning in rows)
    for value in (*EngineKind, *FlowKind, *OutcomeKind, *Replace, *Role, *Rule, *Task):
        assert re.search(rf"\b{re.escape(value)}\b", told), value


def test_sections_that_the_code_cites_are_there() -> None:
    cited: list[tuple[str, str]] = []
    for folder in ("onnxcausal", "tests", "tools"):
        for file in (ROOT / folder).rglob("*.py"):
            text = " ".join(file.read_text(encoding="utf-8").split())
            assert file == Path(__file__) or "(method: " not in text, file
            cited += re.findall(r'(docs/[\w/-]+\.md), "([^"]+)"', text)
            assert all((ROOT / named).is_file() for named in re.findall(r"docs/[\w/-]+\.md", text)), file
    assert len(cited) >= 13
    for name, heading in cited:
        assert heading in page(name).headings, heading


def test_the_limits_quote_what_was_measured() -> None:
    told = " ".join(page("docs/limits.md").text.split())
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


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/recipes.md"])
def test_files_and_rooms_that_are_named_are_there(name: str) -> None:
    text = page(name).text
    there = {
        path.relative_to(ROOT).as_posix()
        for top in ("onnxcausal", "tests", "tools")
        for path in (ROOT / top).rglob("*.py")
    }
    named = {span for span in re.findall(r"`([\w/.]+\.py)`", text) if "NAME" not in span}
    assert len(named) > 10
    assert [
        span for span in sorted(named) if not any(path.endswith(f"/{span}") or path == span for path in there)
    ] == []


def test_every_room_is_on_the_page_of_the_architecture() -> None:
    text = page("docs/architecture.md").text
    tops = [ROOT / "onnxcausal" / top for top in ("onnxgraph", "pipeline", "analysis", "report")]
    rooms = {room.parent.name for top in tops for room in top.glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}`" not in text} == set()


@pytest.mark.slow
def test_the_page_counts_the_attacks_that_are_tried() -> None:
    counted = [sys.executable, "tools/attacks.py", "--check"]
    ended = subprocess.run(counted, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-500:]
