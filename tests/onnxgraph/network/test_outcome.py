"""Finding the class scores."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.network.outcome import find_outcome
from tests.support.assets import model_path, needs_assets
from tests.support.networks import Builder


def with_tail(tail: Callable[[Builder, str], list[str]]) -> tuple[Model, str]:
    """Return a model whose class scores `[N, 3]` pass through a tail, and the name of the scores."""
    builder = Builder(np.random.default_rng(0))
    scores = builder.add("Gemm", ["x", builder.weight(6, 3)])
    outputs = tail(builder, scores)
    model = builder.model(["N", 6], outputs[0])
    for output in outputs[1:]:
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.UNDEFINED, None))
    return Model("in_code.onnx", model, "0" * 64), scores


def softmax_then_reshape(b: Builder, x: str) -> list[str]:
    return [b.add("Reshape", [b.add("Softmax", [x], axis=1), b.integers(0, 3)])]


TAILS: dict[str, Callable[[Builder, str], list[str]]] = {
    "nothing": lambda b, x: [b.add("Identity", [x])],
    "softmax": lambda b, x: [b.add("Softmax", [x], axis=1)],
    "log-softmax": lambda b, x: [b.add("LogSoftmax", [x], axis=1)],
    "sigmoid": lambda b, x: [b.add("Sigmoid", [x])],
    "cast": lambda b, x: [b.add("Cast", [b.add("Softmax", [x])], to=TensorProto.FLOAT)],
    "reshaped probability": softmax_then_reshape,
    "label beside scores": lambda b, x: [b.add("Softmax", [x]), b.add("ArgMax", [x], axis=1)],
    "scores twice": lambda b, x: [b.add("Softmax", [x]), b.add("Identity", [x])],
}


@pytest.mark.parametrize("what", TAILS)
def test_the_scores_before_the_tail_are_the_outcome(what: str) -> None:
    model, scores = with_tail(TAILS[what])
    assert find_outcome(model).tensor == scores


@needs_assets
@pytest.mark.parametrize("name", ["iris_skl_mlp", "iris_skl_mlp_zipmap", "digits_skl_mlp"])
def test_the_scores_of_scikit_learn_models_are_found_behind_label_and_zipmap(name: str) -> None:
    model = load_model(model_path(name))
    network = open_network(model)
    assert network.outcome.tensor == "add_result2"
    x = np.random.default_rng(0).normal(size=(4, network.spec.shape[1] or 1)).astype(np.float32)
    assert network.scores(x).shape == (4, 10 if "digits" in name else 3)


def test_a_reshape_before_the_softmax_belongs_to_the_scores() -> None:
    model, _ = with_tail(lambda b, x: [b.add("Softmax", [b.add("Reshape", [x, b.integers(0, 3)])])])
    assert find_outcome(model).tensor.startswith("reshape")


def test_several_outputs_are_refused_with_the_list_and_one_may_be_named() -> None:
    model, scores = with_tail(lambda b, x: [b.add("Softmax", [x]), b.add("Relu", [x])])
    first, second = (value.name for value in model.proto.graph.output)
    with pytest.raises(ModelError, match="several outputs") as caught:
        find_outcome(model)
    assert first in caught.value.why
    assert second in caught.value.why
    assert find_outcome(model, first).tensor == scores
    assert find_outcome(model, second).tensor == second


def test_a_named_inner_tensor_is_taken_as_it_is() -> None:
    model, _ = with_tail(lambda b, x: [b.add("Identity", [b.add("Softmax", [x])])])
    inner = model.proto.graph.node[1].output[0]
    assert find_outcome(model, inner).tensor == inner


def test_an_unknown_tensor_has_a_suggestion() -> None:
    model, scores = with_tail(TAILS["softmax"])
    with pytest.raises(ConfigError) as caught:
        find_outcome(model, scores[:-1] + "9")
    assert scores in caught.value.remedy


def test_a_model_of_labels_only_is_refused() -> None:
    builder = Builder(np.random.default_rng(0))
    label = builder.add("ArgMax", [builder.add("Gemm", ["x", builder.weight(6, 3)])], axis=1, keepdims=0)
    proto = builder.model(["N", 6], builder.add("Identity", [label]), output_rank=1, output_type=TensorProto.INT64)
    model = Model("in_code.onnx", proto, "0" * 64)
    with pytest.raises(ModelError, match="labels only"):
        find_outcome(model)


def test_scores_at_many_places_are_refused() -> None:
    builder = Builder(np.random.default_rng(0))
    maps = builder.add("Conv", ["x", builder.weight(3, 4, 1, 1)])
    model = Model("m.onnx", builder.model(["N", 4, 6, 6], maps, output_rank=4), "0" * 64)
    with pytest.raises(ModelError, match="not one score per class"):
        open_network(model).scores(np.zeros((2, 4, 6, 6), np.float32))


@needs_assets
def test_a_detector_of_scores_and_boxes_is_read_by_its_scores() -> None:
    network = open_network(load_model(model_path("odd_detector_ultraface")))
    found = network.scores(np.zeros((1, 3, 240, 320), np.float32))
    assert found.shape == (1, 2)
    assert network.task is Task.MULTILABEL
    assert network.decided_at == 0.25
