"""Two forms of a model on the same random inputs: equal, different, or not comparable and why."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.forms.equivalence import compare_outputs
from tests.support.networks import mlp
from tests.support.pruned import builder


def model(change: float = 0.0) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(6, 4)), rng.normal(size=(3, 6))]
    weights[0][2, 1] += change
    return mlp(weights, [np.zeros(6), np.zeros(3)])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_equal_models_agree_and_others_do_not() -> None:
    same = compare_outputs(model(), model(), "m", rng())
    assert (same.difference, same.why) == (0.0, "")
    other = compare_outputs(model(), model(0.1), "m", rng())
    assert other.difference is not None
    assert other.difference > 10 * other.allowed
    assert compare_outputs(model(), model(1e-7), "m", rng()).allowed == other.allowed < 1e-3


def test_half_precision_and_rounding_ops_are_allowed_more() -> None:
    half = model()
    half.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float16), "half"))
    assert compare_outputs(half, half, "m", rng()).allowed == pytest.approx(0.05)


def test_outputs_of_other_shapes_are_no_outputs_of_the_same_model() -> None:
    wide = mlp([np.ones((6, 4)), np.ones((5, 6))], [np.zeros(6), np.zeros(5)])
    assert compare_outputs(model(), wide, "m", rng()).difference == float("inf")


def test_what_is_not_a_number_must_not_be_one_in_the_other() -> None:
    broken = model()
    broken.graph.initializer[0].raw_data = np.full((6, 4), np.nan, np.float32).tobytes()
    assert compare_outputs(model(), broken, "m", rng()).difference == float("inf")
    assert compare_outputs(broken, broken, "m", rng()).difference == 0.0


def test_a_model_for_one_sample_is_compared_one_by_one() -> None:
    b = builder()
    flat = b.add("Reshape", ["x", b.integers(1, 4)])
    proto = b.model(["N", 4], b.add("MatMul", [flat, b.weight(4, 3)]))
    assert compare_outputs(proto, proto, "m", rng()).difference == 0.0


def test_a_model_that_inputs_lead_is_not_run() -> None:
    b = builder()
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Relu", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    steps = b.add("Cast", [b.add("ReduceMax", ["x"], keepdims=0)], to=TensorProto.INT64)
    proto = b.model(["N", 4], b.add("Loop", [steps, "", "x"], body=body))
    same = compare_outputs(proto, proto, "m", rng())
    assert same.difference is None
    assert "Loop" in same.why


def test_texts_are_not_drawn_and_failing_models_are_told() -> None:
    texts = model()
    texts.graph.input.append(helper.make_tensor_value_info("t", TensorProto.STRING, [1]))
    assert compare_outputs(texts, texts, "m", rng()).why == "its inputs are not all numbers of a known shape"
    failing = model()
    failing.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    same = compare_outputs(failing, failing, "m", rng())
    assert same.difference is None
    with pytest.raises(ModelError):
        compare_outputs(model(), failing, "m", rng())
