"""No data, no class, and no word of a file that came with the model lets a model pass; each is an attempt."""

from dataclasses import fields
from pathlib import Path

import pytest

from onnxcausal.analysis.gating.checks import Status
from onnxcausal.analysis.result.settings import Method
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.pipeline.gating.gates import check_passed
from onnxcausal.pipeline.gating.policy import DECISIVE, Given, check_settings_of_sidecar, decide
from onnxcausal.pipeline.preparing.configuration import GatesSection, configure
from tests.support.gated import Try, failed, held_to_gates, lay_out, message

ACCURATE = Given(fail_on=("accuracy < 0.5",))
SIZED = Given(fail_on=("nodes < 0",))
AGAINST = Given(baseline=Path("blessed"))
WIDE = "[gates]\nmargin = 1000000.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models and data, a baseline of all classes, one of class 0 and 1 alone, and one of another model."""
    place = tmp_path_factory.mktemp("gated")
    lay_out(place)
    for name, model, require in (("blessed", "good.onnx", None), ("another", "other.onnx", None)):
        given = Given(baseline=Path(name), update=True, require=require)
        assert failed(held_to_gates(place, Try(given, model=model))) == []
    narrow = Given(baseline=Path("narrow"), update=True)
    assert failed(held_to_gates(place, Try(narrow, flags={"analysis.targets": [0, 1]}))) == []
    return place


def attempt(name: str, tried: Try, *expected: tuple[str, int | None]) -> object:
    return pytest.param(tried, list(expected), id=name)


CLASSES, DATA, SETTINGS = ("classes", None), ("data", None), ("settings", None)


@pytest.mark.attack("gates", "failed, exit code 1")
@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        attempt(
            "no data, accuracy",
            Try(ACCURATE, data=None),
            DATA,
            *(("accuracy", target) for target in range(3)),
        ),
        attempt("no data, size", Try(SIZED, data=None), DATA),
        attempt("no data, a new baseline", Try(Given(baseline=Path("made"), update=True), data=None), DATA),
        attempt("no data, a gate of the project", Try(Given(), data=None, project='fail_on = "nodes < 0"\n'), DATA),
        attempt(
            "no data, a gate of the sidecar", Try(Given(), data=None, sidecar='[gates]\nfail_on = "nodes < 0"\n'), DATA
        ),
        attempt("a class is not in the data", Try(ACCURATE, data="without2.npz"), CLASSES),
        attempt("a class is not in the data, size", Try(SIZED, data="without2.npz"), CLASSES),
        attempt("a class is lost", Try(SIZED, model="lost.onnx"), CLASSES),
        attempt(
            "a lost class that is in the data", Try(Given(("nodes < 0",), require=("data",)), "lost.onnx"), CLASSES
        ),
        attempt("a lost class that was named", Try(Given(("nodes < 0",), require=(2,)), "lost.onnx"), CLASSES),
        attempt("a lost class by --target", Try(SIZED, "lost.onnx", flags={"analysis.targets": [1, 2]}), CLASSES),
        attempt("no gate, but classes", Try(Given(require=("all",)), data="without2.npz"), CLASSES),
        attempt("targets of the sidecar", Try(SIZED, sidecar="[analysis]\ntargets = [0]\n"), CLASSES),
        attempt(
            "targets of the sidecar, classes of the data",
            Try(Given(("nodes < 0",), require=("data",)), sidecar="[analysis]\ntargets = 0\n"),
            CLASSES,
        ),
        attempt(
            "classes of the sidecar",
            Try(SIZED, data="without2.npz", sidecar='[gates]\nrequire_classes = "data"\n'),
            CLASSES,
        ),
        attempt(
            "classes of the sidecar beside those of the project",
            Try(
                SIZED,
                data="without2.npz",
                project='require_classes = "data"\n',
                sidecar="[gates]\nrequire_classes = 2\n",
            ),
            CLASSES,
        ),
        attempt(
            "targets of the call, all classes by the project's word",
            Try(SIZED, project='require_classes = ["data", 1]\n', flags={"analysis.targets": [0]}),
            CLASSES,
        ),
        *(
            attempt(f"the sidecar sets {line}", Try(SIZED, sidecar=f"[{section}]\n{line}\n"), SETTINGS)
            for section, line in (
                ("analysis", "beta = 0.99"),
                ("analysis", "alpha = 1e-12"),
                ("analysis", "coverage = 0.01"),
                ("analysis", 'replace = "mean"'),
                ("analysis", 'outcome = "margin"'),
                ("analysis", 'rule = "welch"'),
                ("analysis", "budget = 2"),
                ("analysis", 'layers = "last:1"'),
                ("analysis", 'skip_layers = ["first:1"]'),
                ("analysis", "samples = 19"),
                ("model", 'task = "multilabel"'),
                ("model", 'output = "gemm_2"'),
                ("model", 'input = "x"'),
            )
        ),
        attempt("fewer samples than the baseline", Try(AGAINST, sidecar="[analysis]\nsamples = 29\n"), SETTINGS),
        attempt(
            "accuracy of a regression",
            Try(ACCURATE, flags={"model.task": "regression"}),
            *(("accuracy", target) for target in range(3)),
        ),
        attempt(
            "the baseline's class is not in the data", Try(AGAINST, data="without2.npz"), CLASSES, ("unchanged", 2)
        ),
        attempt(
            "the same, where classes of the data are enough",
            Try(Given(baseline=Path("blessed"), require=("data",)), data="without2.npz"),
            ("unchanged", 2),
        ),
        attempt("the baseline's class is lost", Try(AGAINST, model="lost.onnx"), CLASSES, ("unchanged", 2)),
        attempt("a class that the baseline lacks", Try(Given(baseline=Path("narrow"))), ("unchanged", 2)),
        attempt(
            "a gate of change on a lost class",
            Try(Given(("changed > 1000",), Path("blessed")), "lost.onnx"),
            CLASSES,
            ("changed", 2),
        ),
        attempt(
            "a gate of change on a class that is not in the data",
            Try(Given(("distance > 1000",), Path("blessed"), require=("data",)), data="without2.npz"),
            ("distance", 2),
        ),
    ],
)
def test_an_attempt_to_pass_with_less_fails(folder: Path, tried: Try, expected: list[tuple[str, int | None]]) -> None:
    gated = held_to_gates(folder, tried)
    assert failed(gated) == expected
    with pytest.raises(GateError) as caught:
        check_passed(gated.checks, tried.model)
    assert caught.value.exit_code == 1
    assert not (folder / "made").exists()


@pytest.mark.parametrize(
    ("tried", "note"),
    [
        pytest.param(
            Try(Given(("nodes < 0",), require=("data",)), data="without2.npz"),
            "classes that must have a graph: those in the data (--require-classes)",
            id="classes of the data",
        ),
        pytest.param(
            Try(Given(("nodes < 0",), require=("0", "1")), "lost.onnx"),
            "classes that must have a graph: 0, 1 (--require-classes)",
            id="classes by name",
        ),
        pytest.param(
            Try(SIZED, data="without2.npz", flags={"analysis.targets": [1]}),
            "classes that must have a graph: 1 (--targets)",
            id="targets of the call",
        ),
        pytest.param(
            Try(SIZED, data="without2.npz", project='require_classes = "data"\n'),
            'pyproject.toml sets require_classes = ["data"]',
            id="classes of the project",
        ),
        pytest.param(
            Try(SIZED, flags={"analysis.beta": 0.5}, sidecar="[analysis]\nbeta = 0.5\nseed = 3\n"),
            "good.toml sets analysis.seed = 3",
            id="a setting that the call confirms",
        ),
        pytest.param(
            Try(AGAINST, sidecar="[analysis]\nsamples = 30\n"), "good.toml sets analysis.samples = 30", id="samples"
        ),
        pytest.param(
            Try(Given(baseline=Path("blessed")), "other.onnx", project="margin = 50\n"),
            "pyproject.toml sets margin = 50.0",
            id="margin of the project",
        ),
        pytest.param(
            Try(Given(baseline=Path("narrow")), flags={"analysis.targets": [0]}),
            "classes that must have a graph: 0 (--targets)",
            id="targets of the call, a baseline of more",
        ),
    ],
)
def test_what_was_asked_for_passes_and_is_said(folder: Path, tried: Try, note: str) -> None:
    gated = held_to_gates(folder, tried)
    assert failed(gated) == []
    check_passed(gated.checks, tried.model)
    assert note in gated.notes


@pytest.mark.attack("gates", "of no effect")
def test_a_margin_of_the_sidecar_counts_where_it_is_narrower(folder: Path) -> None:
    wide = held_to_gates(folder, Try(AGAINST, "other.onnx", sidecar=WIDE))
    assert {rule for rule, _ in failed(wide)} == {"unchanged"}
    assert "the margin of other.toml is not used: 1e+06 is wider than 0.02" in wide.notes
    assert failed(held_to_gates(folder, Try(Given(baseline=Path("blessed"), margin=50), "other.onnx"))) == []
    narrow = Try(AGAINST, "other.onnx", sidecar="[gates]\nmargin = 0.5\n", project="margin = 50\n")
    assert {rule for rule, _ in failed(held_to_gates(folder, narrow))} == {"unchanged"}
    own = Given(baseline=Path("blessed"), margin=50)
    assert failed(held_to_gates(folder, Try(own, "other.onnx", sidecar="[gates]\nmargin = 0.5\n"))) == []


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize("margin", [float("inf"), float("nan")])
def test_a_margin_that_nothing_is_beyond_is_refused(folder: Path, margin: float) -> None:
    with pytest.raises(ConfigError, match="the margin is no number"):
        held_to_gates(folder, Try(Given(baseline=Path("blessed"), margin=margin), "other.onnx"))


@pytest.mark.attack("gates", "of no effect")
def test_a_gate_of_the_sidecar_takes_no_comparison_away(folder: Path) -> None:
    lax = '[gates]\nfail_on = "changed > 100000"\n'
    gated = held_to_gates(folder, Try(AGAINST, "other.onnx", sidecar=lax))
    assert {rule for rule, _ in failed(gated)} == {"unchanged"}
    assert ("changed", Status.PASSED) in {(found.rule, found.status) for found in gated.checks}
    own = Given(("changed > 100000",), Path("blessed"))
    assert failed(held_to_gates(folder, Try(own, "other.onnx"))) == []
    of_sidecar = f'{lax}baseline = "blessed"\n'
    gated = held_to_gates(folder, Try(Given(), "other.onnx", sidecar=of_sidecar))
    assert failed(gated) == []
    assert any(note.startswith("the baseline, named by other.toml, was read from") for note in gated.notes)


def test_layers_are_compared_whatever_gates_are_of_change(folder: Path) -> None:
    gated = held_to_gates(folder, Try(Given(("changed > 100000",), Path("blessed"))))
    assert [found.status for found in gated.checks if found.rule == "layers"] == [Status.PASSED]


def test_the_baseline_of_the_call_wins_then_that_of_the_project(folder: Path) -> None:
    named = '[gates]\nbaseline = "another"\n'
    for tried in (
        Try(AGAINST, "other.onnx", sidecar=named, project='baseline = "another"\n'),
        Try(Given(), "other.onnx", sidecar=named, project='baseline = "blessed"\n'),
    ):
        gated = held_to_gates(folder, tried)
        assert {rule for rule, _ in failed(gated)} == {"unchanged"}
        assert f"read from {folder / 'blessed'}" in message(gated, "unchanged")
    alone = held_to_gates(folder, Try(Given(), "other.onnx", sidecar=named))
    assert failed(alone) == []
    assert "other.toml sets gates.baseline" in " ".join(alone.notes)


def test_what_is_said_names_each_class_and_why(folder: Path) -> None:
    told = message(held_to_gates(folder, Try(SIZED, data="without2.npz")), "classes")
    assert told == "1 of 3 classes that must have a graph have none; class 2: no sample of it in the data"
    told = message(held_to_gates(folder, Try(SIZED, sidecar="[analysis]\ntargets = [0]\n")), "classes")
    assert told.endswith("class 1: left out by targets of good.toml; class 2: left out by targets of good.toml")
    told = message(held_to_gates(folder, Try(SIZED, "lost.onnx")), "classes")
    assert "class 2: no correctly classified sample among" in told
    made_up = held_to_gates(folder, Try(SIZED, data=None))
    assert message(made_up, "nodes").endswith(", must not be < 0, on made-up inputs")
    assert message(made_up, "analysed").endswith("that the model labelled itself")
    assert message(held_to_gates(folder, Try(ACCURATE, data=None)), "accuracy") == (
        "no data: the labels are the model's own"
    )


def test_without_gates_nothing_is_asked_and_nothing_said(folder: Path) -> None:
    for tried in (Try(Given(), data=None), Try(Given(), sidecar="[analysis]\nbeta = 0.5\ntargets = [0]\n")):
        gated = held_to_gates(folder, tried)
        assert {found.rule for found in gated.checks} == {"analysed"}
        assert gated.notes == ()


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize("named", [("9",), ("cat",), (0, "-1")], ids=str)
def test_a_class_that_the_model_does_not_have_is_refused(folder: Path, named: tuple[int | str, ...]) -> None:
    with pytest.raises(ConfigError, match="unknown class"):
        held_to_gates(folder, Try(Given(("nodes < 0",), require=named)))


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize("named", [(), ("",), ("0", " ")], ids=str)
def test_no_class_is_refused_before_the_work(tmp_path: Path, named: tuple[str, ...]) -> None:
    configured = configure(tmp_path / "m.onnx", None, {})
    with pytest.raises(ConfigError, match="no class is named"):
        decide(configured, GatesSection(), Given(("nodes < 0",), require=named))


def test_a_sidecar_whose_name_looks_like_a_flag_is_a_sidecar(folder: Path) -> None:
    for name in ("--target.onnx", "argument targets.onnx"):
        (folder / name).write_bytes((folder / "good.onnx").read_bytes())
        tried = Try(SIZED, name, sidecar="[analysis]\ntargets = [0]\nbeta = 0.9\n")
        assert failed(held_to_gates(folder, tried)) == [SETTINGS, CLASSES]


@pytest.mark.attack("gates", "of no effect")
def test_the_label_column_of_a_sidecar_does_not_choose_the_labels_of_other_data(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[data]\nsource = "own.csv"\nlabel_column = "said"\n')
    named = {"data.source": ("--data", "other.csv")}
    confirmed = named | {"data.label_column": ("--label-column", "said")}
    for flags, count in (({}, 0), (named, 1), (confirmed, 0)):
        refused = check_settings_of_sidecar(configure(tmp_path / "m.onnx", None, flags), None)
        assert len(refused) == count
        assert all('label_column = "said"' in found.message for found in refused)


def test_every_setting_is_decisive_or_known_not_to_be() -> None:
    settings = {f"analysis.{key.name}" for key in fields(Method)} | {f"model.{key.name}" for key in fields(Reading)}
    # Samples have a rule of their own; chance and the engine that runs do not choose what is measured.
    harmless = {f"analysis.{name}" for name in ("samples", "seed", "engine", "adaptive")}
    assert set(DECISIVE) | harmless == settings | {"data.references"}
    assert not set(DECISIVE) & harmless
