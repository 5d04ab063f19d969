"""What an analysis says beside its numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

import onnxcausal
from onnxcausal import analyze
from onnxcausal.analysis.formats.analysis_file import to_json
from onnxcausal.errors import ConfigError, NothingToAnalyseError, OnnxCausalError

DIGITS = Path(__file__).parent.parent.parent / "models" / "digits_lenet.onnx"


def digits(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    data = np.load(DIGITS.with_name("digits.npz"))
    return data["x"][:count], data["y"][:count]


def test_how_often_the_model_was_right_stands_beside_each_class() -> None:
    x, y = digits()
    graph = analyze(DIGITS, (x, y), targets=3, samples=10).graph(3)
    assert len(graph.samples) == 10
    assert 10 <= graph.correct <= graph.examined == (y == 3).sum()


def test_a_model_that_is_seldom_right_gets_a_note() -> None:
    x, y = digits()
    wrong = np.where(np.arange(len(y)) % 4 == 0, y, (y + 1) % 10)  # one label in four is right
    note = analyze(DIGITS, (x, wrong), targets=[3], samples=10).notes[-1]
    assert note.startswith("the model is right on only ")
    assert "check the preprocessing" in note


def test_grey_levels_that_are_not_rescaled_get_a_note(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    analysis = analyze(DIGITS, digits(), config=tmp_path / "empty.toml", targets=[3], samples=10)
    assert "no rescale is set: grey levels enter the model as 0..255" in analysis.notes


def test_preprocessing_that_is_not_applied_is_told_and_not_recorded() -> None:
    x, y = digits()
    analysis = analyze(DIGITS, ((x / 255)[:, None], y), targets=[3], samples=10)
    assert any("the preprocessing that is set is not applied" in note for note in analysis.notes)
    assert json.loads(to_json(analysis))["settings"]["preprocess"] == {}
    applied = analyze(DIGITS, (x, y), targets=[3], samples=10)
    assert json.loads(to_json(applied))["settings"]["preprocess"] == {"rescale": 0.00392156862745098}
    np.testing.assert_allclose(analysis.graph(3).layers[0].ate, applied.graph(3).layers[0].ate, rtol=0, atol=1e-5)


@pytest.mark.parametrize("data", [np.zeros((3, 32, 32)), (np.zeros((3, 32, 32)),), 7])
def test_data_without_labels_is_refused(data: object) -> None:
    with pytest.raises(ConfigError, match="neither a path nor a pair"):
        analyze(DIGITS, data)  # type: ignore[arg-type]  # what a user may pass


def test_lists_are_taken_as_arrays() -> None:
    x, y = digits(200)
    assert analyze(DIGITS, (x.tolist(), y.tolist()), targets=[3], samples=5).targets == (3,)


def test_a_class_that_was_not_analysed_says_which_were() -> None:
    analysis = analyze(DIGITS, digits(), targets=[3], samples=5)
    with pytest.raises(KeyError, match="analysed are 3"):
        analysis.graph(7)


def test_the_package_lists_what_there_is_to_use() -> None:
    assert dir(onnxcausal) == sorted(onnxcausal.__all__)
    assert {"analyze", "compare", "compress", "explain", "evaluate", "repair"} < set(dir(onnxcausal))
    assert onnxcausal.__version__.count(".") == 2


def test_every_error_has_four_lines_and_its_exit_code() -> None:
    error = NothingToAnalyseError("what", where="where", why="why", remedy="do")
    assert isinstance(error, OnnxCausalError)
    assert str(error) == "error: what\n  where: where\n  why:   why\n  do:    do"
    assert error.exit_code == 5
