"""Preprocessing that is left to the file is the file's own, everywhere alike."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.pipeline.analyze import run
from onnxcausal.pipeline.preparing.configuration import Configuration, configure
from onnxcausal.pipeline.preparing.fitting import fitted
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.saved_analysis import check_saved
from onnxcausal.pipeline.progress import Silent
from onnxcausal.samples.letterbox import letterbox
from onnxcausal.samples.preprocess import Preprocess
from tests.support.detectors import NAMES, SIDE, ULTRALYTICS, Properties, apart, columns

HERE = Machine.of(limits="none")
USUAL = Preprocess(resize=f"letterbox:{SIDE}x{SIDE}", rescale=1 / 255)


def model(proto: onnx.ModelProto) -> Model:
    return Model("d.onnx", proto, "0" * 64)


def open_sizes(properties: Properties) -> onnx.ModelProto:
    """Return a detector whose input takes images of any size."""
    proto = columns(properties=properties)
    for size in list(proto.graph.input[0].type.tensor_type.shape.dim)[2:]:
        size.Clear()
    return proto


def pictures(folder: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            levels = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
            Image.fromarray(levels).save(folder / name / f"{number}.png")
    return folder


def test_a_detector_of_ultralytics_gets_the_preprocessing_that_it_takes() -> None:
    assert fitted(Configuration(), model(columns(properties=ULTRALYTICS))).preprocess == USUAL
    assert fitted(Configuration(), model(open_sizes(ULTRALYTICS))).preprocess == USUAL


@pytest.mark.parametrize("proto", [columns(), columns(properties={**ULTRALYTICS, "task": "classify"}), apart()])
def test_no_other_file_does(proto: onnx.ModelProto) -> None:
    assert fitted(Configuration(), model(proto)) == Configuration()


@pytest.mark.parametrize(
    "reading", [Reading(task=Task.MULTILABEL), Reading(output="concat_28"), Reading(reduce=Reduction.MAX, class_axis=1)]
)
def test_no_other_reading_of_such_a_file_does(reading: Reading) -> None:
    given = Configuration(model=reading)
    assert fitted(given, model(columns(properties=ULTRALYTICS))) == given


def test_a_classifier_with_such_metadata_does_not() -> None:
    proto = columns(properties=ULTRALYTICS)
    del proto.graph.output[0].type.tensor_type.shape.dim[2]
    assert fitted(Configuration(), model(proto)) == Configuration()


def test_what_is_set_wins() -> None:
    for settings in (Preprocess(rescale=1.0), Preprocess(resize=8)):
        given = Configuration(preprocess=settings)
        assert fitted(given, model(columns(properties=ULTRALYTICS))) == given
    given = Configuration(preprocess=Preprocess(resize="letterbox", rescale=1.0))
    found = fitted(given, model(columns()))
    assert found.preprocess == Preprocess(resize=f"letterbox:{SIDE}x{SIDE}", rescale=1.0)
    assert fitted(found, model(columns())) == found


NO_SIZES = ("", "[8]", "[8, 8, 8]", "[0, 8]", "[-8, 8]", "[8.5, 8]", "['8', 8]", "[99999, 8]", "{}", "null", "NaN")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("[8, 12]", "letterbox:8x12"),
        ("8", "letterbox:8x8"),
        *((text, "letterbox") for text in (*NO_SIZES, "[" * 60, "[8, 8" + " " * 100 + "]")),
    ],
)
def test_the_size_is_the_metadatas_where_the_input_leaves_it_open(size: str, expected: str) -> None:
    found = fitted(Configuration(), model(open_sizes({**ULTRALYTICS, "imgsz": size})))
    assert found.preprocess == Preprocess(resize=expected, rescale=1 / 255)


def test_pictures_go_through_it_and_analyses_say_so(tmp_path: Path) -> None:
    path, data = tmp_path / "d.onnx", pictures(tmp_path / "pictures")
    onnx.save(columns(properties=ULTRALYTICS), path)
    configured = configure(path, None, {"data.source": ("--data", str(data)), "analysis.samples": ("--samples", 6)})
    found = run(path, configured, out=tmp_path / "out", machine=HERE, progress=Silent())
    assert any(note.startswith("preprocessing as Ultralytics has it") for note in found.notes)
    assert found.preprocess == {"resize": f"letterbox:{SIDE}x{SIDE}", "rescale": 1 / 255}
    files = sorted(data.glob("*/*.png"), key=lambda file: (sorted(NAMES).index(file.parent.name), file.name))
    levels = [letterbox(np.asarray(Image.open(file)), SIDE, SIDE).transpose(2, 0, 1) for file in files]
    scores = open_network(load_model(path)).scores((np.stack(levels) / np.float32(255)).astype(np.float32))
    for graph in found.graphs:
        np.testing.assert_allclose(graph.observed, scores[graph.samples, graph.target], atol=1e-6)
    saved = read_analysis(tmp_path / "out")
    check_saved(saved, load_model(path), configured, "here")
    assert json.loads((tmp_path / "out" / "analysis.json").read_text())["settings"]["reading"] == {}


def test_floats_are_taken_as_they_are_and_nothing_is_said_of_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "d.onnx"
    onnx.save(columns(properties=ULTRALYTICS), path)
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz", x=rng.normal(size=(30, 3, SIDE, SIDE)).astype(np.float32), y=rng.integers(0, 2, (30, 3))
    )
    configured = configure(path, None, {"data.source": ("--data", str(tmp_path / "d.npz"))})
    values = replace(configured.values, analysis=replace(configured.values.analysis, samples=8))
    found = run(path, replace(configured, values=values), out=None, machine=HERE, progress=Silent())
    assert found.preprocess == {}
    assert not any("preprocessing" in note for note in found.notes)
    assert found.graphs
