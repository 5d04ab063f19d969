"""TOML is read within bounds."""

import time
from pathlib import Path

import pytest

from onnxcausal.filesystem.toml_text import read_toml
from tests.support.hostile_texts import PLACES, TOML

GENEROUS = 60
"""Seconds that no bounded text takes."""


def test_honest_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[a]\nb.c = [1, [2.5]]\n[[a.d]]\ne = 'x.y.z'\n")
    assert read_toml(tmp_path / "a.toml") == {"a": {"b": {"c": [1, [2.5]]}, "d": [{"e": "x.y.z"}]}}


@pytest.mark.attack("sidecars and projects", "refused")
@pytest.mark.parametrize("name", TOML)
def test_hostile_toml_is_refused_in_no_time(tmp_path: Path, name: str) -> None:
    text, why = TOML[name]
    (tmp_path / "a.toml").write_text(text)
    began = time.monotonic()
    with pytest.raises((OSError, ValueError), match=why):
        read_toml(tmp_path / "a.toml")
    assert time.monotonic() - began < GENEROUS


@pytest.mark.attack("sidecars and projects", "refused")
@pytest.mark.parametrize("name", PLACES)
def test_hostile_places_of_toml_are_an_os_error(tmp_path: Path, name: str) -> None:
    PLACES[name](tmp_path / "a.toml")
    with pytest.raises(OSError, match=r"."):
        read_toml(tmp_path / "a.toml")
