"""By which outputs a file decides."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.deployed import DecidingOutput, Kind
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import cut_model, open_network
from tests.support.networks import Builder


def many_outputs() -> Model:
    """Return a model that gives scores, probabilities, labels and the best two classes."""
    b = Builder(np.random.default_rng(0))
    scores = b.add("Gemm", ["x", b.weight(6, 3)])
    b.ops += [
        helper.make_node("Identity", [scores], ["scores"]),
        helper.make_node("Softmax", [scores], ["probabilities"], axis=1),
        helper.make_node("ArgMax", [scores], ["label"], axis=1),
        helper.make_node("TopK", ["probabilities", b.integers(2)], ["highest", "best"]),
        helper.make_node("Cast", ["label"], ["number"], to=TensorProto.FLOAT),
    ]
    proto = b.model(["N", 6], "scores")
    kinds = {"probabilities": TensorProto.FLOAT, "label": TensorProto.INT64, "best": TensorProto.INT64}
    for name, kind in {**kinds, "number": TensorProto.FLOAT}.items():
        proto.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    return Model("in_code.onnx", proto, "0" * 64)


def test_scores_labels_and_rankings_decide() -> None:
    assert [(one.name, one.kind) for one in cut_model(many_outputs()).deciding] == [
        ("scores", Kind.SCORES),
        ("probabilities", Kind.SCORES),
        ("label", Kind.LABEL),
        ("best", Kind.RANKING),
        ("number", Kind.LABEL),
    ]


def test_a_named_output_decides_alone() -> None:
    (only,) = cut_model(many_outputs(), "probabilities").deciding
    assert (only.name, only.kind) == ("probabilities", Kind.SCORES)
    assert only.squashed_by.startswith("Softmax")


def test_the_tensor_before_them_decides_as_they_do_and_another_one_not_at_all() -> None:
    model = many_outputs()
    assert len(cut_model(model, model.proto.graph.node[0].output[0]).deciding) == 5
    assert cut_model(model, "highest").deciding == ()


@pytest.mark.parametrize("reading", [Reading(reduce=Reduction.MEAN, class_axis=2), Reading(output="inner")])
def test_what_no_file_decides_is_not_held_to_it(reading: Reading) -> None:
    b = Builder(np.random.default_rng(0))
    b.ops.append(helper.make_node("MatMul", ["x", b.weight(6, 3)], ["inner"]))
    proto = b.model(["N", 4, 6], b.add("Neg", ["inner"]), output_rank=3)
    network = open_network(Model("in_code.onnx", proto, "0" * 64), reading)
    assert network.head is None
    assert any("itself decides" in note for note in network.notes) == (reading.output is not None)


def test_half_precision_and_whole_numbers_are_coarse() -> None:
    b = Builder(np.random.default_rng(0))
    weight = b.store(np.ones((6, 3), np.float16))
    cast = b.add("Cast", ["x"], to=TensorProto.FLOAT16)
    halves = b.model(["N", 6], b.add("MatMul", [cast, weight]), output_type=TensorProto.FLOAT16)
    plain = Builder(np.random.default_rng(0))
    floats = plain.model(["N", 6], plain.add("MatMul", ["x", plain.weight(6, 3)]))
    found = [cut_model(Model("in_code.onnx", proto, "0" * 64)).coarse for proto in (halves, floats)]
    assert found == [True, False]


def test_the_ops_of_the_file_are_run_as_they_stand() -> None:
    model = many_outputs()
    network = open_network(model)
    assert network.head is not None
    assert network.head.outputs[0] == DecidingOutput("scores", Kind.SCORES)
    part, spec, read = network.head.part()
    assert spec.name == "x"
    assert read == ("scores", "probabilities", "label", "best", "number")
    kept = {op.output[0]: op.SerializeToString() for op in model.proto.graph.node}
    assert {op.output[0]: op.SerializeToString() for op in part.graph.node} == kept


def test_a_model_in_bfloat16_is_run_in_float32() -> None:
    b = Builder(np.random.default_rng(0))
    cast = b.add("Cast", ["x"], to=TensorProto.BFLOAT16)
    weight = helper.make_tensor("w", TensorProto.BFLOAT16, [6, 3], np.ones(18))
    product = b.add("Cast", [b.add("MatMul", [cast, "w"])], to=TensorProto.FLOAT)
    graph = b.graph(["N", 6], product)
    graph.initializer.append(weight)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    head = open_network(Model("in_code.onnx", proto, "0" * 64)).head
    assert head is not None
    assert head.coarse
    runner, read = head.opened()
    (value,) = runner.tensors(np.ones((2, 6), np.float32), read)
    np.testing.assert_array_equal(value, np.full((2, 3), 6))
