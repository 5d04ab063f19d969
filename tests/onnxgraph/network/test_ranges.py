"""Ranges of tensors hold whatever the samples hold, and are known where probabilities are made."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.ranges import ANYTHING, range_of, stays_within_unit

OPSET = 17
NUMBERS = {"one": 1.0, "half": 0.5, "two": 2.0, "low": 1e-7, "high": 1 - 1e-7, "less": -3.0, "nan": float("nan")}


def op(kind: str, given: Sequence[str], made: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, list(given), [made], **attributes)  # type: ignore[arg-type]


def model(*ops: onnx.NodeProto) -> onnx.ModelProto:
    """Return a model of `x [n, 4]` whose last op makes `y`."""
    stored = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in NUMBERS.items()]
    stored += [
        numpy_helper.from_array(np.array([1], np.int64), "index"),
        numpy_helper.from_array(np.array([-1, 2, 2], np.int64), "shape"),
    ]
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(list(ops), "ranges", taken, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


SIGMOID = op("Sigmoid", ["x"], "s")
PROBABILITIES = {
    "sigmoid": [op("Sigmoid", ["x"], "y")],
    "clipped": [SIGMOID, op("Clip", ["s", "low", "high"], "y")],
    "clipped from anything": [op("Clip", ["x", "low", "one"], "y")],
    "spelled out": [
        op("Neg", ["x"], "a"),
        op("Exp", ["a"], "b"),
        op("Add", ["b", "one"], "c"),
        op("Reciprocal", ["c"], "y"),
    ],
    "divided": [
        op("Neg", ["x"], "a"),
        op("Exp", ["a"], "b"),
        op("Add", ["one", "b"], "c"),
        op("Div", ["one", "c"], "y"),
    ],
    "by tanh": [op("Tanh", ["x"], "a"), op("Mul", ["a", "half"], "b"), op("Add", ["b", "half"], "y")],
    "hard sigmoid": [op("HardSigmoid", ["x"], "y", alpha=0.7, beta=0.1)],
    "mean of two": [SIGMOID, op("HardSigmoid", ["x"], "t"), op("Mean", ["s", "t"], "y")],
    "product of two": [SIGMOID, op("HardSigmoid", ["x"], "t"), op("Mul", ["s", "t"], "y")],
    "half a sum": [SIGMOID, op("Sigmoid", ["x"], "t"), op("Add", ["s", "t"], "u"), op("Div", ["u", "two"], "y")],
    "the other class": [SIGMOID, op("Sub", ["one", "s"], "y")],
    "side by side": [SIGMOID, op("HardSigmoid", ["x"], "t"), op("Concat", ["s", "t"], "y", axis=1)],
    "column of a softmax": [op("Softmax", ["x"], "s", axis=1), op("Gather", ["s", "index"], "y", axis=1)],
    "moved": [SIGMOID, op("Reshape", ["s", "shape"], "a"), op("Transpose", ["a"], "y", perm=[0, 2, 1])],
    "reduced": [SIGMOID, op("ReduceMax", ["s"], "y", axes=[1])],
    "chosen": [SIGMOID, op("Greater", ["x", "half"], "a"), op("Where", ["a", "s", "half"], "y")],
    "absolute": [op("Sin", ["x"], "a"), op("Abs", ["a"], "y")],
    "largest of two": [SIGMOID, op("Max", ["s", "half"], "y")],
    "smallest": [op("Relu", ["x"], "a"), op("Min", ["a", "one"], "y")],
}
OTHERS = {
    "a score": [op("Neg", ["x"], "y")],
    "a value that is not negative": [op("Relu", ["x"], "y")],
    "twice a probability": [SIGMOID, op("Mul", ["s", "two"], "y")],
    "from -1 to 1": [op("Tanh", ["x"], "y")],
    "less a half": [SIGMOID, op("Sub", ["s", "half"], "y")],
    "clipped wider": [op("Clip", ["x", "less", "one"], "y")],
    "clipped below alone": [op("Clip", ["x", "low"], "y")],
    "a sum": [SIGMOID, op("Sum", ["s", "s"], "y")],
    "by what may be 0": [SIGMOID, op("Div", ["half", "s"], "y")],
    "by what is no number": [SIGMOID, op("Mul", ["s", "nan"], "y")],
    "dropped in training": [SIGMOID, op("Dropout", ["s", "half", "mode"], "y")],
    "of an unknown op": [SIGMOID, op("CumSum", ["s", "index"], "y")],
}


@pytest.mark.parametrize("ops", PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_are_known_by_what_makes_them(ops: list[onnx.NodeProto]) -> None:
    assert stays_within_unit(index_graph(model(*ops), OPSET), "y")


@pytest.mark.parametrize("ops", OTHERS.values(), ids=OTHERS)
def test_nothing_else_is_taken_for_one(ops: list[onnx.NodeProto]) -> None:
    assert not stays_within_unit(index_graph(model(*ops), OPSET), "y")


@pytest.mark.parametrize("ops", [*PROBABILITIES.values(), *list(OTHERS.values())[:-4]])
@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
def test_no_value_leaves_its_range(ops: list[onnx.NodeProto], scale: float) -> None:
    found = model(*ops)
    x = (np.random.default_rng(0).normal(size=(50, 4)) * scale).astype(np.float32)
    (y,) = ort.InferenceSession(found.SerializeToString()).run(["y"], {"x": x})
    low, high = range_of(index_graph(found, OPSET), "y")
    assert low - 1e-6 <= y.min()
    assert y.max() <= high + 1e-6


def test_what_is_too_deep_or_an_input_may_hold_anything() -> None:
    chain = [op("Sigmoid", ["x"], "a0"), *(op("Identity", [f"a{k}"], f"a{k + 1}") for k in range(100))]
    index = index_graph(model(*chain, op("Identity", ["a100"], "y")), OPSET)
    assert range_of(index, "a3") == (0.0, 1.0)
    assert range_of(index, "y") == ANYTHING
    assert range_of(index, "x") == ANYTHING


def test_what_many_ops_share_is_looked_at_once() -> None:
    ops = [helper.make_node("Add", [f"a{number}"] * 2, [f"a{number + 1}"]) for number in range(60)]
    ops = [helper.make_node("Sigmoid", ["x"], ["a0"]), *ops]
    graph = helper.make_graph(ops, "doubled", [], [helper.make_tensor_value_info("a60", TensorProto.FLOAT, None)])
    index = index_graph(helper.make_model(graph), OPSET)
    assert range_of(index, "a60") == (0.0, 2.0**60)
