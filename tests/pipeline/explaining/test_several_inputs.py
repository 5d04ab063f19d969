"""Pages and explanations of models that take several inputs."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal import analyze, explain
from onnxcausal.errors import NothingToAnalyseError, SamplesError
from onnxcausal.pipeline.report import report

RNG = np.random.default_rng(7)
WORDS, LENGTH, WIDTH, CLASSES, SAMPLES = 20, 6, 8, 3, 120
IDS = RNG.integers(0, WORDS, (SAMPLES, LENGTH))
MASK = (RNG.random((SAMPLES, LENGTH)) < 0.7).astype(np.int64)
MASK[:, 0] = 1
TYPES = RNG.integers(0, 2, (SAMPLES, LENGTH))


def reader(folder: Path, *, by_word: bool = True) -> Path:
    """Return a model of ids, mask and types, pooled over the words of the mask, behind its first layer or above."""
    stored = {
        "words": RNG.normal(size=(WORDS, WIDTH)),
        "kinds": 0.2 * RNG.normal(size=(2, WIDTH)),
        "w1": RNG.normal(size=(WIDTH, 10)),
        "w2": RNG.normal(size=(10, CLASSES)),
    }
    ops = [
        helper.make_node("Gather", ["words", "input_ids"], ["e"]),
        helper.make_node("Gather", ["kinds", "token_type_ids"], ["k"]),
        helper.make_node("Add", ["e", "k"], ["x"]),
        helper.make_node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["m", "last"], ["m3"]),
    ]
    if by_word:
        ops += [
            helper.make_node("MatMul", ["x", "w1"], ["h"], name="fc1"),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Mul", ["r", "m3"], ["xm"]),
            helper.make_node("ReduceSum", ["xm", "one"], ["s"], keepdims=0),
        ]
    else:
        ops += [
            helper.make_node("Mul", ["x", "m3"], ["xm"]),
            helper.make_node("ReduceSum", ["xm", "one"], ["p"], keepdims=0),
            helper.make_node("MatMul", ["p", "w1"], ["h"], name="fc1"),
            helper.make_node("Relu", ["h"], ["s"]),
        ]
    ops.append(helper.make_node("MatMul", ["s", "w2"], ["z"], name="fc2"))
    values = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in stored.items()]
    values += [numpy_helper.from_array(np.array([axis]), name) for name, axis in (("last", 2), ("one", 1))]
    names = ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        ops,
        "reader",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", LENGTH]) for name in names],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", CLASSES])],
        values,
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "reader.onnx"
    )
    return folder / "reader.onnx"


def save(path: Path, count: int, mask: np.ndarray, y: np.ndarray | None = None) -> None:
    some = slice(0, count)
    if y is None:
        np.savez(path, input_ids=IDS[some], attention_mask=mask[some], token_type_ids=TYPES[some])
    else:
        np.savez(path, input_ids=IDS[some], attention_mask=mask[some], token_type_ids=TYPES[some], y=y[some])


def prepared(folder: Path, *, by_word: bool = True) -> np.ndarray:
    """Write model, data and analysis; return the classes."""
    model = reader(folder, by_word=by_word)
    feeds = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": TYPES}
    y = ort.InferenceSession(model).run(None, feeds)[0].argmax(axis=1)
    save(folder / "data.npz", SAMPLES, MASK, y)
    save(folder / "some.npz", 5, MASK)
    analyze(model, folder / "data.npz", samples=15, out=folder / "out")
    return np.asarray(y)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepared(tmp_path)
    return tmp_path


@pytest.mark.parametrize("saved", [True, False])
def test_inputs_of_a_file_are_explained_word_by_word(tmp_path: Path, *, saved: bool) -> None:
    y = prepared(tmp_path)
    model, some = tmp_path / "reader.onnx", tmp_path / "some.npz"
    if saved:
        found = explain(model, some, analysis=tmp_path / "out")
    else:
        found = explain(model, some, source=str(tmp_path / "data.npz"), samples=15)
    np.testing.assert_array_equal(found.predicted, y[:5])
    assert found.names == tuple(f"some.npz[{number}]" for number in range(5))
    assert found.x.shape == (5, 3 * LENGTH)
    assert found.classes
    for held in found.classes:
        assert held.maps.shape[1:] == (LENGTH,)
        assert np.isfinite(held.maps).all()


def test_a_model_whose_layers_see_no_single_word_has_no_map(tmp_path: Path) -> None:
    prepared(tmp_path, by_word=False)
    with pytest.raises(NothingToAnalyseError, match="no layer of the causal graph can be shown"):
        explain(tmp_path / "reader.onnx", tmp_path / "some.npz", analysis=tmp_path / "out")


def test_a_page_holds_the_data_to_what_was_analysed(folder: Path) -> None:
    assert json.loads((folder / "out/analysis.json").read_text())["inputs"] == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
    ]
    assert report(folder / "out", data=folder / "data.npz").path.exists()
    with np.load(folder / "data.npz") as data:
        save(folder / "other.npz", SAMPLES, 1 - MASK, data["y"])
    with pytest.raises(SamplesError, match="other data than was analysed"):
        report(folder / "out", data=folder / "other.npz", force=True)


def test_what_fills_one_input_alone_is_refused(folder: Path) -> None:
    np.savez(folder / "one.npz", input_ids=IDS[:2])
    with pytest.raises(SamplesError, match="nothing for the input 'attention_mask'"):
        explain(folder / "reader.onnx", folder / "one.npz", analysis=folder / "out")
    (folder / "image.png").write_bytes(b"")
    with pytest.raises(SamplesError, match="cannot be read"):
        explain(folder / "reader.onnx", folder / "image.png", analysis=folder / "out")
    np.savez(folder / "longer.npz", input_ids=IDS[:2], attention_mask=MASK[:2], token_type_ids=np.c_[TYPES, TYPES][:2])
    with pytest.raises(SamplesError, match="different shapes"):
        explain(folder / "reader.onnx", [folder / "some.npz", folder / "longer.npz"], analysis=folder / "out")
