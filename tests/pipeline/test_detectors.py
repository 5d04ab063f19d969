"""Detectors from images and label files of boxes to results, and read back from them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.samples.letterbox import letterbox
from tests.support.commands import run
from tests.support.detectors import CLASSES, NAMES, NONE, SIDE, ULTRALYTICS, Properties, apart, columns, rows

IMAGES = 30


def laid_out(folder: Path) -> list[set[int]]:
    """Write images with label files, and return the classes of each image, in the order of the files."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    found = []
    for number in range(IMAGES):
        levels = rng.integers(0, 256, (int(rng.integers(8, 24)), 20, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / "images" / f"{number:02}.png")
        classes = set(map(int, rng.choice(CLASSES, int(rng.integers(0, CLASSES)), replace=False)))
        lines = "".join(f"{one} 0.5 0.5 0.25 0.25\n" for one in classes)
        (folder / "labels" / f"{number:02}.txt").write_text(lines)
        found.append(classes)
    return found


def scores_of(path: Path, folder: Path, task: Task | None) -> np.ndarray:
    """Return the best score of each class on all images, as nobody but numpy prepares them."""
    images = [np.asarray(Image.open(file)) for file in sorted((folder / "images").iterdir())]
    boxed = np.stack([letterbox(image, SIDE, SIDE).transpose(2, 0, 1) for image in images]).astype(np.float32)
    proto = onnx.load(path)
    network = open_network(load_model(path), Reading(task=task))
    made = Runner(proto, network.spec, "d.onnx").run(boxed / np.float32(255), [proto.graph.output[0].name])[0]
    if made.shape[1] == 4 + CLASSES:
        return np.asarray(made[:, 4:].max(axis=2))
    return np.asarray((made[:, :, 5:] * made[:, :, 4:5]).max(axis=1) if made.shape[2] > CLASSES else made.max(axis=1))


KINDS: dict[str, tuple[onnx.ModelProto, tuple[str, ...]]] = {
    "rows": (rows(properties=ULTRALYTICS), ()),
    "columns": (columns(properties=ULTRALYTICS), ()),
    "columns, nothing told": (columns(), ("--task", "detector", "--resize", "letterbox", "--rescale", str(1 / 255))),
    "apart": (apart(), ("--resize", "letterbox:16", "--rescale", str(1 / 255))),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_class_is_right_where_its_box_is_found(
    kind: tuple[onnx.ModelProto, tuple[str, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proto, flags = kind
    path, data, out = tmp_path / "d.onnx", tmp_path / "data", tmp_path / "out"
    onnx.save(proto, path)
    truth = laid_out(data)
    given = ("--data", data, *flags, "--limits", "none")
    code, shown, _ = run(capsys, "analyze", path, *given, "--samples", IMAGES, "--quiet", "--out", out)
    assert code == 0, shown
    scores = scores_of(path, data, Task.DETECTOR if "--task" in flags else None)
    saved = read_analysis(out)
    assert saved.settings.task is Task.MULTILABEL
    assert saved.settings.reading == ({"task": "detector"} if "--task" in flags else {})
    assert saved.graphs
    for graph in saved.graphs:
        of_class = [number for number, classes in enumerate(truth) if graph.target in classes]
        found = [number for number in of_class if scores[number, graph.target] > 0.25]
        assert (graph.correct, graph.examined) == (len(found), len(of_class))
        assert sorted(graph.sample_indices) == found
    told = ("--analysis", out, "--quiet", "--out", tmp_path / "explained")
    code, _, error = run(capsys, "explain", path, data / "images", *given[2:], *told)
    assert code == 0, error


def test_another_preprocessing_than_the_analysed_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, data, out = tmp_path / "d.onnx", tmp_path / "data", tmp_path / "out"
    onnx.save(columns(properties=ULTRALYTICS), path)
    laid_out(data)
    assert run(capsys, "analyze", path, "--data", data, "--samples", 5, "--quiet", "--out", out)[0] == 0
    other = ("--analysis", out, "--resize", "letterbox", "--rescale", "1", "--out", tmp_path / "explained")
    assert run(capsys, "explain", path, data / "images", *other)[0] == 2


@pytest.mark.parametrize("properties", [NONE, ULTRALYTICS])
def test_inspect_says_what_analyze_takes(
    properties: Properties, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d.onnx"
    onnx.save(columns(properties=properties), path)
    for flags in ((), ("--run",)):
        _, shown, _ = run(capsys, "inspect", path, *flags)
        assert ("[3], multilabel" in shown) == bool(properties)
        assert ("refused by an analysis" in shown) != bool(properties)
    path.with_suffix(".toml").write_text('[model]\ntask = "detector"\n')
    for flags in ((), ("--run",)):
        assert "[3], multilabel" in run(capsys, "inspect", path, *flags)[1]


def test_names_in_the_metadata_are_those_of_the_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "d.onnx", tmp_path / "data"
    onnx.save(columns(properties=ULTRALYTICS), path)
    laid_out(data)
    flags = ("--data", data, "--samples", 5, "--target", NAMES[1], "--quiet", "--out", tmp_path / "out")
    code, shown, error = run(capsys, "analyze", path, *flags)
    assert code == 0, error
    assert "class 1 (dog)" in shown


@pytest.mark.parametrize("command", ["repair", "compress"])
def test_what_takes_nodes_out_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "d.onnx", tmp_path / "data"
    onnx.save(columns(properties=ULTRALYTICS), path)
    laid_out(data)
    flags = ("--target-size", "80%") if command == "compress" else ()
    given = ("--data", data, "--samples", 5, "--out", tmp_path / "new.onnx", *flags)
    code, _, error = run(capsys, command, path, *given)
    assert code in (2, 3)
    assert "decides for each class on its own" in error
    assert not (tmp_path / "new.onnx").exists()
