"""The commands `onnxcausal explain` and `onnxcausal evaluate` as a user meets them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from onnxcausal.cli import main
from tests.support.commands import run

MODELS = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the shipped model, its data and an analysis."""
    folder = tmp_path_factory.mktemp("place")
    for path in (*MODELS.glob("digits_lenet*"), MODELS / "digits.npz"):
        shutil.copy(path, folder)
    with np.load(folder / "digits.npz") as held:
        np.savez(folder / "some.npz", x=held["x"][-40:], y=held["y"][-40:])
    out = folder / "analysis"
    with pytest.raises(SystemExit) as caught:
        main(["analyze", str(folder / "digits_lenet.onnx"), "--samples", "20", "--quiet", "--out", str(out)])
    assert not caught.value.code
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_explaining_tells_each_decision_and_where_the_pictures_are(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(
        capsys, "explain", place / "digits_lenet.onnx", place / "some.npz", "--analysis", place / "analysis"
    )
    assert code == 0
    assert "40 input(s) explained" in out
    assert "(right)" in out
    assert "and 20 more" in out
    assert err == "40 input(s) explained, written to digits_lenet.explained\n"
    assert (tmp_path / "digits_lenet.explained" / "attributions.npz").is_file()
    assert len(list(place.iterdir())) == 5  # nothing was written beside the model


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["some.npz", "--analysis", "nowhere"], 2, "the analysis cannot be read"),
        (["some.npz", "--analysis", "analysis", "--target", "11"], 2, "class 11 has no causal graph"),
        (["some.npz", "--analysis", "analysis", "--target", "cat"], 2, "unknown target 'cat'"),
        (["some.npz", "--analysis", "analysis", "--layer", "nope"], 2, "choose one of /conv1/Conv, /conv2/Conv"),
        (["missing.png", "--analysis", "analysis"], 4, "there is no such file"),
        (["some.npz", "--analysis", "analysis", "--rule", "welch"], 2, "rule was 'paired', asked for is 'welch'"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_mistake_in_explaining_is_four_lines_and_writes_nothing(  # noqa: PLR0917  # fixtures and cases
    arguments: list[str], code: int, named: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [place / part if part in ("some.npz", "analysis", "missing.png") else part for part in arguments]
    found, out, err = run(capsys, "explain", place / "digits_lenet.onnx", *given)
    assert (found, out) == (code, "")
    assert named in err
    assert err.count("\n") == 4
    assert not list(tmp_path.iterdir())


def test_evaluating_prints_a_table_or_the_json_it_writes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "sufficiency", place / "digits_lenet.onnx", "--analysis", place / "analysis"]
    code, out, err = run(capsys, *arguments, "--count", 20, "--target", 3)
    assert code == 0
    assert "graph, mean" in out
    assert "written to digits_lenet.evaluation" in err
    code, out, err = run(capsys, *arguments, "--count", 20, "--target", 3, "--json", "--quiet")
    assert (code, err) == (0, "")
    written = (tmp_path / "digits_lenet.evaluation" / "evaluation-sufficiency.json").read_text()
    assert out == written
    record = json.loads(out)
    assert record["format"] == "onnxcausal-evaluation/1"
    assert record["options"] == {"count": 20}
    assert record["settings"]["samples"] == 20  # those of the analysis


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nope"], "unknown protocol 'nope'"),
        (["fidelity", "--runs", "3"], "--runs does not belong to fidelity"),
        (["fidelity", "--portions", "20%"], "portions are numbers above 0, up to 1"),
        (["fidelity", "--portions", "0"], "portions are numbers above 0, up to 1"),
        (["stability", "--methods", "causal,magic"], "unknown method 'magic'"),
        (["stability", "--layer", "nope"], "is not in the causal graph"),
        (["sufficiency", "--count", "1"], "should be greater than or equal to 2"),
    ],
)
def test_a_mistake_in_evaluating_is_four_lines(
    arguments: list[str], named: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol, *flags = arguments
    model = place / "digits_lenet.onnx"
    code, out, err = run(
        capsys, "evaluate", protocol, model, "--analysis", place / "analysis", "--target", 3, "--quiet", *flags
    )
    assert (code, out) == (2, "")
    assert named in err
    assert err.count("\n") == 4
    assert not list(tmp_path.iterdir())
