"""Analyses that earlier versions wrote are read wherever one is asked for; this one is from before links were kept."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnxcausal
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256, read_analysis
from onnxcausal.cli import main
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.pipeline.report import report

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "digits_lenet.onnx"
SETTINGS: dict[str, Any] = {"targets": [3, 8], "samples": 8}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return the folder of an analysis of version 1, of classes 3 and 8 on eight samples each."""
    return Path(shutil.copytree(ROOT / "tests" / "support" / "analysis_of_version_1", tmp_path / "old"))


def test_it_holds_what_the_same_analysis_holds_now_but_for_links(old: Path, tmp_path: Path) -> None:
    assert json.loads((old / "analysis.json").read_text())["format"] == "onnxcausal-analysis/1"
    onnxcausal.analyze(MODEL, out=tmp_path / "new", **SETTINGS)
    held, made = read_analysis(old), read_analysis(tmp_path / "new")
    assert held.format == made.format == "onnxcausal-analysis/2"
    for before, after in zip(held.graphs, made.graphs, strict=True):
        assert before.sample_indices == after.sample_indices
        for layer, now in zip(before.layers, after.layers, strict=True):
            assert (layer.links, layer.to_outcome) == (None, None)
            assert now.links is not None
            assert (layer.name, layer.targets) == (now.name, now.targets)
            assert [node.role for node in layer.nodes] == [node.role for node in now.nodes]


def test_inputs_are_explained_and_protocols_evaluated_by_it(old: Path, tmp_path: Path) -> None:
    with np.load(ROOT / "models" / "digits.npz") as held:
        np.savez(tmp_path / "some.npz", x=held["x"][held["y"] == 3][:2])
    explanation = onnxcausal.explain(MODEL, tmp_path / "some.npz", analysis=old)
    assert set(explanation.targets.tolist()) == {3}
    found = onnxcausal.evaluate("sufficiency", MODEL, analysis=old, options=EvaluateOptions(count=10))
    assert found.measured


def test_a_repair_goes_on_from_it(old: Path, tmp_path: Path) -> None:
    options = RepairOptions(portion=0.1)
    found = onnxcausal.repair(MODEL, tmp_path / "masks.json", analysis=old, options=options, plan_only=True)
    assert found.masks.provenance["analysis_sha256"] == analysis_sha256(old)


def test_it_is_compared_with_the_model_and_kept_as_a_baseline(old: Path, tmp_path: Path) -> None:
    comparison = onnxcausal.compare(old, MODEL)
    assert comparison.same_model
    given = ["--target", "3", "--target", "8", "--samples", "8", "--quiet", "--fail-on"]
    with pytest.raises(SystemExit) as ended:
        main(["analyze", str(MODEL), "--out", str(tmp_path / "new"), "--baseline", str(old), *given, "changed > 0"])
    assert not ended.value.code


def test_its_page_says_that_no_edges_were_kept(old: Path) -> None:
    path = report(old).path
    assert b"an earlier version made this analysis" in path.read_bytes()


def test_a_new_analysis_of_the_model_takes_its_place(old: Path) -> None:
    onnxcausal.analyze(MODEL, out=old, **SETTINGS)
    assert json.loads((old / "analysis.json").read_text())["format"] == "onnxcausal-analysis/2"
