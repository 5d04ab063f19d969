"""The demo on the shipped model."""

import time
import tomllib
from pathlib import Path

import pytest

import onnxcausal
from onnxcausal.errors import ConfigError, InterruptedRunError, OutputError
from onnxcausal.pipeline.demo import DATA, MODEL, MODELS, TARGETS, demo, shipped_models
from onnxcausal.pipeline.progress import Silent

ROOT = Path(__file__).parent.parent.parent
ALLOWED = 2 * 180
"""Seconds of a processor it may take: three minutes of two cores, whatever else they have to do."""


@pytest.mark.slow
def test_it_analyses_explains_and_reports_and_can_be_repeated(tmp_path: Path) -> None:
    started = time.process_time()
    shown = demo(tmp_path / "demo")
    assert time.process_time() - started < ALLOWED
    assert shown.analysis.targets == TARGETS
    assert len(shown.explanation.wrong)
    assert shown.written.path == tmp_path / "demo" / "report.html"
    assert shown.written.path.stat().st_size < 3 * 10**6
    used = {index for graph in shown.analysis.graphs for index in graph.samples.tolist()}
    assert len(used) == 75
    (four,) = [entry.change for entry in shown.repair.record.classes if entry.target == 4]
    assert four.after > four.before
    assert four.p < 0.05
    first = shown.written.path.read_bytes()
    assert demo(tmp_path / "demo").written.path.read_bytes() == first


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "examples.npz").write_text("mine")
    with pytest.raises(OutputError, match="other files"):
        demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["examples.npz"]


def test_the_analysis_of_another_model_is_no_earlier_demo(tmp_path: Path) -> None:
    onnxcausal.analyze(ROOT / "models" / "digits_lenet.onnx", targets=[3], samples=10, out=tmp_path / "analysis")
    before = (tmp_path / "analysis" / "analysis.json").read_bytes()
    with pytest.raises(OutputError, match="other files"):
        demo(tmp_path)
    assert (tmp_path / "analysis" / "analysis.json").read_bytes() == before


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_and_files_of_others_beside_it_stay(tmp_path: Path) -> None:
    class Stopped(Silent):
        def target(self, title: str) -> None:
            if title == "8":
                raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        demo(tmp_path / "demo", progress=Stopped())
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["analysis"]
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    assert demo(tmp_path / "demo").written.path.is_file()
    assert (tmp_path / "demo" / "mine.txt").read_text() == "mine"


def test_the_model_is_found_in_a_clone_and_in_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shipped_models() == ROOT / "models"
    package = tmp_path / "site-packages" / "onnxcausal"
    (package / MODELS).mkdir(parents=True)
    monkeypatch.setattr(onnxcausal, "__file__", str(package / "__init__.py"))
    with pytest.raises(ConfigError, match="shipped model is not there"):
        shipped_models()
    for name in (MODEL, DATA):
        (package / MODELS / name).write_bytes(b"")
    assert shipped_models() == package / MODELS


def test_the_wheel_takes_the_model_its_sidecar_and_its_data_along() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {
        f"models/{name}": f"onnxcausal/{MODELS}/{name}" for name in (MODEL, MODEL.replace(".onnx", ".toml"), DATA)
    }
    assert all((ROOT / name).is_file() for name in build["force-include"])
