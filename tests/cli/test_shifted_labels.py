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


def one_class(form: str) -> Path:
    """Write samples of class 2 alone: arrays, a table, or images in a folder."""
    x = np.random.default_rng(0).normal(0.1, 0.1, (40, CLASSES)) + 3 * np.eye(CLASSES)[2]
    path = Path(f"one.{form}")
    if form == "npz":
        np.savez(path, x=x.astype(np.float32), y=np.full(40, 2))
    else:
        rows = (",".join(map(str, row)) + ",c" for row in x.tolist())
        path.write_text("\n".join(["p,q,r,s,label", *rows]))
        Path("labels.txt").write_text("a\nb\nc\nd\n")
    return path


@pytest.mark.parametrize(("form", "title"), [("npz", "2"), ("csv", "2 (c)")])
def test_data_of_one_class_are_analysed(form: str, title: str, capsys: pytest.CaptureFixture[str]) -> None:
    call = ("m.onnx", "--data", one_class(form), "--samples", "20", "--quiet")
    code, out, _ = run(capsys, "analyze", *call)
    assert code == 0
    assert f"note: the data holds class {title} only: how right the model is on other classes is not known" in out
    assert f"class {title}: 20 samples (right on 40 of 40 tried)" in out
    code, out, _ = run(capsys, "analyze", *call, "--fail-on", "accuracy < 0.1")
    assert code == 1
    assert "3 of 4 classes that must have a graph have none" in out


def test_what_others_lose_is_not_told_by_data_of_one_class(capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", one_class("npz"), "--samples", "20")
    for call in (
        ("repair", "m.onnx", *data, "-o", "r.onnx"),
        ("compress", "m.onnx", *data, "--target-size", "80%", "-o", "r.onnx"),
        ("evaluate", "fidelity", "m.onnx", *data),
    ):
        code, _, err = run(capsys, *call)
        assert code == 4
        assert "error: the data holds one class only" in err
    assert not Path("r.onnx").exists()
