"""Hostile files as a user meets them: four lines, the exit code, and nothing raw on the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.commands import run
from tests.support.hostile_results import lay
from tests.support.hostile_samples import SAMPLES
from tests.support.hostile_texts import PLACES
from tests.support.networks import mlp

GENEROUS = 300
"""Seconds after which a command is taken to wait for a pipe."""
RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(8, 4)), RNG.normal(size=(3, 8))
COMMANDS = {
    "a/analysis.json": ["report", "a", "-o", "page.html"],
    "a/effects.npz": ["report", "a", "-o", "page.html"],
    "a/attributions.npz": ["report", "a", "-o", "page.html"],
    "page.html": ["report", "a", "-o", "page.html"],
    "b.json": ["compare", "a", "b.json"],
    "k.json": ["apply", "model.onnx", "k.json", "-o", "masked.onnx"],
    "c.toml": ["inspect", "model.onnx", "--config", "c.toml"],
    "model.png": ["inspect", "model.onnx", "--picture", "model.png"],
}
"""A command that reads or replaces each file."""
OWN = [
    (file, place)
    for file in COMMANDS
    for place in PLACES
    if file != "a/attributions.npz" or not place.startswith("link")  # of links that lead nowhere none is found
]
TOLD = [
    "archive: objects that do harm",
    "archive: encrypted",
    "archive: bomb of 2 GiB",
    "archive: nested header",
    "labels of 2 to the 63",
    "values of 1e300",
    "table: label of 5,000 digits",
    "table: terminal codes",
    "picture: a pipe",
    "picture: a device that never ends",
    "class of 200 digits",
    "class that is no text",
    "class names: a device that never ends",
    "IDX: claims 2 to the 93",
]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(mlp([FIRST, SECOND], [np.zeros(8), np.zeros(3)]), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def is_error(told: str) -> bool:
    """Whether what was told ends with an error of four lines, and nothing in it is raw."""
    what, where, why, remedy = told.splitlines()[-4:]
    lines = [what[:7], where[:8], why[:8], remedy[:8]] == ["error: ", "  where:", "  why:  ", "  do:   "]
    return lines and all(line.isprintable() for line in told.splitlines()) and "Warning" not in told


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize("name", TOLD)
def test_hostile_data_end_with_code_4(
    model: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SAMPLES[name](tmp_path)
    code, _, err = run(capsys, "analyze", model, "--data", source, "--out", tmp_path / "out", "--quiet")
    assert code == 4
    assert is_error(err)
    assert not (tmp_path / "unpickled").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.attack("places of output", "refused, nothing written")
@pytest.mark.parametrize(("file", "place"), OWN)
def test_hostile_places_end_with_code_2(
    model: Path, tmp_path: Path, file: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path / "a")
    if os.path.lexists(tmp_path / file):
        (tmp_path / file).unlink()
    PLACES[place](tmp_path / file)
    code, _, err = run(capsys, *COMMANDS[file])
    assert code == 2
    assert is_error(err)
    assert model.exists()


@pytest.mark.attack("sidecars and projects", "refused, exit code 2")
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[preprocess]\nresize = [1000000000, 1000000000]", "too large"),
        ("[analysis]\nsamples = " + "9" * 5000, "cannot be read"),
        ("[analysis]\nsamples = 9000000000000000000", "too many probe inputs"),
        ("[analysis]\nrule = '\\u001B[31m'", "not allowed"),
        ("[analysis]\ntargets = ['" + "9" * 5000 + "']", "unknown target"),
    ],
)
def test_hostile_settings_end_with_code_2(
    model: Path, tmp_path: Path, text: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model.with_suffix(".toml").write_text(text)
    code, _, err = run(capsys, "analyze", model, "--out", tmp_path / "out", "--quiet")
    assert code == 2
    assert named in err
    assert is_error(err)


@pytest.mark.attack("data", "not waited for")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names on this system")
@pytest.mark.parametrize("file", ["model.toml", "data.npz"])
def test_hostile_pipes_are_not_waited_for(model: Path, file: str) -> None:
    os.mkfifo(model.with_name(file))
    command = [sys.executable, "-m", "onnxcausal", "analyze", str(model), "--data", str(model.with_name("data.npz"))]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GENEROUS)
    assert told.returncode == (2 if file == "model.toml" else 4)
    assert is_error(told.stderr)
