"""Scores behind probabilities that were moved, selected from, or spelled out in ops."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import Network, cut_model, open_network
from tests.support.networks import Builder
from tests.support.opened import Inputs

RNG = np.random.default_rng(2)
X: Inputs = RNG.normal(size=(40, 5, 6)).astype(np.float32)
CLASSES, PLACES = 3, 6


def number(b: Builder, value: float) -> str:
    return b.store(np.array(value, np.float32))


def sequence(head: Callable[[Builder, str], str], rank: int = 3) -> Model:
    """Return a model of `[N, 5, 6]`, whose scores `[N, 3, 6]` go through a head."""
    b = Builder(np.random.default_rng(1))
    hidden = b.add("Relu", [b.add("Conv", ["x", b.weight(8, 5, 1)])])
    scores = b.add("Conv", [hidden, b.weight(CLASSES, 8, 1)])
    return Model("in_code.onnx", b.model(["N", 5, PLACES], head(b, scores), output_rank=rank), "0" * 64)


def tensor(model: Model, name: str, x: Inputs = X) -> Inputs:
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    proto.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    found = ort.InferenceSession(proto.SerializeToString()).run([name], {"x": x})[0]
    return np.asarray(found, np.float32)


def plain(model: Model) -> Inputs:
    """Return the scores `[N, 3, 6]` before the head."""
    return tensor(model, str([op for op in model.proto.graph.node if op.op_type == "Conv"][-1].output[0]))


def softmax(b: Builder, x: str) -> str:
    return b.add("Softmax", [x], axis=1)


def sigmoid(b: Builder, x: str) -> str:
    return b.add("Sigmoid", [x])


HEADS: dict[str, tuple[Callable[[Builder, str], str], int]] = {
    "softmax, places before classes": (lambda b, x: b.add("Transpose", [softmax(b, x)], perm=[0, 2, 1]), 2),
    "softmax over the last axis": (
        lambda b, x: b.add("Softmax", [b.add("Transpose", [x], perm=[0, 2, 1])], axis=-1),
        2,
    ),
    "sigmoid, an axis of one": (
        lambda b, x: b.add(
            "Reshape", [sigmoid(b, b.add("Unsqueeze", [x, b.integers(1)])), b.integers(-1, CLASSES, PLACES)]
        ),
        1,
    ),
    "squeezed": (
        lambda b, x: b.add("Squeeze", [softmax(b, b.add("Unsqueeze", [x, b.integers(3)])), b.integers(3)]),
        1,
    ),
    "the last places": (
        lambda b, x: b.add("Slice", [softmax(b, x), b.integers(2), b.integers(PLACES), b.integers(2)]),
        1,
    ),
    "two of the classes": (lambda b, x: b.add("Gather", [softmax(b, x), b.integers(2, 0)], axis=1), 1),
}


def opened(model: Model, axis: int, reduce: Reduction = Reduction.MAX) -> Network:
    return open_network(model, Reading(class_axis=axis, reduce=reduce))


@pytest.mark.parametrize("what", HEADS)
def test_axes_are_those_of_the_output_and_scores_those_before_the_squashing(what: str) -> None:
    head, axis = HEADS[what]
    model = sequence(head)
    network = opened(model, axis)
    assert network.outcome.squashed_by
    moved = plain(model)
    if "before" in what or "last axis" in what:
        moved = moved.transpose(0, 2, 1)
    elif what == "the last places":
        moved = moved[:, :, 2:]
    elif what == "two of the classes":
        moved = moved[:, [2, 0]]
    expected = moved.max(axis=3 - axis)
    np.testing.assert_allclose(network.scores(X), expected, atol=1e-6)
    assert network.outcome.squashed_by.split()[0] in ("Softmax", "Sigmoid")


def test_flattened_probabilities_are_as_many_scores() -> None:
    model = sequence(lambda b, x: b.add("Flatten", [sigmoid(b, x)], axis=1), 2)
    np.testing.assert_allclose(open_network(model).scores(X), plain(model).reshape(len(X), -1), atol=1e-6)


def test_one_place_of_the_output_has_the_scores_of_that_place() -> None:
    model = sequence(lambda b, x: b.add("Gather", [softmax(b, x), b.store(np.array(0))], axis=2), 2)
    np.testing.assert_allclose(open_network(model).scores(X), plain(model)[:, :, 0], atol=1e-6)


def test_one_class_of_a_softmax_alone_keeps_its_probability() -> None:
    model = sequence(lambda b, x: b.add("Gather", [softmax(b, x), b.integers(1)], axis=1))
    cut = cut_model(model)
    assert not cut.outcome.squashed_by
    assert cut.outcome.tensor == model.proto.graph.output[0].name


def test_a_shape_computed_from_the_probabilities_is_followed() -> None:
    def head(b: Builder, x: str) -> str:
        squashed = sigmoid(b, x)
        batch = b.add("Slice", [b.add("Shape", [squashed]), b.integers(0), b.integers(1)])
        return b.add("Reshape", [squashed, b.add("Concat", [batch, b.integers(CLASSES * PLACES)], axis=0)])

    model = sequence(head, 2)
    np.testing.assert_allclose(open_network(model).scores(X), plain(model).reshape(len(X), -1), atol=1e-6)


def exponentials(b: Builder, x: str, *, lowered: bool) -> str:
    return b.add("Exp", [b.add("Sub", [x, b.add("ReduceMax", [x], axes=[1])]) if lowered else x])


def quotient(b: Builder, x: str, *, lowered: bool = True) -> str:
    parts = exponentials(b, x, lowered=lowered)
    return b.add("Div", [parts, b.add("ReduceSum", [parts, b.integers(1)])])


def by_reciprocal(b: Builder, x: str) -> str:
    parts = exponentials(b, x, lowered=True)
    return b.add("Mul", [b.add("Reciprocal", [b.add("ReduceSum", [parts, b.integers(1)])]), parts])


def log_spelled(b: Builder, x: str) -> str:
    lowered = b.add("Sub", [x, b.add("ReduceMax", [x], axes=[1])])
    return b.add("Sub", [lowered, b.add("Log", [b.add("ReduceSum", [b.add("Exp", [lowered]), b.integers(1)])])])


def sigmoid_spelled(b: Builder, x: str) -> str:
    one = number(b, 1.0)
    return b.add("Div", [one, b.add("Add", [b.add("Exp", [b.add("Neg", [x])]), one])])


SPELLED: dict[str, Callable[[Builder, str], str]] = {
    "quotient": quotient,
    "quotient without the maximum": lambda b, x: quotient(b, x, lowered=False),
    "product with the reciprocal": by_reciprocal,
    "normalised": lambda b, x: b.add("LpNormalization", [exponentials(b, x, lowered=True)], axis=1, p=1),
    "logarithms": log_spelled,
    "logarithm of the sum": lambda b, x: b.add("Sub", [x, b.add("ReduceLogSumExp", [x], axes=[1])]),
    "sigmoid": sigmoid_spelled,
    "sigmoid by reciprocal": lambda b, x: b.add(
        "Reciprocal", [b.add("Add", [number(b, 1.0), b.add("Exp", [b.add("Mul", [x, number(b, -1.0)])])])]
    ),
}


@pytest.mark.parametrize("what", SPELLED)
def test_a_squashing_spelled_out_is_cut_off(what: str) -> None:
    model = sequence(SPELLED[what])
    network = opened(model, 1)
    assert "spelled out" in network.outcome.squashed_by
    np.testing.assert_allclose(network.scores(X), plain(model).max(axis=2), atol=1e-6)


def test_a_quotient_of_other_numbers_is_no_softmax() -> None:
    def shares(b: Builder, x: str) -> str:
        parts = b.add("Softplus", [x])
        return b.add("Div", [parts, b.add("ReduceSum", [parts, b.integers(1)])])

    def of_others(b: Builder, x: str) -> str:
        parts = exponentials(b, x, lowered=True)
        return b.add("Div", [parts, b.add("ReduceSum", [b.add("Mul", [parts, parts]), b.integers(1)])])

    for head in (shares, of_others):
        model = sequence(head)
        assert cut_model(model).outcome.tensor == model.proto.graph.output[0].name


def test_a_maximum_along_another_axis_is_no_common_shift() -> None:
    def head(b: Builder, x: str) -> str:
        parts = b.add("Exp", [b.add("Sub", [x, b.add("ReduceMax", [x], axes=[2])])])
        return b.add("Div", [parts, b.add("ReduceSum", [parts, b.integers(1)])])

    model = sequence(head)
    network = opened(model, 1)
    assert "spelled out" in network.outcome.squashed_by
    held = plain(model)
    shifted = held - held.max(axis=2, keepdims=True)
    np.testing.assert_allclose(network.scores(X), shifted.max(axis=2), atol=1e-6)
    mean = opened(model, 1, Reduction.MEAN).scores(X)
    np.testing.assert_allclose(mean, shifted.mean(axis=2), atol=1e-6)
    probabilities = tensor(model, model.proto.graph.output[0].name)
    np.testing.assert_array_equal(shifted.argmax(axis=1), probabilities.argmax(axis=1))
