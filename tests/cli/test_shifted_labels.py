"""Labels that are not those of the model's classes, as a user meets them."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.commands import run
from tests.support.networks import mlp

CLASSES = 4


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a model that decides by the largest of four features, and go where it is."""
    monkeypatch.chdir(tmp_path)
    onnx.save(mlp([np.eye(CLASSES), np.eye(CLASSES)], [np.ones(CLASSES), np.zeros(CLASSES)]), "m.onnx")


def given(shift: int, right: int = 0, count: int = 80) -> str:
    """Write samples whose labels are shifted, but for the first few, and return the file."""
    true = np.arange(count) % CLASSES
    x = np.random.default_rng(0).normal(0, 0.1, (count, CLASSES)) + 3 * np.eye(CLASSES)[true]
    y = np.where(np.arange(count) < right, true, (true + shift) % CLASSES)
    np.savez("d.npz", x=x.astype(np.float32), y=y)
    return "d.npz"


def test_labels_that_start_at_1_are_seen_in_what_is_decided_instead(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "analyze", "m.onnx", "--data", given(1, right=12), "--quiet")
    assert code == 0
    assert out.endswith(
        "the model is right on few samples of these classes:\n"
        "  class  tried  right  most are decided as\n"
        "  0         20      3  3: 17 of 20\n"
        "  1         20      3  0: 17 of 20\n"
        "  2         20      3  1: 17 of 20\n"
        "  3         20      3  2: 17 of 20\n"
        "every class is decided as the one before it: the labels may start at 1, and the model's classes at 0\n"
    )
    assert "decided" not in Path("m.causal/analysis.json").read_text()


def test_where_no_class_can_be_analysed_the_error_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", "m.onnx", "--data", given(3), "--quiet")
    assert (code, out) == (4, "")
    assert "error: no class can be analysed" in err
    assert "most are decided otherwise: class 0 as 1 (20 of 20), 1 as 2 (20 of 20), 2 as 3 (20 of 20)" in err
    assert "every class is decided as the next one: the model's classes may start at 1" in err
    assert len(err.splitlines()) == 4


def test_of_a_model_that_is_right_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "analyze", "m.onnx", "--data", given(0), "--quiet")
    assert code == 0
    assert "decided as" not in out
