"""Maps of inputs that anybody may have laid there."""

from pathlib import Path

import numpy as np
import pytest

from onnxcausal.analysis.formats.saved_maps import read_maps
from onnxcausal.analysis.result.explanation import read_archive
from onnxcausal.errors import ConfigError
from tests.support.hostile_archives import ARCHIVES, write
from tests.support.hostile_results import MAPS, maps
from tests.support.hostile_texts import PLACES


def test_honest_maps_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", allow_pickle=False, **maps(map=np.zeros((2, 4, 4))))
    held = read_maps(tmp_path / "a.npz")
    assert held.names == ("a.png", "b.png")
    assert list(held.classes) == [3]
    assert held.classes[3].node_layer == "conv"
    assert read_archive(tmp_path / "a.npz") == ("a" * 64, ("a.png", "b.png"))


def test_arrays_that_belong_to_nothing_are_not_read(tmp_path: Path) -> None:
    strange = {"inputs/" + "9" * 5000: np.zeros(1), "inputs/\u0663": np.zeros(1), "other": np.array([{}], object)}
    np.savez(tmp_path / "a.npz", allow_pickle=True, **maps(), **strange)
    assert list(read_maps(tmp_path / "a.npz").classes) == [3]


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", MAPS)
def test_hostile_maps_are_refused(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=True, **maps(**MAPS[name]))
    with pytest.raises(ConfigError, match="the attributions cannot be read") as caught:
        read_maps(tmp_path / "a.npz")
    assert caught.value.exit_code == 2


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_are_no_maps(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    with pytest.raises(ConfigError, match="the attributions cannot be read"):
        read_maps(path)
    assert read_archive(path) == ("", ())


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("place", PLACES)
def test_hostile_places_of_maps_are_refused(tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path / "a.npz")
    with pytest.raises(ConfigError, match="the attributions cannot be read"):
        read_maps(tmp_path / "a.npz")
    assert read_archive(tmp_path / "a.npz") == ("", ())
