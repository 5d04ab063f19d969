"""Every format that is read from JSON, as anybody may have laid it there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from onnxcausal.analysis.formats.evaluation import model_of_evaluation, read_evaluation
from onnxcausal.analysis.formats.masks import read_masks
from onnxcausal.analysis.formats.output_folder import check_folder
from onnxcausal.analysis.formats.refit_metadata import model_of_text
from onnxcausal.analysis.formats.repair_metadata import from_text
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.formats.side_effects import read_side_effects
from onnxcausal.errors import ConfigError, ModelError, OutputError
from onnxcausal.report.machine.netron import is_attachment_of
from tests.support.hostile_results import ANALYSES, lay
from tests.support.hostile_texts import JSON, PLACES

READERS: dict[str, Callable[[Path], object]] = {
    "analysis": read_analysis,
    "evaluation": read_evaluation,
    "masks": read_masks,
    "repair": read_side_effects,
}


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", JSON)
def test_hostile_texts_are_no_results(tmp_path: Path, name: str, reader: str) -> None:
    text, why = JSON[name]
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        READERS[reader](tmp_path / "a.json")
    assert why in caught.value.why
    assert caught.value.exit_code == 2
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", ANALYSES)
def test_hostile_analyses_are_none_wherever_they_are_read(tmp_path: Path, name: str) -> None:
    change, why = ANALYSES[name]
    path = lay(tmp_path) / "analysis.json"
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))
    with pytest.raises(ConfigError, match=r"cannot be read|contradicts itself") as caught:
        read_analysis(tmp_path)
    assert why in caught.value.why


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("form", ["a" * 10**6, ["a"] * 10**6, {"a": "b" * 10**6}])
def test_a_hostile_format_is_told_of_in_short(tmp_path: Path, form: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"format": form}))
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        read_analysis(tmp_path / "a.json")
    assert len(caught.value.why) < 200


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_hostile_places_are_no_results(tmp_path: Path, place: str, reader: str) -> None:
    PLACES[place](tmp_path / "a.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        READERS[reader](tmp_path / "a.json")


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", JSON)
def test_hostile_texts_belong_to_no_model(tmp_path: Path, name: str) -> None:
    text = JSON[name][0]
    (tmp_path / "analysis.json").write_bytes(text)
    assert model_of_evaluation(tmp_path / "analysis.json") == ""
    assert not is_attachment_of(text, "a")
    written = text.decode(errors="replace")
    assert model_of_text(written) == ""
    with pytest.raises(ModelError, match="record of its repair"):
        from_text(written, "here")
    with pytest.raises(OutputError, match="did not write"):
        check_folder(tmp_path, "a" * 64, force=False)
