"""Recurrent states, whose samples stand along another axis than the first: held to the model itself."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import ModelError, OnnxCausalError

RNG = np.random.default_rng(0)
SAMPLES, WIDTH, HIDDEN, CLASSES = 90, 5, 6, 3
X = RNG.normal(size=(SAMPLES, WIDTH)).astype(np.float32)
STATE = RNG.normal(size=(2, SAMPLES, HIDDEN)).astype(np.float32)
WEIGHTS = {
    "wx": RNG.normal(size=(WIDTH, HIDDEN)),
    "wh": RNG.normal(size=(HIDDEN, HIDDEN)),
    "wl": RNG.normal(size=(HIDDEN, HIDDEN)),
    "wf": RNG.normal(size=(HIDDEN, CLASSES)),
}


def recurrent(folder: Path, axis: str | None, *, names: tuple[str, str] = ("state", "state_out")) -> Path:
    """Return a model of `x [batch, 5]` and a state `[2, batch, 6]`, the last op of which is a layer."""
    state, after = names
    ops = [
        helper.make_node("Gather", [state, "zero"], ["below"], axis=0),
        helper.make_node("Gather", [state, "one"], ["above"], axis=0),
        helper.make_node("MatMul", ["x", "wx"], ["a"], name="input"),
        helper.make_node("MatMul", ["below", "wh"], ["b"], name="recurrent"),
        helper.make_node("Add", ["a", "b"], ["ab"]),
        helper.make_node("Tanh", ["ab"], ["h"]),
        helper.make_node("MatMul", ["above", "wl"], ["c"], name="second"),
        helper.make_node("Add", ["h", "c"], ["hc"]),
        helper.make_node("Tanh", ["hc"], ["h2"]),
        helper.make_node("MatMul", ["h2", "wf"], ["scores"], name="head"),
        helper.make_node("Unsqueeze", ["h", "first"], ["s1"]),
        helper.make_node("Unsqueeze", ["h2", "first"], ["s2"]),
        helper.make_node("Concat", ["s1", "s2"], [after], axis=0),
    ]
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in WEIGHTS.items()]
    numbers = {"zero": np.array(0), "one": np.array(1), "first": np.array([0])}
    graph = helper.make_graph(
        ops,
        "recurrent",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH]),
            helper.make_tensor_value_info(state, TensorProto.FLOAT, [2, axis, HIDDEN]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES]),
            helper.make_tensor_value_info(after, TensorProto.FLOAT, [2, axis, HIDDEN]),
        ],
        [*stored, *(numpy_helper.from_array(value, name) for name, value in numbers.items())],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, folder / "recurrent.onnx")
    return folder / "recurrent.onnx"


def scores(path: Path, state: np.ndarray, name: str = "state") -> np.ndarray:
    return np.asarray(ort.InferenceSession(path).run(["scores"], {"x": X, name: state})[0])


def held(analysis: Analysis, expected: np.ndarray) -> None:
    for graph in analysis.graphs:
        assert graph.correct == graph.examined
        np.testing.assert_allclose(graph.observed, expected[graph.samples, graph.target], atol=1e-5)


@pytest.mark.parametrize("axis", ["batch", None])
@pytest.mark.parametrize("first", ["samples", "layers"])
def test_a_state_is_given_with_the_data(tmp_path: Path, axis: str | None, first: str) -> None:
    model = recurrent(tmp_path, axis)
    expected = scores(model, STATE)
    state = STATE if first == "layers" else STATE.transpose(1, 0, 2)
    np.savez(tmp_path / "data.npz", x=X, state=state, y=expected.argmax(axis=1))
    held(analyze(model, tmp_path / "data.npz", samples=20), expected)
    held(analyze(model, ({"x": X, "state": state}, expected.argmax(axis=1)), samples=20), expected)


@pytest.mark.parametrize("axis", ["batch", "N", None])
def test_a_state_of_one_value_has_a_row_for_each_sample(tmp_path: Path, axis: str | None) -> None:
    model = recurrent(tmp_path, axis)
    expected = scores(model, np.full_like(STATE, 0.25))
    held(analyze(model, (X, expected.argmax(axis=1)), samples=20, fixed={"state": 0.25}), expected)


def test_an_open_axis_that_is_not_the_samples_still_has_no_size(tmp_path: Path) -> None:
    model = recurrent(tmp_path, "steps")
    with pytest.raises(ModelError, match="the shape of an input with a fixed value is not known"):
        analyze(model, (X, np.arange(SAMPLES) % 3), samples=20, fixed={"state": 0.0})


@pytest.mark.parametrize(
    ("names", "is_told"),
    [
        (("state", "stateN"), True),
        (("h0", "hn"), True),
        (("hidden_in", "hidden_out"), True),
        (("mask", "other"), False),
    ],
)
def test_what_is_handed_on_is_no_decision(tmp_path: Path, names: tuple[str, str], *, is_told: bool) -> None:
    model = recurrent(tmp_path, "batch", names=names)
    expected = scores(model, STATE, names[0])
    data = ({"x": X, names[0]: STATE}, expected.argmax(axis=1))
    if is_told:
        held(analyze(model, data, samples=20), expected)
        return
    with pytest.raises(OnnxCausalError, match="several outputs"):
        analyze(model, data, samples=20)
