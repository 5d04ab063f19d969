"""Gates, baselines, comparisons and reports as a pipeline meets them: exit codes, files, errors."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from tests.support.commands import Run
from tests.support.networks import Builder, mlp

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(8, 6)), RNG.normal(size=(3, 8))
OTHER = RNG.normal(size=(3, 8))
X = RNG.normal(1, 2, size=(240, 6)).astype(np.float32)
Y = (np.maximum(X @ FIRST.T, 0) @ SECOND.T).argmax(axis=1)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small classifier with data beside it, in the current folder, and another model of the same shape."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    onnx.save(mlp([FIRST, SECOND], [np.zeros(8), np.zeros(3)]), "model.onnx")
    onnx.save(mlp([FIRST, SECOND + 0.5 * OTHER], [np.zeros(8), np.zeros(3)]), "other.onnx")
    np.savez("data.npz", x=X, y=Y)
    for name in ("model", "other"):
        Path(f"{name}.toml").write_text('[data]\nsource = "data.npz"\n[analysis]\nsamples = 30\n')
    return "model.onnx"


def test_gates_that_hold_end_with_0(model: str, run: Run) -> None:
    code, out, err = run("analyze", model, "--quiet", "--fail-on", "accuracy < 0.5", "--fail-on", "skipped > 1")
    assert (code, err) == (0, "")
    assert "passed  accuracy < 0.5: class " in out


def test_a_gate_that_fails_ends_with_1_when_all_is_written(model: str, run: Run) -> None:
    reports = ["--report", "junit=j.xml", "--report", "sarif=s.json", "--report", "markdown=m.md"]
    code, out, err = run("analyze", model, "--fail-on", "nodes > 0", "--fail-on", "skipped > 9", *reports)
    assert code == 1
    assert "class 0: " in out
    assert "failed  nodes > 0: class 0: nodes is" in out
    error = err[err.index("error: ") :]
    assert error.startswith("error: 3 of 4 checks failed\n  where: model.onnx: nodes > 0\n  why:   class 0: nodes is")
    assert len(error.splitlines()) == 4
    assert Path("model.causal/analysis.json").exists()
    assert b"<failure" in Path("j.xml").read_bytes()
    assert len(json.loads(Path("s.json").read_text())["runs"][0]["results"]) == 3
    assert "3 of 7 checks failed" in Path("m.md").read_text()


def test_json_on_stdout_stays_exactly_the_file(model: str, run: Run) -> None:
    code, out, err = run("analyze", model, "--json", "--quiet", "--fail-on", "nodes > 0")
    assert code == 1
    assert out == Path("model.causal/analysis.json").read_text()
    assert "failed  nodes > 0" in err


def test_gates_stand_in_the_sidecar_and_in_the_project_above(model: str, run: Run, tmp_path: Path) -> None:
    sidecar = Path("model.toml")
    sidecar.write_text(sidecar.read_text() + '[gates]\nfail_on = ["nodes > 0"]\n')
    (tmp_path / "pyproject.toml").write_text('[tool.onnxcausal.gates]\nfail_on = "edges > 0"\n')
    (tmp_path / "below").mkdir()
    code, out, _ = run("analyze", model, "--quiet", "--fail-on", "noisy > 1000")
    assert code == 1
    for gate in ("failed  nodes > 0", "failed  edges > 0", "passed  noisy > 1000"):
        assert gate in out
    assert run("analyze", model, "--show-config")[1].count("fail_on") == 1


def test_gates_of_a_project_are_found_from_below(
    model: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.onnxcausal.gates]\nbaseline = "blessed"\nfail_on = []\n')
    below = tmp_path / "below" / "further"
    below.mkdir(parents=True)
    (below.parent / "pyproject.toml").write_text("[project]\nname = 'no gates here'\n")
    monkeypatch.chdir(below)
    code, _, err = run("analyze", tmp_path / model)
    assert code == 2
    assert str(tmp_path / "blessed") in err


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ('[gates]\nfailon = ["nodes > 0"]\n', "unknown key 'failon'", "did you mean 'fail_on'?"),
        ('[gates]\nfail_on = ["node > 0"]\n', "unknown measure 'node'", "did you mean 'nodes'?"),
        ("[gates]\nmargin = -1\n", "the value of margin is not allowed", ""),
    ],
)
def test_a_wrong_gate_in_the_sidecar_ends_with_2_before_the_work(
    model: str, run: Run, text: str, what: str, remedy: str
) -> None:
    Path("model.toml").write_text(text)
    code, out, err = run("analyze", model)
    assert (code, out) == (2, "")
    assert what in err
    assert remedy in err
    assert not Path("model.causal").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[tool.onnxcausal]\nfail_on = []\n", "unknown key 'fail_on'"),
        ("[tool.onnxcausal.gates]\nbase = 1\n", "unknown key 'base'"),
        ("[tool.onnxcausal.gates]\nmargin = 'wide'\n", "the value of margin is not allowed"),
        ("[tool.onnxcausal.gates\n", "cannot be read"),
    ],
)
def test_a_wrong_project_file_ends_with_2(model: str, run: Run, text: str, what: str) -> None:
    Path("pyproject.toml").write_text(text)
    code, _, err = run("analyze", model)
    assert code == 2
    assert what in err
    assert "pyproject.toml" in err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--fail-on", "nodes"], "a gate cannot be read"),
        (["--fail-on", "changed > 0"], "there is no baseline to compare with"),
        (["--update-baseline"], "there is no baseline to compare with"),
        (["--baseline", "nowhere"], "there is no baseline yet"),
        (["--baseline", "model.causal"], "the baseline is the output folder"),
        (["--baseline", "model.causal/analysis.json"], "the baseline is the output folder"),
        (["--fail-on", "sufficiency < 0.9"], "a gate is of an evaluation that is not there"),
        (["--report", "pdf=report.pdf"], "a report cannot be read"),
        (["--report", "junit"], "a report cannot be read"),
        (["--report", "junit=nowhere/j.xml"], "a report has no place"),
    ],
)
def test_what_cannot_be_checked_ends_with_2_before_the_work(
    model: str, run: Run, arguments: list[str], what: str
) -> None:
    code, out, err = run("analyze", model, *arguments)
    assert (code, out) == (2, "")
    assert f"error: {what}" in err
    assert not Path("model.causal").exists()


def test_a_gate_of_a_class_that_was_not_analysed_ends_with_2(model: str, run: Run) -> None:
    code, _, err = run("analyze", model, "--quiet", "--target", "1", "--fail-on", "nodes[2] > 0")
    assert code == 2
    assert "unknown class '2'" in err


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["blessed", "blessed.json"])
def test_a_baseline_is_made_kept_and_renewed(model: str, run: Run, baseline: str) -> None:
    code, _, err = run("analyze", model, "--quiet", "--baseline", baseline, "--update-baseline")
    assert (code, err) == (0, "")
    place = Path(baseline)
    if place.is_dir():
        assert {path.name for path in place.iterdir()} == {"analysis.json", "effects.npz"}
    held = (place / "analysis.json" if place.is_dir() else place).read_bytes()
    assert held == Path("model.causal/analysis.json").read_bytes()
    code, out, _ = run("analyze", model, "--quiet", "--baseline", baseline, "--seed", "5", "--force")
    assert code == 0
    assert "the same model" in out
    code, out, err = run("analyze", "other.onnx", "--quiet", "--baseline", baseline)
    assert code == 1
    assert "the models differ beyond sampling" in out
    assert "bless it with --update-baseline" in err
    assert (place / "analysis.json" if place.is_dir() else place).read_bytes() == held
    assert run("analyze", "other.onnx", "--quiet", "--baseline", baseline, "--update-baseline")[0] == 0
    assert run("analyze", "other.onnx", "--quiet", "--baseline", baseline)[0] == 0


def test_a_model_that_fails_a_gate_does_not_become_the_baseline(model: str, run: Run) -> None:
    arguments = ["--quiet", "--baseline", "blessed", "--update-baseline", "--fail-on", "nodes > 0"]
    assert run("analyze", model, *arguments)[0] == 1
    assert not Path("blessed").exists()


@pytest.mark.slow
def test_gates_of_change_take_the_place_of_the_plain_comparison(model: str, run: Run) -> None:
    run("analyze", model, "--quiet", "--baseline", "blessed", "--update-baseline")
    against = ["analyze", "other.onnx", "--quiet", "--baseline", "blessed"]
    code, out, _ = run(*against, "--fail-on", "changed > 100", "--fail-on", "distance > 50")
    assert code == 0
    assert "passed  changed > 100" in out
    code, _, err = run(*against, "--fail-on", "changed > 1")
    assert code == 1
    assert "changed is" in err


def test_a_baseline_of_other_settings_ends_with_2(model: str, run: Run) -> None:
    run("analyze", model, "--quiet", "--baseline", "blessed", "--update-baseline")
    code, _, err = run("analyze", model, "--quiet", "--baseline", "blessed", "--beta", "0.5")
    assert code == 2
    assert "made with other settings" in err


@pytest.mark.slow
def test_gates_of_an_evaluation_read_what_evaluate_wrote(model: str, run: Run) -> None:
    assert run("evaluate", "sufficiency", model, "--quiet", "--count", "10")[0] == 0
    given = ["analyze", model, "--quiet", "--fail-on", "sufficiency < 0.5"]
    code, _, err = run(*given)
    assert code == 2, "what lies beside the model may have come with it"
    assert "an evaluation that nobody named" in err
    assert "--evaluation model.evaluation" in err
    code, out, _ = run(*given, "--evaluation", "model.evaluation")
    assert code == 1, "of class 1 all samples went into the graph, so that it could not be evaluated"
    assert "failed  sufficiency < 0.5: class 1: the evaluation has no AUROC of it" in out
    given += ["--require-classes", "0,2"]
    code, out, _ = run(*given, "--evaluation", "model.evaluation")
    assert code == 0
    assert "note: classes that must have a graph: 0, 2 (--require-classes)\n" in out
    assert "sufficiency is" in out
    sha256 = hashlib.sha256(Path("model.evaluation/evaluation-sufficiency.json").read_bytes()).hexdigest()
    assert f"sha256 {sha256[:12]}, not measured)" in out
    assert f"(sha256 {sha256}) and not measured" in out
    failing = ["--fail-on", "sufficiency[2] < 1.1", "--evaluation", "model.evaluation"]
    assert run("analyze", model, "--quiet", *failing)[0] == 1
    Path("elsewhere").mkdir()
    Path("model.evaluation").rename("elsewhere/kept")
    assert run(*given)[0] == 2
    assert run(*given, "--evaluation", "elsewhere/kept")[0] == 0
    other = ["analyze", "other.onnx", "--quiet", "--fail-on", "sufficiency < 0.5", "--evaluation", "elsewhere/kept"]
    code, _, err = run(*other)
    assert code == 2
    assert "the evaluation is of another model" in err


@pytest.mark.slow
def test_reliability_and_fidelity_are_gates_too(model: str, run: Run) -> None:
    gates = ["--fail-on", "reliability[2] < 0.01", "--fail-on", "fidelity[*] > 1.5"]
    given = ["analyze", model, "--quiet", "--evaluation", "model.evaluation", *gates]
    for protocol in ("reliability", "fidelity"):
        count = ["--runs", "4"] if protocol == "reliability" else ["--count", "10"]
        assert run("evaluate", protocol, model, "--quiet", "--samples", "12", *count)[0] == 0
    code, _, err = run(*given)
    assert code == 2
    assert "the evaluation is of other settings" in err
    assert "samples was 12, and is 30 in the analysis" in err
    code, out, _ = run(*given, "--samples", "12")
    assert code == 0
    assert "reliability[2] < 0.01: class 2: reliability in /" in out
    assert "fidelity[*] > 1.5: class 2: fidelity is" in out


def test_compare_ends_with_0_or_1_and_writes_reports(model: str, run: Run) -> None:
    run("analyze", model, "--quiet")
    code, out, err = run("compare", "model.causal", model, "--quiet")
    assert (code, err) == (0, "")
    assert "the same model" in out
    reports = ["--report", "junit=j.xml", "--report", "sarif=s.json", "--out", "difference.json"]
    code, out, err = run("compare", "model.causal", "other.onnx", "--quiet", "--json", *reports)
    assert code == 1
    assert err.startswith("error: the models differ beyond sampling\n  where: other.onnx, against model.onnx\n")
    assert out == Path("difference.json").read_text()
    assert json.loads(out)["format"] == "onnxcausal-comparison/1"
    assert json.loads(out)["nodes_listed"] == "strongest"
    every = json.loads(run("compare", "model.causal", "other.onnx", "--quiet", "--json", "--every-node")[1])
    assert every["nodes_listed"] == "every"
    count = [sum(len(layer["nodes"]) for layer in held["classes"][0]["layers"]) for held in (json.loads(out), every)]
    assert 0 < count[0] < count[1]
    assert b'<failure message="beyond sampling' in Path("j.xml").read_bytes()
    results = json.loads(Path("s.json").read_text())["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {"unchanged"}


def test_a_wide_margin_lets_a_change_pass(model: str, run: Run) -> None:
    assert run("compare", model, "other.onnx", "--quiet")[0] == 1
    code, out, _ = run("compare", model, "other.onnx", "--quiet", "--margin", "50")
    assert code == 0
    assert out.endswith('note: model.toml sets data.source = "data.npz", analysis.samples = 30\n')
    for margin in ("nan", "inf"):
        assert run("compare", model, "other.onnx", "--quiet", "--margin", margin)[0] == 2


def test_compare_says_what_it_cannot_compare(model: str, run: Run) -> None:
    code, _, err = run("compare", "nothing.json", model)
    assert code == 2
    assert "the analysis cannot be read" in err
    code, _, err = run("compare", model, "missing.onnx")
    assert code == 3
    code, _, err = run("compare", model, "other.onnx", "--report", "dot=graphs")
    assert code == 2
    assert "reports are junit, sarif, markdown" in err


@pytest.mark.parametrize(
    ("broken", "code"), [("file", 3), ("data", 4), ("layers", 5)], ids=["unreadable", "other data", "no layers"]
)
def test_compare_ends_with_the_code_of_what_stops_an_analysis(model: str, run: Run, broken: str, code: int) -> None:
    if broken == "file":
        Path("other.onnx").write_bytes(b"no model")
    elif broken == "data":
        np.savez("data.npz", x=X[:, :4], y=Y)
    else:
        for name in ("model.onnx", "other.onnx"):
            builder = Builder(np.random.default_rng(0))
            onnx.save(builder.model(["N", 6], builder.add("Relu", ["x"])), name)
    found, out, err = run("compare", model, "other.onnx", "--quiet")
    assert (found, out) == (code, "")
    assert len(err.splitlines()) == 4


def test_github_gets_annotations_and_a_summary_where_it_runs(
    model: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n\n")
    code, out, err = run("analyze", model, "--quiet", "--json", "--fail-on", "nodes[1] > 0")
    assert code == 1
    assert json.loads(out)
    assert err.count("::error file=model.onnx,title=nodes[1] > 0::class 1: nodes is") == 1
    assert Path("summary.md").read_text().startswith("before\n\n### onnxcausal: model")
    assert run("compare", model, "other.onnx", "--quiet")[0] == 1
    assert Path("summary.md").read_text().count("### onnxcausal") == 2


def test_graphs_are_written_for_graphviz_and_for_netron(model: str, run: Run) -> None:
    arguments = [
        "analyze",
        model,
        "--quiet",
        "--target",
        "1",
        "--report",
        "dot=graphs",
        "--report",
        "netron=shown.onnx",
    ]
    code, _, err = run(*arguments)
    assert (code, err) == (0, "")
    assert [path.name for path in Path("graphs").iterdir()] == ["graph-1.dot"]
    original, copy = onnx.load(model), onnx.load("shown.onnx")
    held = {op.name: {entry.key: entry.value for entry in op.metadata_props} for op in copy.graph.node}
    layers = [op.name for op in original.graph.node if op.op_type == "Gemm"]
    for name in layers:
        assert set(held[name]) == {"class 1"}
        assert " necessary: " in held[name]["class 1"]
        assert " to " in held[name]["class 1"]
    for op in copy.graph.node:
        del op.metadata_props[:]
    del copy.metadata_props[:]
    assert copy.SerializeToString(deterministic=True) == original.SerializeToString(deterministic=True)
    onnx.checker.check_model("shown.onnx", full_check=True)
    first, second = (
        ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": X[:5]})[0]
        for path in (model, "shown.onnx")
    )
    np.testing.assert_array_equal(first, second)
    assert run(*arguments)[0] == 0, "a copy is replaced by a later one"


def test_a_copy_for_netron_replaces_nothing_else(model: str, run: Run) -> None:
    for place in (model, "other.onnx"):
        before = Path(place).read_bytes()
        code, _, _ = run("analyze", model, "--quiet", "--target", "1", "--report", f"netron={place}")
        assert code == 2
        assert Path(place).read_bytes() == before


def test_weights_beside_the_model_stay_beside_its_copy(model: str, run: Run) -> None:
    proto = onnx.load(model)
    onnx.save(proto, "split.onnx", save_as_external_data=True, location="split.data", size_threshold=0)
    Path("split.toml").write_text(Path("model.toml").read_text())
    content = Path("split.data").read_bytes()
    assert run("analyze", "split.onnx", "--quiet", "--target", "1", "--report", "netron=shown.onnx")[0] == 0
    assert Path("split.data").read_bytes() == content
    copy = onnx.load("shown.onnx", load_external_data=False)
    assert all(tensor.data_location == TensorProto.EXTERNAL for tensor in copy.graph.initializer)
    Path("far").mkdir()
    assert run("analyze", "split.onnx", "--quiet", "--target", "1", "--report", "netron=far/shown.onnx")[0] == 0
    assert Path("far/split.data").read_bytes() == content
