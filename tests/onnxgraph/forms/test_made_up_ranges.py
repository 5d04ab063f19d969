"""What parents of layers take on made-up inputs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.forms.made_up_ranges import made_up_ranges
from tests.support.networks import Builder, mlp
from tests.support.repairs import in_code

FIRST, SECOND = "/gemm_0/Gemm", "/gemm_2/Gemm"


def after(kind: str) -> onnx.ModelProto:
    """Return a network of two layers with an activation between them."""
    builder = Builder(np.random.default_rng(0))
    hidden = builder.add(kind, [builder.add("Gemm", ["x", builder.weight(6, 9)])])
    return builder.model(["N", 6], builder.add("Gemm", [hidden, builder.weight(9, 3)]))


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("Relu", 0, np.inf), ("Sigmoid", 0, 1), ("Tanh", -1, 1), ("HardSigmoid", 0, 1)]
)
def test_ranges_stay_within_what_an_activation_gives(kind: str, least: float, most: float) -> None:
    ranges, why = made_up_ranges(in_code(after(kind)).model, [FIRST, SECOND])
    assert why == ""
    low, high = ranges[SECOND]
    assert least <= low < high <= most
    low, high = ranges[FIRST]  # the inputs themselves, of both sizes
    assert low < -255 < 255 < high


def test_they_are_the_same_every_time_and_of_the_layers_that_are_named() -> None:
    model = in_code(mlp([np.eye(4), np.eye(4)], [np.zeros(4), np.zeros(4)])).model
    assert made_up_ranges(model, [SECOND]) == made_up_ranges(model, [SECOND])
    assert set(made_up_ranges(model, [SECOND, "/none/Gemm"])[0]) == {SECOND}


def test_what_inputs_lead_is_not_run_and_what_does_not_run_says_why() -> None:
    proto = mlp([np.eye(4), np.eye(4)], [np.zeros(4), np.zeros(4)])
    led = onnx.ModelProto()
    led.CopyFrom(proto)
    led.graph.node.insert(0, helper.make_node("Cast", ["x"], ["size"], to=TensorProto.INT64))
    led.graph.node.insert(1, helper.make_node("Reshape", ["x", "size"], ["other"]))
    led.graph.node[2].input[0] = "other"
    ranges, why = made_up_ranges(in_code(led).model, [SECOND])
    assert ranges == {}
    assert "decided by the values" in why
    broken = onnx.ModelProto()
    broken.CopyFrom(proto)
    broken.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    ranges, why = made_up_ranges(in_code(broken).model, [SECOND])
    assert ranges == {}
    assert "does not run on made-up inputs" in why


def test_a_tensor_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError):
        made_up_ranges(in_code(after("Relu")).model, [SECOND], output="none")
