"""Repair: what is masked, what it changes on other samples, and what is written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from onnxcausal import analyze, apply, repair, verify
from onnxcausal.analysis.formats.masks import read_masks
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.formats.repair_metadata import KEY, Form
from onnxcausal.analysis.formats.saved_analysis import read_analysis, routes_of
from onnxcausal.analysis.formats.side_effects import SCHEMA_FILE, schema, to_json
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import ConfigError, GateError, NothingToAnalyseError, OutputError, SamplesError
from onnxcausal.pipeline.repair import FIGURE, RECORD, Repair
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.report.repair import figure, table
from tests.support.networks import mlp

ROOT = Path(__file__).parent.parent.parent
DEFECT = ROOT / "models" / "digits_mislabelled.onnx"
"""Takes half of the fours for nines."""
FOURS = RepairOptions(repaired=("4",), max_drop=0.15)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("defect") / "out"
    analyze(DEFECT, samples=25, outcome="margin", out=folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repaired")


@pytest.fixture(scope="module")
def found(analysis: Path, place: Path) -> Repair:
    return repair(DEFECT, place / "fixed.onnx", analysis=analysis, options=FOURS)


def test_the_class_is_significantly_better_and_none_is_significantly_worse(found: Repair) -> None:
    (four,) = [entry.change for entry in found.record.classes if entry.target == 4]
    assert four.after - four.before > 0.2
    assert four.p < 0.05
    worse = [entry for entry in found.record.classes if entry.change.p < 0.05 and entry.target != 4]
    assert not worse
    for control in found.record.controls:
        assert control.value < (four.after - four.before) / 4
        assert control.best < four.after - four.before
        assert not control.losses


def test_no_node_that_any_class_needs_is_masked(found: Repair, analysis: Path) -> None:
    routes = routes_of(read_analysis(analysis))
    assert found.record.plan is not None
    assert found.record.plan.nodes
    for entry in found.record.plan.nodes:
        for route in routes:
            step = route.step(entry.layer)
            assert step is None or not set(entry.nodes) & set(step.necessary.tolist())


def test_samples_to_choose_on_to_report_on_and_of_the_graphs_are_apart(found: Repair, analysis: Path) -> None:
    graphs = {index for graph in read_analysis(analysis).graphs for index in graph.sample_indices}
    search, report = (
        {index for held in part.values() for index in held}
        for part in (found.record.split.search, found.record.split.report)
    )
    assert search
    assert report
    assert not graphs & search
    assert not graphs & report
    assert not search & report


def test_the_record_is_of_its_format_and_stands_beside_the_file(found: Repair, place: Path) -> None:
    written = json.loads((place / f"fixed{RECORD}").read_text())
    assert written == json.loads(to_json(found.record))
    jsonschema.validate(written, json.loads(schema()))
    assert (SCHEMAS / SCHEMA_FILE).read_text() == schema()
    assert (place / f"fixed{FIGURE}").read_bytes() == figure(found.record)
    assert [cost.bytes for cost in found.record.cost] == [
        DEFECT.stat().st_size,
        (place / "fixed.onnx").stat().st_size,
    ]
    shown = table(found.record)
    assert "random nodes" in shown
    assert "4 as 9" in shown


def test_the_file_does_on_the_reported_samples_what_the_record_says(found: Repair, place: Path) -> None:
    with np.load(ROOT / "models" / "digits.npz") as held:
        x, y = (held["x"][:, None] / 255).astype(np.float32), held["y"].astype(np.int64)
    session = ort.InferenceSession(place / "fixed.onnx")
    decided = np.asarray(session.run(None, {"image": x})[0]).argmax(axis=1)
    for entry in found.record.classes:
        own = np.array(found.record.split.report[entry.target])
        assert (y[own] == entry.target).all()
        assert (decided[own] == entry.target).mean() == pytest.approx(entry.change.after)


def test_the_file_verifies_and_says_where_it_comes_from(found: Repair, analysis: Path, place: Path) -> None:
    assert verify(place / "fixed.onnx", DEFECT).byte_for_byte
    (entry,) = [entry for entry in onnx.load(place / "fixed.onnx").metadata_props if entry.key == KEY]
    provenance = json.loads(entry.value)["masks"]["provenance"]
    assert provenance["data_sha256"] == read_analysis(analysis).data.sha256
    assert provenance["analysis_sha256"] == found.record.analysis_sha256
    assert provenance["settings"]["repaired"] == [4]


@pytest.mark.slow
def test_the_same_repair_gives_the_same_file(found: Repair, analysis: Path, place: Path) -> None:
    again = repair(DEFECT, place / "again.onnx", analysis=analysis, options=FOURS)
    assert again.masks == found.masks
    assert (place / "again.onnx").read_bytes() == (place / "fixed.onnx").read_bytes()


def test_a_plan_is_a_file_of_masks_that_makes_the_same_model(found: Repair, analysis: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks.json"
    repair(DEFECT, out, analysis=analysis, options=FOURS, plan_only=True)
    assert read_masks(out) == found.masks
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.json"]
    apply(DEFECT, out, tmp_path / "applied.onnx")
    assert verify(tmp_path / "applied.onnx", DEFECT).byte_for_byte


@pytest.mark.slow
@pytest.mark.parametrize("form", list(Form))
def test_every_form_decides_alike(form: Form, found: Repair, analysis: Path, place: Path, tmp_path: Path) -> None:
    if form is Form.MASKED:
        return
    del found
    out = tmp_path / "out.onnx"
    repair(DEFECT, out, analysis=analysis, options=replace(FOURS, form=form))
    with np.load(ROOT / "models" / "digits.npz") as held:
        x = (held["x"][:50, None] / 255).astype(np.float32)
    one, other = (ort.InferenceSession(path).run(None, {"image": x})[0] for path in (place / "fixed.onnx", out))
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=4e-6 * float(np.abs(np.asarray(one)).max()))


def test_means_are_written_into_the_file(analysis: Path, tmp_path: Path) -> None:
    options = replace(FOURS, replace=Replace.MEAN, beta=0.25, portion=1.0)
    found = repair(DEFECT, tmp_path / "fixed.onnx", analysis=analysis, options=options)
    assert found.record.plan is not None
    assert found.record.plan.replace == "mean"
    assert found.masks.means
    with np.load(ROOT / "models" / "digits.npz") as held:
        x = (held["x"][:, None] / 255).astype(np.float32)
    session = ort.InferenceSession(tmp_path / "fixed.onnx")
    decided = np.asarray(session.run(None, {"image": x})[0]).argmax(axis=1)
    for entry in found.record.classes:
        own = np.array(found.record.split.report[entry.target])
        assert (decided[own] == entry.target).mean() == pytest.approx(entry.change.after)


def test_means_that_a_repair_chose_go_into_a_file_with_the_data_and_without(analysis: Path, tmp_path: Path) -> None:
    options = replace(FOURS, replace=Replace.MEAN, beta=0.25, portion=1.0)
    masks, bare = tmp_path / "masks.json", tmp_path / "bare.onnx"
    repair(DEFECT, masks, analysis=analysis, options=options, plan_only=True)
    assert read_masks(masks).means
    shutil.copy(DEFECT, bare)  # without the sidecar
    for model, told in ((DEFECT, "means lie within what their nodes take on"), (bare, "means not checked")):
        out = tmp_path / f"{model.stem}.applied.onnx"
        assert apply(model, masks, out).means.startswith(told)
        assert verify(out, model).means.told.startswith(told)


def test_a_repair_that_may_harm_is_refused_and_not_written(analysis: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="does not pass its gate") as caught:
        repair(DEFECT, tmp_path / "fixed.onnx", analysis=analysis, options=replace(FOURS, max_drop=0.065))
    assert "cannot be excluded" in caught.value.why
    assert not list(tmp_path.iterdir())


def test_a_portion_set_by_hand_is_written_whatever_it_does(analysis: Path, tmp_path: Path) -> None:
    options = replace(FOURS, max_drop=0.0, portion=1.0, beta=0.0, replace=Replace.ZERO)
    found = repair(DEFECT, tmp_path / "fixed.onnx", analysis=analysis, options=options)
    assert found.record.plan is not None
    assert found.record.plan.portion == 1
    assert (tmp_path / "fixed.onnx").is_file()


def test_a_confusion_is_fixed(analysis: Path, tmp_path: Path) -> None:
    options = RepairOptions(objective="fix-confusion 4:9", max_drop=0.05)
    found = repair(DEFECT, tmp_path / "m.json", analysis=analysis, options=options, plan_only=True)
    assert found.record.objective is not None
    assert found.record.objective.after > found.record.objective.before + 0.2
    (moved,) = [held for held in found.record.moved if (held.label, held.decided) == (4, 9)]
    assert moved.after < moved.before


@pytest.mark.slow
def test_all_classes_are_repaired_at_once(analysis: Path, tmp_path: Path) -> None:
    found = repair(
        DEFECT,
        tmp_path / "m.json",
        analysis=analysis,
        options=RepairOptions(objective="overall", max_drop=0.15),
        plan_only=True,
    )
    assert found.record.objective is not None
    assert found.record.settings["repaired"] == list(range(10))
    assert found.record.overall.after == pytest.approx(found.record.objective.after)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (RepairOptions(objective="nothing"), "the objective cannot be read"),
        (RepairOptions(objective="fix-confusion 4"), "the objective cannot be read"),
        (RepairOptions(objective="fix-confusion 4:9", repaired=("4",)), "the objective cannot be read"),
        (RepairOptions(objective="overall", repaired=("4",)), "the objective is of all classes"),
        (RepairOptions(repaired=("eleven",)), "unknown target"),
    ],
)
def test_a_wrong_setting_is_named(options: RepairOptions, named: str, analysis: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        repair(DEFECT, tmp_path / "out.onnx", analysis=analysis, options=options)


@pytest.mark.parametrize("wrong", [{"max_drop": 1.5}, {"portion": 0.0}, {"beta": 1.0}, {"count": 1}])
def test_shares_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        RepairOptions(**wrong)  # type: ignore[arg-type]  # one of each kind


def test_a_file_in_the_way_stays(analysis: Path, tmp_path: Path) -> None:
    (tmp_path / "fixed.onnx").write_text("mine")
    with pytest.raises(OutputError):
        repair(DEFECT, tmp_path / "fixed.onnx", analysis=analysis, options=FOURS)
    shutil.copy(DEFECT, tmp_path / "model.onnx")
    with pytest.raises(OutputError, match="replace what it is made from"):
        repair(tmp_path / "model.onnx", tmp_path / "model.onnx", data=ROOT / "models" / "digits.npz", options=FOURS)
    assert (tmp_path / "fixed.onnx").read_text() == "mine"


@pytest.mark.slow
def test_a_class_without_a_graph_or_samples_is_not_repaired(tmp_path: Path) -> None:
    analyze(DEFECT, targets=[4], samples=25, out=tmp_path / "few")
    with pytest.raises(ConfigError, match="no causal graph"):
        repair(DEFECT, tmp_path / "o.onnx", analysis=tmp_path / "few", options=replace(FOURS, repaired=("5",)))
    found = repair(
        DEFECT, tmp_path / "m.json", analysis=tmp_path / "few", options=replace(FOURS, max_drop=1.0), plan_only=True
    )
    assert any("9 class(es) were not analysed" in note for note in found.record.notes)


def planted(path: Path, *, harmful: float) -> None:
    """Write a network of eight neurons that read one input each: two make each class, the last one misleads.

    Neuron 7 answers to what samples of class 0 have too, and speaks for class 1.
    """
    first = np.eye(8)
    second = np.zeros((3, 8))
    for target in range(3):
        second[target, 2 * target : 2 * target + 2] = 1.0
    second[1, 7] = harmful
    onnx.save(mlp([first, second], [np.zeros(8), np.zeros(3)]), path)


def planted_data(path: Path, rng: np.random.Generator) -> None:
    x = np.abs(rng.normal(0, 0.1, (600, 8)))
    y = np.repeat(np.arange(3), 200)
    for row, target in enumerate(y):
        x[row, 2 * target : 2 * target + 2] += rng.uniform(0.3, 1.0, 2)
    x[:200, 7] += rng.uniform(0, 1.0, 200)
    np.savez(path, x=x.astype(np.float32), y=y)


def test_the_planted_harmful_node_is_masked_and_no_other(tmp_path: Path) -> None:
    planted(tmp_path / "m.onnx", harmful=2.0)
    planted_data(tmp_path / "d.npz", np.random.default_rng(0))
    options = RepairOptions(repaired=("0",), max_drop=0.05, beta=0.0, replace=Replace.ZERO)
    found = repair(
        tmp_path / "m.onnx", tmp_path / "o.onnx", data=tmp_path / "d.npz", options=options, samples=40, outcome="margin"
    )
    assert found.record.plan is not None
    assert {entry.layer: entry.nodes for entry in found.record.plan.nodes} == {"/gemm_2/Gemm": [7]}
    (zero,) = [entry.change for entry in found.record.classes if entry.target == 0]
    assert zero.after == 1
    assert zero.before < 0.8


def test_a_model_without_a_defect_has_no_repair(tmp_path: Path) -> None:
    planted(tmp_path / "m.onnx", harmful=0.0)
    planted_data(tmp_path / "d.npz", np.random.default_rng(0))
    with pytest.raises(NothingToAnalyseError, match="no repair is better"):
        repair(tmp_path / "m.onnx", tmp_path / "o.onnx", data=tmp_path / "d.npz", samples=40)
    assert not (tmp_path / "o.onnx").exists()


def test_a_model_that_decides_for_each_class_on_its_own_is_refused(tmp_path: Path) -> None:
    planted(tmp_path / "m.onnx", harmful=2.0)
    planted_data(tmp_path / "d.npz", np.random.default_rng(0))
    with pytest.raises(ConfigError, match="each class on its own"):
        repair(tmp_path / "m.onnx", tmp_path / "o.onnx", data=tmp_path / "d.npz", samples=40, task="multilabel")


def test_too_few_samples_are_told(tmp_path: Path) -> None:
    planted(tmp_path / "m.onnx", harmful=2.0)
    planted_data(tmp_path / "d.npz", np.random.default_rng(0))
    with pytest.raises(SamplesError, match="too few samples are left"):
        repair(tmp_path / "m.onnx", tmp_path / "o.onnx", data=tmp_path / "d.npz", samples=300)
