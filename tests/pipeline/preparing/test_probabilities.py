"""Scores that are probabilities, and decide by themselves, are decided at 0.5, whatever op made them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit

from onnxcausal import Machine, analyze
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError

RNG = np.random.default_rng(0)
FEATURES, HIDDEN = 6, 10
FIRST, SECOND = RNG.normal(size=(FEATURES, HIDDEN)), RNG.normal(size=(HIDDEN, 3))
X = RNG.normal(size=(400, FEATURES)).astype(np.float32)
SCORES = np.maximum(X @ FIRST, 0) @ SECOND
BIAS = -np.median(SCORES, axis=0)
SCORES = SCORES + BIAS
TRUTH = (SCORES + RNG.normal(0, 1, SCORES.shape) > 0).astype(np.int64)
HERE = Machine.of(limits="none")


def op(kind: str, given: list[str], made: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, given, [made], name=f"/{made}", **attributes)  # type: ignore[arg-type]


def saved(place: Path, columns: list[int], *head: onnx.NodeProto, sign: float = 1.0) -> Path:
    """Save a model whose head makes `y` of the scores `z` of some columns."""
    held = {
        "w1": FIRST,
        "w2": sign * SECOND[:, columns],
        "b2": sign * BIAS[columns],
        "one": 1.0,
        "low": 1e-7,
        "high": 1 - 1e-7,
        "half": 0.5,
    }
    stored = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in held.items()]
    ops = [op("MatMul", ["x", "w1"], "h"), op("Relu", ["h"], "a"), op("Gemm", ["a", "w2", "b2"], "z"), *head]
    value = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", len(columns)])]
    graph = helper.make_graph(ops, "probabilities", value, made, stored)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, place / "model.onnx")
    return place / "model.onnx"


def right(analysis: Analysis) -> list[float]:
    return [graph.correct / graph.examined for graph in analysis.graphs]


HEADS = {
    "sigmoid": [op("Sigmoid", ["z"], "y")],
    "clipped": [op("Sigmoid", ["z"], "s"), op("Clip", ["s", "low", "high"], "y")],
    "spelled out": [
        op("Neg", ["z"], "m"),
        op("Exp", ["m"], "e"),
        op("Add", ["e", "one"], "q"),
        op("Reciprocal", ["q"], "y"),
    ],
    "mean": [op("Sigmoid", ["z"], "s"), op("Sigmoid", ["z"], "t"), op("Mean", ["s", "t"], "y")],
    "hard": [op("HardSigmoid", ["z"], "y")],
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_single_probability_decides_between_two_classes_at_a_half(head: list[onnx.NodeProto], tmp_path: Path) -> None:
    labels = TRUTH[:, 0]
    found = analyze(saved(tmp_path, [0], *head), (X, labels), samples=400, machine=HERE)
    assert found.settings.task is Task.BINARY
    for graph in found.graphs:
        truly = ((SCORES[:, 0] > 0) == labels)[labels == graph.target]
        assert graph.examined == len(truly)
        assert graph.correct == truly.sum()


def test_effects_are_those_on_the_probability(tmp_path: Path) -> None:
    found = analyze(saved(tmp_path, [0], *HEADS["mean"]), (X, TRUTH[:, 0]), samples=30, machine=HERE)
    graph = found.graph(1)
    np.testing.assert_allclose(graph.observed, expit(SCORES[graph.samples, 0]), atol=1e-5)
    assert any("decided at 0.5" in note for note in found.notes)
    assert not any("by its sign" in note for note in found.notes)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_each_of_several_probabilities_is_decided_at_a_half(sign: float, tmp_path: Path) -> None:
    path = saved(tmp_path, [0, 1, 2], *HEADS["mean"], sign=sign)
    found = analyze(path, (X, TRUTH), samples=10, targets=[0, 1, 2], machine=HERE)
    assert found.settings.task is Task.MULTILABEL
    skipped = {entry.target: entry for entry in found.skipped}
    for target in range(3):
        truly = (sign * SCORES[:, target] > 0)[TRUTH[:, target] == 1]
        if target in skipped:
            assert truly.mean() < 0.2
            continue
        graph = found.graph(target)
        assert abs(graph.correct / graph.examined - truly.mean()) < 0.2
        np.testing.assert_allclose(graph.observed, expit(sign * SCORES[graph.samples, target]) - 0.5, atol=1e-5)


def test_several_that_compete_stay_as_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path, [0, 1, 2], *HEADS["mean"])
    found = analyze(path, (X, SCORES.argmax(axis=1)), samples=10, machine=HERE)
    assert right(found) == [1.0, 1.0, 1.0]
    graph = found.graph(0)
    np.testing.assert_allclose(graph.observed, expit(SCORES[graph.samples, 0]), atol=1e-5)


def test_a_bound_that_turns_the_decision_is_refused(tmp_path: Path) -> None:
    head = [op("Sigmoid", ["z"], "s"), op("Clip", ["s", "high", "one"], "y")]
    with pytest.raises(ModelError, match="decides otherwise"):
        analyze(saved(tmp_path, [0], *head), (X, TRUTH[:, 0]), samples=30, machine=HERE)
