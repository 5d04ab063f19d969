"""The job of writing the report."""

import base64
import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnxcausal
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.formats.side_effects import to_json
from onnxcausal.errors import ConfigError, OutputError, SamplesError
from onnxcausal.pipeline.report import report
from onnxcausal.report.page.assemble import model_of_page
from tests.support.recorded import recorded

MODELS = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an analysis and explanations of the shipped model."""
    folder = tmp_path_factory.mktemp("analysed")
    onnxcausal.analyze(MODELS / "digits_lenet.onnx", targets=[8], samples=20, out=folder / "analysis")
    model = MODELS / "digits_lenet.onnx"
    onnxcausal.explain(model, MODELS / "examples", analysis=folder / "analysis", out=folder / "explained")
    return folder


@pytest.fixture
def place(analysed: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder."""
    return Path(shutil.copytree(analysed, tmp_path / "place"))


def block(path: Path, name: str) -> Any:
    (content,) = re.findall(rf'<script type="[^"]+" id="{name}">([^<]*)</script>', path.read_text(encoding="utf-8"))
    return json.loads(zlib.decompress(base64.b64decode(content)) if name.startswith("class-") else content)


def test_the_page_is_written_beside_the_analysis_and_again_over_itself(place: Path) -> None:
    written = report(place / "analysis")
    assert written.path == place / "analysis" / "report.html"
    assert written.size == written.path.stat().st_size
    first = written.path.read_bytes()
    assert report(place / "analysis").path.read_bytes() == first
    assert block(written.path, "overview")["has_samples"]
    assert "wires" in block(written.path, "class-8")["layers"][0]


def test_what_else_was_found_of_the_model_is_in_it(place: Path) -> None:
    made = recorded("masked", read_analysis(place / "analysis").model.sha256)
    (place / "fixed.repair.json").write_text(to_json(made))
    results = [place / "explained", place / "fixed.repair.json"]
    written = report(place / "analysis", out=place / "page.html", results=results)
    assert written.parts == ("1 explained input(s)", "a repair")
    (shown,) = block(written.path, "overview")["repairs"]
    assert shown["nodes that are masked"] == {"masked": "1, 2", "how": "weights times 0, replaced by zero"}
    assert shown["accuracy"]["all samples"].startswith("50.0% to 75.0% (+25.0 points")
    (explained,) = block(written.path, "pictures-8")["inputs"]
    assert (explained["predicted"], explained["label"], explained["layer"]) == (8, 9, 3)
    assert explained["picture"].startswith("data:image/png")
    assert [entry["child"] for entry in explained["nodes"]]


def test_samples_are_pictured_from_the_data_that_was_analysed(place: Path) -> None:
    with_data = report(place / "analysis", data=MODELS / "digits.npz")
    shown = block(with_data.path, "pictures-8")["samples"]
    told = {
        str(position)
        for layer in block(with_data.path, "class-8")["layers"]
        for _, _, samples in layer["samples"]
        for position, _ in samples
    }
    assert set(shown) == told
    assert with_data.parts == ("pictures of samples",)


def test_other_data_is_refused(place: Path) -> None:
    with np.load(MODELS / "digits.npz") as held:
        np.savez(place / "digits.npz", x=held["x"][::-1], y=held["y"][::-1])
    with pytest.raises(SamplesError, match="other data than was analysed"):
        report(place / "analysis", data=place / "digits.npz")
    assert not (place / "analysis" / "report.html").exists()


def test_results_of_another_model_are_refused(place: Path) -> None:
    (place / "fixed.repair.json").write_text(to_json(recorded("masked")))
    with pytest.raises(ConfigError, match="another model"):
        report(place / "analysis", results=[place])
    with np.load(place / "explained" / "attributions.npz") as held:
        arrays = dict(held) | {"model_sha256": np.array("0" * 64)}
    np.savez(place / "attributions.npz", **arrays)
    with pytest.raises(ConfigError, match="another model"):
        report(place / "analysis", results=place / "attributions.npz")


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": NaN}', "[" * 10**5, '{"a": ' + "9" * 5000 + "}"])
def test_a_damaged_record_of_a_repair_is_refused(place: Path, content: str) -> None:
    (place / "analysis" / "fixed.repair.json").write_text(content)
    with pytest.raises(ConfigError, match="record of a repair"):
        report(place / "analysis")


@pytest.mark.parametrize("missing", ["names", "map/8", "node_maps/8", "model_sha256"])
def test_damaged_attributions_are_refused(place: Path, missing: str) -> None:
    with np.load(place / "explained" / "attributions.npz") as held:
        arrays = {name: held[name] for name in held.files if name != missing}
    np.savez(place / "explained" / "attributions.npz", **arrays)
    with pytest.raises(ConfigError, match="attributions cannot be read"):
        report(place / "analysis", results=place / "explained")


def test_attributions_that_do_not_fit_together_are_refused(place: Path) -> None:
    with np.load(place / "explained" / "attributions.npz") as held:
        arrays = dict(held) | {"inputs/8": np.array([7])}
    np.savez(place / "explained" / "attributions.npz", **arrays)
    with pytest.raises(ConfigError, match="do not fit together"):
        report(place / "analysis", results=place / "explained")


def test_a_file_of_others_is_not_replaced_without_force(place: Path) -> None:
    path = place / "notes.html"
    path.write_text("<p>mine</p>")
    with pytest.raises(OutputError, match="another file"):
        report(place / "analysis", out=path)
    assert path.read_text() == "<p>mine</p>"
    report(place / "analysis", out=path, force=True)
    assert model_of_page(path.read_bytes())


@pytest.mark.parametrize("gone", ["effects.npz", "graph-8.graphml"])
def test_an_analysis_with_a_file_less_is_still_shown(place: Path, gone: str) -> None:
    (place / "analysis" / gone).unlink()
    path = report(place / "analysis").path
    assert block(path, "overview")["has_samples"] == (gone != "effects.npz")
    assert "wires" in block(path, "class-8")["layers"][0]


def test_results_that_are_not_there_are_told(place: Path) -> None:
    with pytest.raises(ConfigError, match="no such results"):
        report(place / "analysis", results=place / "nowhere")
    (place / "empty").mkdir()
    with pytest.raises(ConfigError, match="no such results"):
        report(place / "analysis", results=place / "empty")
    with pytest.raises(ConfigError, match="analysis cannot be read"):
        report(place / "explained")
