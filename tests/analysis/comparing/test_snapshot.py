"""Analyses that are compared may be laid there by anybody."""

import json
import os
from pathlib import Path

import pytest

from onnxcausal.analysis.comparing.contrast import contrast
from onnxcausal.analysis.comparing.snapshot import read_snapshot
from onnxcausal.analysis.formats.soundness import MOST_EXAMINED
from onnxcausal.errors import ConfigError
from tests.support.hostile_results import ANALYSES, EFFECTS, lay
from tests.support.hostile_texts import PLACES


def test_an_analysis_without_its_effects_is_compared(tmp_path: Path) -> None:
    held = read_snapshot(lay(tmp_path))
    assert not contrast(held, held).differs


def test_shares_of_the_most_samples_are_compared_in_time(tmp_path: Path) -> None:
    folder = lay(tmp_path)
    held = json.loads((folder / "analysis.json").read_text())
    old = read_snapshot(folder)
    for graph in held["graphs"]:
        graph["examined"], graph["correct"] = MOST_EXAMINED, MOST_EXAMINED // 3
    (folder / "analysis.json").write_text(json.dumps(held))
    assert contrast(old, read_snapshot(folder)).tests > 2


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", ANALYSES)
def test_hostile_analyses_are_refused(tmp_path: Path, name: str) -> None:
    change, why = ANALYSES[name]
    path = lay(tmp_path) / "analysis.json"
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))
    with pytest.raises(ConfigError) as caught:
        read_snapshot(tmp_path)
    assert why in caught.value.why
    assert caught.value.exit_code == 2


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", EFFECTS)
def test_hostile_effects_are_refused(tmp_path: Path, name: str) -> None:
    content, why = EFFECTS[name]
    (lay(tmp_path) / "effects.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="the effects cannot be read") as caught:
        read_snapshot(tmp_path)
    assert why in caught.value.why
    assert caught.value.exit_code == 2


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("file", ["effects.npz", "analysis.json"])
def test_hostile_places_of_results_are_refused(tmp_path: Path, place: str, file: str) -> None:
    lay(tmp_path)
    if os.path.lexists(tmp_path / file):
        (tmp_path / file).unlink()
    PLACES[place](tmp_path / file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_snapshot(tmp_path)
