"""Tensors by the end of their names."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import cut_model, tensor_in_full
from tests.support.networks import Builder

NAMES = ("/block/fc1/Gemm_output_0", "/block/act/Relu_output_0", "/head/fc2/Gemm_output_0", "head.scores:0")


def model() -> Model:
    """Return two layers and a softmax, with the names of a PyTorch and a TensorFlow export."""
    builder = Builder(np.random.default_rng(0))
    first = builder.add("Gemm", ["x", builder.weight(6, 4)])
    second = builder.add("Gemm", [builder.add("Relu", [first]), builder.weight(4, 3)])
    proto = builder.model(["N", 6], builder.add("Softmax", [second], axis=1))
    new = dict(zip([op.output[0] for op in proto.graph.node], NAMES, strict=True))
    for op in proto.graph.node:
        op.input[:] = [new.get(name, name) for name in op.input]
        op.output[:] = [new[name] for name in op.output]
    proto.graph.output[0].name = NAMES[-1]
    return Model("m.onnx", proto, "0" * 64)


@pytest.mark.parametrize(
    ("written", "tensor"),
    [
        (NAMES[0], NAMES[0]),
        ("fc1/Gemm_output_0", NAMES[0]),
        ("/fc2/Gemm_output_0", NAMES[2]),
        ("Relu_output_0", NAMES[1]),
        ("head/fc2/Gemm_output_0", NAMES[2]),
    ],
)
def test_an_end_that_one_tensor_has_is_enough(written: str, tensor: str) -> None:
    assert cut_model(model(), written).outcome.tensor == tensor
    assert tensor_in_full(model(), written) == tensor


@pytest.mark.parametrize("written", ["scores:0", NAMES[-1]])
def test_of_an_output_named_by_its_end_the_scores_before_the_softmax_are_found(written: str) -> None:
    assert cut_model(model(), written).outcome.tensor == NAMES[2]
    assert tensor_in_full(model(), written) == NAMES[-1]


def test_an_end_that_several_tensors_have_is_refused_with_all_of_them() -> None:
    for find in (cut_model, tensor_in_full):
        with pytest.raises(ConfigError, match="several tensors have a name that ends in 'Gemm_output_0'") as caught:
            find(model(), "Gemm_output_0")
        assert caught.value.why == f"they are {NAMES[0]}, {NAMES[2]}"


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("fc1/Gem_output_0", "did you mean '/block/fc1/Gemm_output_0'?"),
        ("Rel_output_0", "did you mean '/block/act/Relu_output_0'?"),
        ("Gem_output_0", "did you mean '/block/fc1/Gemm_output_0' or '/head/fc2/Gemm_output_0'?"),
        ("emm_output_0", "did you mean '/block/fc1/Gemm_output_0' or '/head/fc2/Gemm_output_0'?"),
        ("elsewhere", "name an output or an inner tensor of the model"),
        ("", "name an output or an inner tensor of the model"),
    ],
)
def test_what_is_no_tensor_is_answered_with_similar_ones(written: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match="the model has no tensor") as caught:
        cut_model(model(), written)
    assert caught.value.remedy == remedy


def test_a_tensor_of_that_very_name_comes_before_ends() -> None:
    named = model()
    named.proto.graph.output.append(helper.make_tensor_value_info("Relu_output_0", TensorProto.FLOAT, None))
    named.proto.graph.node.append(helper.make_node("Identity", [NAMES[1]], ["Relu_output_0"]))
    assert tensor_in_full(named, "Relu_output_0") == "Relu_output_0"
