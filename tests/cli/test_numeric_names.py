"""Classes whose names are numbers, in every command and option that names one."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.helper import set_model_props
from PIL import Image

from onnxcausal import explain
from onnxcausal.cli import main
from tests.support.commands import run
from tests.support.networks import mlp

FOLDERS = ("0", "1", "10", "11", "2", "3")
ANGLES = ("0", "180", "270", "2")
YEARS = ("1", "2", "0")


def templates(classes: int) -> NDArray[np.float32]:
    """Return an image of grey levels for each class, `[classes, 4, 4]`."""
    return np.random.default_rng(1).integers(40, 216, (classes, 4, 4)).astype(np.float32)


def matcher(classes: int) -> onnx.ModelProto:
    """Return a network whose scores say how much an image is like each template."""
    centred = templates(classes).reshape(classes, 16) - 128
    weight = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return mlp([weight, np.eye(classes)], [-128 * weight.sum(axis=1), np.zeros(classes)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images by class, names of the classes, and a model of them."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    for name, template in zip(FOLDERS, templates(len(FOLDERS)), strict=True):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(24):
            image = np.clip(template + rng.normal(0, 10, (4, 4)), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(folder / "data" / name / f"{number:02}.png")
    (folder / "names.txt").write_text("\n".join(FOLDERS) + "\n")
    onnx.save(matcher(len(FOLDERS)), folder / "m.onnx")
    return folder


def given(place: Path, verb: str, *arguments: object) -> list[object]:
    """Return a command on the model and its data, on few samples."""
    return [
        verb,
        place / "m.onnx",
        "--data",
        place / "data",
        "--labels",
        place / "names.txt",
        "--samples",
        8,
        *arguments,
    ]


@pytest.fixture(scope="module")
def analysed(place: Path) -> Path:
    """Return the analysis of all classes."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in given(place, "analyze", "--quiet", "--out", place / "all")])
    assert not caught.value.code
    return place / "all"


@pytest.mark.parametrize(
    ("target", "title"), [("11", "3 (11)"), ("name=2", "4 (2)"), ("index=2", "2 (10)"), ("1", "1 (1)")]
)
def test_a_target_is_found_by_its_name(
    place: Path, tmp_path: Path, target: str, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *given(place, "analyze", "--target", target, "--out", tmp_path / "o"))
    assert code == 0
    assert f"\nclass {title}: 8 samples" in out
    assert out.count("\nclass ") == 1


def test_what_may_be_two_classes_is_refused_wherever_a_class_is_named(
    place: Path, analysed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = place / "data" / "2" / "00.png"
    explained = ["explain", place / "m.onnx", image, "--labels", place / "names.txt", "--analysis", analysed]
    for call in (
        given(place, "analyze", "--target", "2", "--out", tmp_path / "o"),
        given(place, "analyze", "--out", place / "gated", "--fail-on", "accuracy[2] < 0.1"),
        given(place, "analyze", "--out", place / "gated", "--require-classes", "0,2"),
        given(place, "repair", "--analysis", analysed, "--class", "2", "--out", tmp_path / "r.onnx"),
        given(place, "repair", "--analysis", analysed, "--protect", "2", "--out", tmp_path / "r.onnx"),
        given(place, "repair", "--analysis", analysed, "--objective", "fix-confusion 11:2", "-o", tmp_path / "r.onnx"),
        [*explained, "--target", "2", "--out", tmp_path / "e"],
    ):
        code, _, err = run(capsys, *call)
        assert code == 2, err
        assert "error: '2' stands for several classes" in err
        assert "it may be class 4 (2) by its name, class 2 (10) by its index" in err
        assert "say which: name=2 for class 4 (2), index=2 for class 2 (10)" in err
    assert list(tmp_path.iterdir()) == []


def test_gates_and_required_classes_are_of_the_class_of_that_name(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = ["--fail-on", "accuracy[11] > 0.5", "--fail-on", "accuracy[name=2] > 0.5"]
    code, _, err = run(
        capsys, *given(place, "analyze", "--out", analysed, "--target", "11", "--target", "name=2", *gates)
    )
    assert code == 1
    assert "class 3 (11): accuracy is 1" in err
    assert "class 4 (2): accuracy is 1" in err
    code, _, err = run(
        capsys, *given(place, "analyze", "--out", tmp_path / "one", "--target", "10", "--require-classes", "11,name=2")
    )
    assert code == 1
    assert "2 of 2 classes that must have a graph have none; class 3 (11): left out" in err


@pytest.mark.parametrize(("target", "index"), [("11", 3), ("name=2", 4), ("index=2", 2), (2, 2), ("1", 1)])
def test_an_input_is_explained_for_the_class_of_that_name(
    place: Path, analysed: Path, target: int | str, index: int
) -> None:
    held = explain(
        place / "m.onnx",
        place / "data" / "11" / "00.png",
        analysis=analysed,
        target=target,
        labels=str(place / "names.txt"),
    )
    assert held.targets.tolist() == [index]
    assert held.labels.tolist() == [3]


@pytest.mark.parametrize(("names", "target"), [(ANGLES, "180"), (YEARS, "name=2")])
@pytest.mark.parametrize("form", ["names", "id2label", "character"])
def test_names_in_the_file_are_known_to_targets(
    tmp_path: Path, names: tuple[str, ...], target: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered = dict(enumerate(names))
    text = {"names": repr(numbered), "id2label": json.dumps(numbered), "character": "\n".join(names)}[form]
    model = matcher(len(names))
    set_model_props(model, {form: text})
    onnx.save(model, tmp_path / "m.onnx")
    y = np.arange(len(names)).repeat(8)
    x = templates(len(names))[y].reshape(-1, 16) + np.random.default_rng(0).normal(0, 9, (len(y), 16))
    np.savez(tmp_path / "d.npz", x=x.astype(np.float32), y=y)
    call = ("analyze", tmp_path / "m.onnx", "--data", tmp_path / "d.npz", "--out", tmp_path / "o", "--target")
    code, out, _ = run(capsys, *call, target)
    assert code == 0
    assert f"\nclass 1 ({names[1]}): 8 samples" in out
    code, _, err = run(capsys, *call, "2")
    assert code == 2
    assert "'2' stands for several classes" in err


def test_folders_are_matched_to_names_in_the_file_that_fit_its_classes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = matcher(len(FOLDERS))
    set_model_props(model, {"names": "['a', 'b']", "character": "\n".join(FOLDERS)})
    onnx.save(model, tmp_path / "m.onnx")
    call = ("analyze", tmp_path / "m.onnx", "--data", place / "data", "--out", tmp_path / "o", "--samples", "8")
    code, out, _ = run(capsys, *call)
    assert code == 0
    for index, name in enumerate(FOLDERS):
        assert f"\nclass {index} ({name}): 8 samples (right on 24 of 24 tried)" in out
