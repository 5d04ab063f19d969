"""Masks that name nodes as an analysis has them."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from onnxcausal import apply
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.filesystem.reading import read_plain
from onnxcausal.onnxgraph.file.model import load_model
from tests.support.networks import Builder

RNG = np.random.default_rng(4)
X = RNG.normal(size=(5, 2, 4, 4)).astype(np.float32)
PLACES = 16
"""Features behind the flatten that a channel has."""


def convolutional(folder: Path, *, flattened: str = "Flatten") -> Path:
    """Return a model in which three maps of 4 x 4 are flattened into a layer of 48 features and 3 nodes."""
    b = Builder(np.random.default_rng(1))
    maps = b.add("Relu", [b.add("Conv", ["x", b.weight(3, 2, 1, 1)])])
    if flattened == "Flatten":
        flat = b.add("Flatten", [maps], axis=1)
    elif flattened == "Reshape":
        flat = b.add("Reshape", [maps, b.integers(-1, 3 * PLACES)])
    else:
        last = b.add("Transpose", [maps], perm=[0, 2, 3, 1])
        flat = b.add("Reshape", [last, b.integers(-1, 3 * PLACES)])
    onnx.save(b.model(["N", 2, 4, 4], b.add("Gemm", [flat, b.weight(3 * PLACES, 4)])), folder / "model.onnx")
    return folder / "model.onnx"


def masks(model: Path, *entries: dict[str, object]) -> Path:
    held = load_model(model)
    place = model.with_name("masks.json")
    content = {
        "format": "onnxcausal-masks/1",
        "model": {"file": held.name, "sha256": held.sha256},
        "masks": [{"layer": layer_of(model), "beta": 0.0} | entry for entry in entries],
    }
    place.write_text(json.dumps(content))
    return place


def layer_of(model: Path) -> str:
    (name,) = [op.name for op in onnx.load(model).graph.node if op.op_type == "Gemm"]
    return str(name)


def run(path: Path) -> np.ndarray:
    return np.asarray(ort.InferenceSession(path).run(None, {"x": X})[0])


@pytest.mark.parametrize("flattened", ["Flatten", "Reshape", "channels last"])
@pytest.mark.parametrize("form", [Form.MASKED, Form.FOLDED, Form.PRUNED])
def test_a_node_is_all_of_its_features(tmp_path: Path, flattened: str, form: Form) -> None:
    model = convolutional(tmp_path, flattened=flattened)
    applied = apply(model, masks(model, {"nodes": [1]}), tmp_path / "out.onnx", form=form)
    assert applied.notes == ()
    edited = onnx.load(model)
    (weight,) = [held for held in edited.graph.initializer if list(held.dims) == [3 * PLACES, 4]]
    values = numpy_helper.to_array(weight).copy()
    channels = np.arange(3 * PLACES) % 3 if flattened == "channels last" else np.arange(3 * PLACES) // PLACES
    values[channels == 1] = 0
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(edited, tmp_path / "edited.onnx")
    np.testing.assert_allclose(run(tmp_path / "out.onnx"), run(tmp_path / "edited.onnx"), atol=1e-6)


def test_a_part_of_a_node_is_told(tmp_path: Path) -> None:
    model = convolutional(tmp_path)
    (note,) = apply(model, masks(model, {"parents": [3]}), tmp_path / "out.onnx").notes
    assert "1 of 16 features of node 0" in note
    whole = list(range(PLACES))
    assert apply(model, masks(model, {"parents": whole}), tmp_path / "out.onnx", force=True).notes == ()
    in_two = masks(model, {"parents": whole[:5]}, {"parents": whole[5:]})
    assert apply(model, in_two, tmp_path / "out.onnx", force=True).notes == ()
    (note,) = apply(
        model, masks(model, {"parents": whole[:5]}, {"parents": whole[5:], "beta": 0.5}), tmp_path / "b.onnx"
    ).notes
    assert "features of node 0" in note


def test_nodes_and_the_features_they_are_make_the_same_file(tmp_path: Path) -> None:
    model = convolutional(tmp_path)
    apply(model, masks(model, {"nodes": [2]}), tmp_path / "nodes.onnx")
    apply(model, masks(model, {"parents": list(range(32, 48))}), tmp_path / "parents.onnx")
    assert read_plain(tmp_path / "nodes.onnx", 2**20) == read_plain(tmp_path / "parents.onnx", 2**20)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"nodes": [3]}, "no node 3"),
        ({"nodes": [0], "parents": [0]}, "cannot be read"),
        ({}, "cannot be read"),
        ({"nodes": []}, "cannot be read"),
        ({"nodes": [-1]}, "cannot be read"),
        ({"nodes": [0], "layer": "other"}, "other"),
    ],
)
def test_what_is_no_node_is_refused(tmp_path: Path, entry: dict[str, object], error: str) -> None:
    model = convolutional(tmp_path)
    with pytest.raises(ConfigError, match=error):
        apply(model, masks(model, entry), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("entry", [{"nodes": [0], "beta": 0.5}, {"nodes": [0], "children": [1]}])
def test_a_pruned_file_from_which_nothing_goes_is_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    model = convolutional(tmp_path)
    with pytest.raises(ModelError, match="no channel can be removed"):
        apply(model, masks(model, entry), tmp_path / "out.onnx", form=Form.PRUNED)
    assert not (tmp_path / "out.onnx").exists()
