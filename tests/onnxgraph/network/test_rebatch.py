"""On how many samples at once a model may be run."""

import numpy as np
import onnx
import pytest
from onnx import helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from tests.support.networks import Builder
from tests.support.opened import Inputs
from tests.support.zoo import ZOO

X: Inputs = np.random.default_rng(1).normal(size=(7, 3, 4)).astype(np.float32)


def settled(proto: onnx.ModelProto, x: Inputs = X) -> Network:
    return settle_batch(open_network(Model("in_code.onnx", proto, "0" * 64)), x)


def alone(proto: onnx.ModelProto, x: Inputs = X) -> Inputs:
    """Return the scores of the model as it stands, for each sample in a batch of its copies."""
    network = open_network(Model("in_code.onnx", proto, "0" * 64))
    size = network.plain.batch or 1
    copies = [network.scores(np.repeat(sample[None], size, axis=0), size)[:1] for sample in x]
    return np.concatenate(copies).astype(np.float32)


def flattening(batch: int, *shape: int) -> onnx.ModelProto:
    """Return a model fixed to a batch, which a Reshape holds too."""
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.weight(4, 5)])])
    flat = b.add("Reshape", [hidden, b.integers(*shape)])
    return b.model([batch, 3, 4], b.add("Gemm", [flat, b.weight(3, 15)], transB=1))


@pytest.mark.parametrize("proto", [flattening(1, 1, 15), flattening(1, 1, -1), flattening(4, 4, 15)])
def test_a_fixed_batch_is_opened_and_proven(proto: onnx.ModelProto) -> None:
    network = settled(proto)
    assert network.plain.batch is None
    assert any("opened for any; 5 samples" in note for note in network.notes)
    np.testing.assert_allclose(network.scores(X), alone(proto), rtol=0, atol=1e-6)


def test_a_fixed_batch_that_cannot_be_opened_is_kept_and_told() -> None:
    b = Builder(np.random.default_rng(0))
    bias = b.store(np.repeat(np.random.default_rng(1).normal(size=(1, 3, 5)), 2, axis=0).astype(np.float32))
    hidden = b.add("Relu", [b.add("Add", [b.add("MatMul", ["x", b.weight(4, 5)]), bias])])
    proto = b.model([2, 3, 4], b.add("Gemm", [b.add("Flatten", [hidden]), b.weight(3, 15)], transB=1))
    network = settled(proto)
    assert network.plain.batch == 2
    assert any("run 2 at a time" in note for note in network.notes)
    np.testing.assert_allclose(network.scores(X), alone(proto), rtol=0, atol=1e-6)


def test_samples_that_change_each_other_in_a_fixed_batch_are_refused() -> None:
    b = Builder(np.random.default_rng(0))
    weights = b.add("Softmax", [b.add("MatMul", ["x", b.weight(4, 5)])], axis=0)
    proto = b.model([2, 3, 4], b.add("Gemm", [b.add("Flatten", [weights]), b.weight(3, 15)], transB=1))
    with pytest.raises(ModelError, match="change each other"):
        settled(proto)


def test_equal_samples_prove_nothing() -> None:
    network = settled(flattening(1, 1, 15), np.repeat(X[:1], 5, axis=0))
    assert network.plain.batch == 1


def test_rows_that_are_no_samples_keep_dynamic_quantisation_one_by_one() -> None:
    # Every row has the same range as long as nothing is intervened on: five samples would tell nothing.
    b = Builder(np.random.default_rng(0))
    ends = b.store(np.tile(np.array([0.0, 9.0], np.float32), (3, 1))[None])
    clipped = b.add("Min", [b.add("Max", ["x", b.store(np.zeros(1, np.float32))]), b.store(np.full(1, 9, np.float32))])
    zeros = b.add("Mul", [b.add("ReduceSum", ["x", b.integers(1, 2)]), b.store(np.zeros(1, np.float32))])
    rows = b.add("Reshape", [b.add("Concat", [clipped, b.add("Add", [zeros, ends])], axis=2), b.integers(-1, 6)])
    b.ops.append(helper.make_node("DynamicQuantizeLinear", [rows], ["q", "s", "z"]))
    weight = b.store(np.random.default_rng(1).integers(-99, 99, (6, 4)).astype(np.int8))
    product = b.add("Mul", [b.add("Cast", [b.add("MatMulInteger", ["q", weight, "z"])], to=1), "s"])
    flat = b.add("Reshape", [product, b.integers(-1, 12)])
    network = settled(b.model(["N", 3, 4], b.add("Gemm", [flat, b.weight(3, 12)], transB=1)))
    assert network.plain.batch == 1
    assert any("one at a time" in note for note in network.notes)


def test_samples_that_change_each_other_are_run_one_by_one() -> None:
    b = Builder(np.random.default_rng(0))
    mean = b.add("Relu", [b.add("ReduceMean", ["x"], axes=[0], keepdims=1)])
    flat = b.add("Flatten", [b.add("Add", ["x", mean])])
    proto = b.model(["N", 3, 4], b.add("Gemm", [flat, b.weight(3, 12)], transB=1))
    network = settled(proto)
    assert network.plain.batch == 1
    assert any("one at a time" in note for note in network.notes)
    np.testing.assert_array_equal(network.scores(X), alone(proto))


def test_an_open_batch_is_left_as_it_is() -> None:
    b = Builder(np.random.default_rng(0))
    network = settled(b.model(["N", 3, 4], b.add("Gemm", [b.add("Flatten", ["x"]), b.weight(3, 12)], transB=1)))
    assert network.plain.batch is None
    assert not network.notes


def dynamic() -> tuple[onnx.ModelProto, Inputs]:
    specimen = next(specimen for specimen in ZOO if specimen.name == "MatMulInteger, DynamicQuantizeLinear")
    (x,) = specimen.inputs().values()
    return specimen.build(), x.astype(np.float32)


def test_the_range_of_dynamic_quantisation_is_that_of_each_sample() -> None:
    proto, x = dynamic()
    louder = (x * np.array([1, 8, 0.1, 3, 0.5, 20])[:, None]).astype(np.float32)
    network = settled(proto, louder)
    assert any("ranges of dynamic quantisation are those of each sample" in note for note in network.notes)
    np.testing.assert_allclose(network.scores(louder), alone(proto, louder), rtol=0, atol=1e-5)


def test_a_sample_of_zeros_is_quantised_like_any_other() -> None:
    proto, x = dynamic()
    x[2] = 0
    network = settled(proto, x)
    np.testing.assert_allclose(network.scores(x), alone(proto, x), rtol=0, atol=1e-5)


def test_initial_states_of_zeros_do_not_keep_a_batch_fixed() -> None:
    b = Builder(np.random.default_rng(0))
    steps, state = b.add("Transpose", ["x"], perm=[1, 0, 2]), b.store(np.zeros((1, 1, 4), np.float32))
    inputs = [steps, b.weight(1, 12, 4), b.weight(1, 12, 4), "", "", state]
    b.ops.append(helper.make_node("GRU", inputs, ["", "last"], hidden_size=4))
    flat = b.add("Squeeze", ["last", b.integers(0)])
    proto = b.model([1, 3, 4], b.add("Gemm", [flat, b.weight(3, 4)], transB=1))
    network = settled(proto)
    assert network.plain.batch is None
    np.testing.assert_allclose(network.scores(X), alone(proto), rtol=0, atol=1e-6)
