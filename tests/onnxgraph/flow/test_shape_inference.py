"""What is known of a file's tensors without a run, whatever its inputs."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.flow.shape_inference import OPEN_SIZES, known_of
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.pruned import builder


def two_inputs() -> onnx.ModelProto:
    b = builder()
    flat = b.add("Reshape", ["x", b.integers(0, -1)])
    size = b.add("Shape", [flat])
    joined = b.add("Concat", [flat, b.add("Expand", ["beside", size])], axis=1)
    value = helper.make_tensor_value_info("beside", TensorProto.FLOAT, ["N", 1])
    return b.model(["N", 3, "width"], joined, beside=[value])


def test_open_sizes_are_those_of_one_sample_and_alike_by_name() -> None:
    proto = two_inputs()
    known = known_of(proto)
    assert known.shapes["x"] == (1, 3, OPEN_SIZES[0])
    assert known.shapes["beside"] == (1, 1)
    assert known.shapes["concat_3"] == (1, 6 * OPEN_SIZES[0])
    assert proto == two_inputs()


def test_small_values_that_follow_from_shapes_or_are_stored_are_known() -> None:
    proto = two_inputs()
    known, index = known_of(proto), index_graph(proto, 17)
    np.testing.assert_array_equal(known.value(index, "shape_1"), [1, 3 * OPEN_SIZES[0]])
    np.testing.assert_array_equal(known.value(index, "stored_0"), [0, -1])
    assert known.value(index, "x") is None
