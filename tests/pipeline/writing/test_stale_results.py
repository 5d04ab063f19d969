"""What an analysis finds in its folder of an earlier one is said."""

from pathlib import Path

import pytest

import onnxcausal
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256
from onnxcausal.analysis.formats.side_effects import to_json
from onnxcausal.cli import main
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.report import report
from onnxcausal.pipeline.writing.stale_results import left_behind
from tests.support.recorded import recorded

MODEL, DATA = (Path(__file__).parents[3] / "models" / name for name in ("digits_lenet.onnx", "digits.npz"))


def analyse(folder: Path, *more: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["analyze", str(MODEL), "--quiet", "--target", "3", "--samples", "20", "--out", str(folder), *more])
    assert not caught.value.code


def test_what_is_of_an_earlier_analysis_is_named_and_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analyse(tmp_path)
    options = EvaluateOptions(count=5, portions=(0.2,))
    onnxcausal.evaluate("fidelity", MODEL, analysis=tmp_path, out=tmp_path, options=options, targets=[3])
    onnxcausal.explain(MODEL, MODEL.parent / "examples", analysis=tmp_path, out=tmp_path, target=3)
    record = recorded("masked", onnxcausal.analyze(MODEL, targets=[3], samples=5).model_sha256)
    mine = record.model_copy(update={"analysis_sha256": analysis_sha256(tmp_path)})
    (tmp_path / "fixed.repair.json").write_text(to_json(mine))
    written = report(tmp_path)
    assert written.notes == ()
    assert left_behind(tmp_path) == ()
    capsys.readouterr()
    analyse(tmp_path)
    assert capsys.readouterr().err == "", "the same analysis again"
    analyse(tmp_path, "--seed", "1")
    told = capsys.readouterr().err
    files = ["evaluation-fidelity.json", "attributions.npz", "fixed.repair.json"]
    assert f"note: of an earlier analysis, not this one: report.html, {', '.join(files)};" in told
    assert f"onnxcausal report {tmp_path}" in told
    anew = report(tmp_path)
    assert left_behind(tmp_path) == tuple(files)
    assert [note.split(" was made with another analysis")[0] for note in anew.notes] == files
    assert anew.notes[0] in anew.path.read_text(encoding="utf-8")


def test_other_settings_on_the_same_samples_are_another_analysis(tmp_path: Path) -> None:
    analyse(tmp_path)
    options = EvaluateOptions(count=5, portions=(0.2,))
    onnxcausal.evaluate("fidelity", MODEL, analysis=tmp_path, out=tmp_path, options=options, targets=[3])
    onnxcausal.explain(MODEL, MODEL.parent / "examples", analysis=tmp_path, out=tmp_path, target=3)
    assert left_behind(tmp_path) == ()
    analyse(tmp_path, "--rule", "welch")
    assert left_behind(tmp_path) == ("evaluation-fidelity.json", "attributions.npz")


def test_files_that_cannot_be_read_are_left_to_those_who_read_them(tmp_path: Path) -> None:
    analyse(tmp_path)
    (tmp_path / "evaluation-mine.json").write_text("{")
    (tmp_path / "report.html").write_text("my own notes")
    (tmp_path / "attributions.npz").write_bytes(b"PK\x03\x04 no archive")
    assert left_behind(tmp_path) == ()
