"""Explaining inputs, as a user does it."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from onnxcausal import analyze, explain
from onnxcausal.analysis.formats.saved_analysis import read_analysis, routes_of
from onnxcausal.analysis.result.explanation import UNKNOWN, Explanation
from onnxcausal.causal.route import route_of
from onnxcausal.errors import ConfigError, OutputError, SamplesError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.network import open_network
from tests.support.networks import Builder, mlp

MODELS = Path(__file__).parent.parent.parent / "models"
DIGITS = MODELS / "digits_lenet.onnx"


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an analysis of two classes."""
    folder = tmp_path_factory.mktemp("digits") / "out"
    analyze(DIGITS, targets=[3, 8], samples=20, out=folder)
    return folder


@pytest.fixture
def threes(tmp_path: Path) -> Path:
    with np.load(MODELS / "digits.npz") as held:
        places = np.flatnonzero(held["y"] == 3)[-4:]
        np.savez(tmp_path / "threes.npz", x=held["x"][places], y=held["y"][places])
    return tmp_path / "threes.npz"


def test_a_saved_analysis_explains_what_inferring_first_does(analysis: Path, threes: Path) -> None:
    saved = explain(DIGITS, threes, analysis=analysis)
    anew = explain(DIGITS, threes, samples=20)
    np.testing.assert_array_equal(saved.targets, anew.targets)
    assert (saved.targets == 3).any()
    held, fresh = saved.of_class(3), anew.of_class(3)
    assert held is not None
    assert fresh is not None
    assert held.layers == fresh.layers == ("/conv1/Conv", "/conv2/Conv")
    np.testing.assert_allclose(held.maps, fresh.maps, atol=1e-6)
    np.testing.assert_array_equal(held.nodes, fresh.nodes)


def test_what_is_read_back_is_the_route_that_was_inferred(tmp_path: Path) -> None:
    whole = analyze(DIGITS, targets=[3], samples=20, out=tmp_path / "out")
    (read,) = routes_of(read_analysis(tmp_path / "out"))
    inferred = route_of(whole.graph(3))
    np.testing.assert_array_equal(read.samples, inferred.samples)
    for one, other in zip(read.steps, inferred.steps, strict=True):
        assert (one.layer, one.roles) == (other.layer, other.roles)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.ate, other.ate)
        np.testing.assert_array_equal(one.necessary, other.necessary)


def test_the_folder_holds_arrays_and_a_picture_of_every_input(analysis: Path, threes: Path, tmp_path: Path) -> None:
    found = explain(DIGITS, threes, analysis=analysis, target=3, out=tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [*(f"{number}-threes.npz_{number}.png" for number in range(4)), "attributions.npz"]
    for name in names[:-1]:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.width > 500
    with np.load(tmp_path / "out" / "attributions.npz") as held:
        assert held["map"].shape == (4, 32, 32)
        assert held["names"].tolist() == [f"threes.npz[{number}]" for number in range(4)]
        np.testing.assert_array_equal(held["targets"], 3)
        np.testing.assert_array_equal(held["map"], held["map/3"])
        assert held["node_maps/3"].shape[:2] == (4, len(held["nodes/3"]))
        assert str(held["node_layer/3"]) == "/conv2/Conv"
        step = next(step for step in routes_of(read_analysis(analysis))[0].steps if step.layer == "/conv2/Conv")
        assert set(held["nodes/3"].tolist()) == set(step.targets.tolist())
    assert found.map_of(0) is not None


def test_the_same_inputs_give_the_same_bytes(analysis: Path, threes: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        explain(DIGITS, threes, analysis=analysis, target=3, out=tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_wrong_decision_gets_both_classes_and_a_picture_of_why(analysis: Path, threes: Path, tmp_path: Path) -> None:
    with np.load(threes) as held:
        np.savez(tmp_path / "called_8.npz", x=held["x"], y=np.full(4, 8))
    found = explain(DIGITS, tmp_path / "called_8.npz", analysis=analysis, out=tmp_path / "out")
    wrong = found.wrong.tolist()
    assert wrong == np.flatnonzero(found.predicted != 8).tolist()
    assert wrong
    for number in wrong:
        assert found.map_of(number, 8) is not None
        if found.predicted[number] == 3:
            assert (tmp_path / "out" / f"why-{number}-called_8.npz_{number}.png").is_file()


def test_images_and_folders_are_explained_and_named_after_their_files(
    analysis: Path, threes: Path, tmp_path: Path
) -> None:
    with np.load(threes) as held:
        for number, image in enumerate(held["x"]):
            folder = tmp_path / "images" / ("3" if number else "8")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"image {number}.png")
    alone = tmp_path / "images" / "3" / "image 1.png"
    found = explain(DIGITS, [tmp_path / "images", alone], analysis=analysis, target=3)
    assert found.names == ("3/image 1.png", "3/image 2.png", "3/image 3.png", "8/image 0.png", "image 1.png")
    assert found.labels.tolist() == [3, 3, 3, 8, 3]
    arrays = explain(DIGITS, threes, analysis=analysis, target=3)
    np.testing.assert_allclose(map_of(found, 4), map_of(arrays, 1), atol=1e-6)
    assert found.pictures is not None
    assert arrays.pictures is not None
    np.testing.assert_array_equal(found.pictures[4], arrays.pictures[1])


def test_one_layer_can_be_asked_for(analysis: Path, threes: Path) -> None:
    first, second, both = (
        explain(DIGITS, threes, analysis=analysis, target=3, layer=layer)
        for layer in ("/conv1/Conv", "/conv2/Conv", None)
    )
    mean = np.mean([map_of(one, 0) for one in (first, second)], axis=0)
    np.testing.assert_allclose(map_of(both, 0), mean, atol=1e-6)
    with pytest.raises(ConfigError, match="has no maps") as caught:
        explain(DIGITS, threes, analysis=analysis, target=3, layer="/fc1/Gemm")
    assert "/conv1/Conv, /conv2/Conv" in caught.value.remedy


def test_the_analysis_of_another_model_or_other_settings_is_refused_with_both_hashes(
    analysis: Path, threes: Path, tmp_path: Path
) -> None:
    other = onnx.load(DIGITS)
    other.doc_string = "changed"
    onnx.save(other, tmp_path / "other.onnx")
    shutil.copy(MODELS / "digits_lenet.toml", tmp_path / "other.toml")
    held = json.loads((analysis / "analysis.json").read_text())["model"]["sha256"]
    with pytest.raises(ConfigError, match="of another model") as caught:
        explain(tmp_path / "other.onnx", threes, analysis=analysis)
    assert held in caught.value.why
    assert len(caught.value.why.split("this model has ")[1]) == 64
    with pytest.raises(ConfigError, match="other settings") as caught:
        explain(DIGITS, threes, analysis=analysis, coverage=0.5)
    assert "coverage was 0.8, asked for is 0.5" in caught.value.why
    with pytest.raises(ConfigError, match="other settings"):
        explain(DIGITS, threes, analysis=analysis, rescale=0.5)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "other/1"}', '{"format": "onnxcausal-analysis/1"}', "7"]
)
def test_what_is_no_analysis_is_refused(content: str, threes: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis.json").write_text(content)
    with pytest.raises(ConfigError, match="the analysis cannot be read"):
        explain(DIGITS, threes, analysis=tmp_path)
    with pytest.raises(ConfigError, match="the analysis cannot be read"):
        explain(DIGITS, threes, analysis=tmp_path / "missing")


def test_a_class_without_a_graph_lists_those_that_have_one(analysis: Path, threes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="class 5 has no causal graph") as caught:
        explain(DIGITS, threes, analysis=analysis, target=5)
    assert "classes with a graph are 3, 8" in caught.value.why
    with np.load(MODELS / "digits.npz") as held:
        np.savez(tmp_path / "mixed.npz", x=held["x"][-30:])
    found = explain(DIGITS, tmp_path / "mixed.npz", analysis=analysis)
    assert (found.labels == UNKNOWN).all()
    assert any("has no causal graph" in note for note in found.notes)
    explained = [number for number in range(30) if found.map_of(number) is not None]
    assert explained == np.flatnonzero(np.isin(found.predicted, (3, 8))).tolist()


def test_an_image_of_another_shape_says_what_the_model_takes(analysis: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(SamplesError, match="does not fit the model's input") as caught:
        explain(DIGITS, tmp_path / "small.png", analysis=analysis)
    assert "1, 32, 32" in caught.value.where
    with pytest.raises(SamplesError, match="an input cannot be read"):
        explain(DIGITS, tmp_path / "missing.png", analysis=analysis)
    (tmp_path / "text.txt").write_text("no image")
    with pytest.raises(SamplesError, match="its kind is not known") as caught:
        explain(DIGITS, tmp_path / "text.txt", analysis=analysis)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(SamplesError, match="an image cannot be read"):
        explain(DIGITS, tmp_path / "broken.png", analysis=analysis)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamplesError, match="nothing to explain"):
        explain(DIGITS, tmp_path / "empty", analysis=analysis)


def test_files_of_something_else_are_not_replaced(analysis: Path, threes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "attributions.npz").write_bytes(b"mine")
    with pytest.raises(OutputError, match="belong to something else"):
        explain(DIGITS, threes, analysis=analysis, target=3, out=out)
    assert (out / "attributions.npz").read_bytes() == b"mine"
    explain(DIGITS, threes, analysis=analysis, target=3, out=out, force=True)
    explain(DIGITS, threes, analysis=analysis, target=3, out=out)  # its own it may


def test_pictures_of_an_earlier_run_go_and_other_files_stay(analysis: Path, threes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    explain(DIGITS, threes, analysis=analysis, target=3, out=out)
    (out / "notes.png").write_bytes(b"mine")
    with np.load(threes) as held:
        np.savez(tmp_path / "other.npz", x=held["x"][:1], y=held["y"][:1])
    explain(DIGITS, tmp_path / "other.npz", analysis=analysis, target=3, out=out)
    assert sorted(path.name for path in out.iterdir()) == ["0-other.npz_0.png", "attributions.npz", "notes.png"]


def map_of(explanation: Explanation, number: int) -> np.ndarray:
    found = explanation.map_of(number)
    assert found is not None
    return found


def table_model(tmp_path: Path) -> tuple[Path, Path]:
    """Return a model of a table whose class 0 reads features 1 and 2 alone, and data for it."""
    first = np.zeros((4, 6), np.float32)
    first[0, 1] = first[1, 2] = first[2, 4] = first[3, 5] = 1
    second = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.float32)
    onnx.save(mlp([first, second], [np.zeros(4), np.zeros(2)]), tmp_path / "table.onnx")
    x = np.random.default_rng(0).random((60, 6)).astype(np.float32)
    y = (x[:, [4, 5]].sum(axis=1) > x[:, [1, 2]].sum(axis=1)).astype(np.int64)
    np.savez(tmp_path / "table.npz", x=x, y=y)
    return tmp_path / "table.onnx", tmp_path / "table.npz"


def test_a_table_is_explained_by_feature(tmp_path: Path) -> None:
    model, data = table_model(tmp_path)
    with np.load(data) as held:
        np.savez(tmp_path / "two.npz", x=held["x"][:2], y=held["y"][:2])
    found = explain(model, tmp_path / "two.npz", source=str(data), samples=20, target=0, out=tmp_path / "out")
    values = found.map_of(0)
    assert values is not None
    assert values.shape == (6,)
    np.testing.assert_array_equal(values[[0, 3, 4, 5]], 0)
    assert (values[[1, 2]] > 0).all()
    assert len(list((tmp_path / "out").glob("[01]-*.png"))) == 2


def test_a_sequence_is_explained_place_by_place(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    kernel = b.store(np.array([[[1.0, 1.0, 1.0]], [[-1.0, -1.0, -1.0]]], np.float32))
    hidden = b.add("Relu", [b.add("Conv", ["x", kernel], pads=[1, 1])])
    pooled = b.add("ReduceMean", [hidden], axes=[2], keepdims=0)
    onnx.save(b.model(["N", 1, 40], b.add("Gemm", [pooled, b.store(np.eye(2, dtype=np.float32))])), tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(0, 0.1, (40, 1, 40)).astype(np.float32)
    x[:20, 0, 10:14] += 5
    x[20:, 0, 10:14] -= 5
    np.savez(tmp_path / "data.npz", x=x, y=np.repeat([0, 1], 20))
    found = explain(tmp_path / "m.onnx", tmp_path / "data.npz", source=str(tmp_path / "data.npz"), samples=15)
    for number in (0, 30):
        values = found.map_of(number)
        assert values is not None
        assert 9 <= int(values.argmax()) <= 14
    assert isinstance(found, Explanation)


def test_steps_of_a_sequence_are_its_places_where_a_product_keeps_them(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    weight = np.zeros((6, 2), np.float32)
    weight[0] = [1, -1]
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.store(weight)])])
    pooled = b.add("ReduceMean", [hidden], axes=[1], keepdims=0)
    onnx.save(b.model(["N", 25, 6], b.add("Gemm", [pooled, b.store(np.eye(2, dtype=np.float32))])), tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(0, 0.1, (40, 25, 6)).astype(np.float32)
    x[:20, 20, 0], x[20:, 4, 0] = 9, -9
    np.savez(tmp_path / "data.npz", x=x, y=np.repeat([0, 1], 20))
    found = explain(tmp_path / "m.onnx", tmp_path / "data.npz", source=str(tmp_path / "data.npz"), samples=15)
    for number, step in ((0, 20), (30, 4)):
        assert map_of(found, number).shape == (25,)
        assert int(map_of(found, number).argmax()) == step


def test_an_image_of_many_channels_is_an_image(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("Conv", ["x", b.weight(4, 6, 3, 3)], pads=[1, 1, 1, 1])])
    pooled = b.add("ReduceMean", [hidden], axes=[2, 3], keepdims=0)
    onnx.save(b.model(["N", 6, 16, 16], b.add("Gemm", [pooled, b.weight(2, 4)], transB=1)), tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(size=(80, 6, 16, 16)).astype(np.float32)
    scores = open_network(load_model(tmp_path / "m.onnx")).scores(x)
    y = (scores[:, 1] > np.median(scores[:, 1] - scores[:, 0]) + scores[:, 0]).astype(np.int64)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    np.savez(tmp_path / "two.npz", x=x[:2])
    source, target = str(tmp_path / "data.npz"), int(scores.argmax(axis=1)[0])
    found = explain(
        tmp_path / "m.onnx", tmp_path / "two.npz", source=source, samples=10, target=target, out=tmp_path / "out"
    )
    assert map_of(found, 0).shape == (16, 16)
    assert (tmp_path / "out" / "0-two.npz_0.png").is_file()


def test_a_column_of_pixels_is_shown_pixel_by_pixel(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    weight = np.zeros((12, 2), np.float32)
    weight[3], weight[8] = [1, -1], [-1, 1]
    flat = b.add("Flatten", ["x"], axis=1)
    onnx.save(b.model(["N", 12, 1], b.add("MatMul", [flat, b.store(weight)])), tmp_path / "m.onnx")
    x = np.random.default_rng(1).random((60, 12, 1)).astype(np.float32)
    y = (x[:, 8, 0] > x[:, 3, 0]).astype(np.int64)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    found = explain(tmp_path / "m.onnx", tmp_path / "data.npz", source=str(tmp_path / "data.npz"), samples=20, target=0)
    assert map_of(found, 0).shape == (12,)
    assert np.flatnonzero(map_of(found, 0)).tolist() == [3]


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"x": np.zeros(())}, "single number"),
        ({"x": np.zeros((2, 32, 32), np.uint8), "y": np.array(["a", "b"])}, "labels are not class indices"),
        ({"x": np.zeros((2, 32, 32), np.uint8), "y": np.array([0.4, 1.0])}, "labels are not class indices"),
        ({"x": np.zeros((2, 32, 32), np.uint8), "y": np.array([-7, 1])}, "outside the model's classes"),
        ({"x": np.zeros((2, 32, 32), np.uint8), "y": np.array([300, 1])}, "outside the model's classes"),
    ],
)
def test_arrays_that_mean_nothing_are_refused(
    arrays: dict[str, np.ndarray], named: str, analysis: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)  # type: ignore[arg-type]  # arrays by name
    with pytest.raises(SamplesError, match=named):
        explain(DIGITS, tmp_path / "odd.npz", analysis=analysis)


def test_a_damaged_analysis_does_not_fit(analysis: Path, threes: Path, tmp_path: Path) -> None:
    held = json.loads((analysis / "analysis.json").read_text())
    layer = next(layer for layer in held["graphs"][0]["layers"] if layer["name"] == "/conv2/Conv")
    del layer["nodes"][2:]
    layer["parents"] = 2
    (tmp_path / "analysis.json").write_text(json.dumps(held))
    with pytest.raises(ConfigError, match="does not fit the model"):
        explain(DIGITS, threes, analysis=tmp_path, target=3)


def test_a_layer_without_places_cannot_be_shown(tmp_path: Path) -> None:
    model, data = table_model(tmp_path)
    analysis = analyze(model, str(data), samples=20, out=tmp_path / "out", targets=[0])
    hidden = analysis.graph(0).layers[0]
    assert len(hidden.necessary)
    with pytest.raises(ConfigError, match="has no maps") as caught:
        explain(model, data, analysis=tmp_path / "out", target=0, layer=hidden.name)
    assert analysis.graph(0).layers[1].name in caught.value.remedy
