"""Multiply-adds and liveness, against counts by hand."""

import numpy as np

from onnxcausal.onnxgraph.graph.costs import liveness_peak, multiply_adds
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows, rows_of
from tests.support.networks import Builder
from tests.support.opened import Opened, open_proto


def small() -> Opened:
    b = Builder(np.random.default_rng(0))
    wide = b.add("Conv", ["x", b.weight(8, 2, 3, 3)], kernel_shape=[3, 3], pads=[1] * 4, group=2)
    up = b.add("ConvTranspose", [wide, b.weight(8, 5, 2, 2)], strides=[2, 2])
    pooled = b.add("ReduceMean", [b.add("Relu", [up])], axes=[2, 3], keepdims=0)
    hidden = b.add("Gemm", [pooled, b.weight(5, 7)])
    return open_proto(b.model(["N", 4, 6, 6], b.add("MatMul", [hidden, b.weight(7, 3)])), np.ones((1, 4, 6, 6), "f4"))


def test_multiply_adds_are_those_of_the_definitions() -> None:
    opened = small()
    index = index_graph(opened.network.proto, 17)
    counts = [multiply_adds(index, [number], opened.wiring.trace) for number in range(len(index.ops))]
    assert counts == [8 * 36 * 2 * 9, 8 * 36 * 5 * 4, 0, 0, 5 * 7, 7 * 3]
    assert opened.wiring.work == sum(counts)


def test_a_tensor_lives_to_its_last_use() -> None:
    opened = small()
    index = index_graph(opened.network.proto, 17)
    floats = 4
    # The largest moment is the Relu: its operand and its result, of 5 maps of 12 x 12 each.
    assert liveness_peak(index, range(6), ["x"], opened.wiring.trace) == 2 * 5 * 144 * floats
    # A tensor that is still needed stays.
    assert liveness_peak(index, [4, 5], [index.ops[3].output[0]], opened.wiring.trace) == (5 + 7) * floats


def test_samples_are_found_along_the_axis_that_grows() -> None:
    assert rows_of((4, 9), (8, 9), 4) == Rows(0, 1)
    assert rows_of((3, 14), (3, 28), 1) == Rows(1, 14)
    assert rows_of((2, 2), (4, 4), 1) is None
    assert rows_of((2,), (2, 2), 1) is None
    assert rows_of((10, 3), None, 5) == Rows(0, 2)
    assert rows_of((7, 3), None, 5) is None
