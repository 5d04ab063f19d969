"""One network written in several ways has the same effects."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.runner import half_precision
from tests.support.opened import HALF_PRECISION, Inputs, Opened, open_proto
from tests.support.zoo import ZOO

BASE = next(specimen for specimen in ZOO if specimen.name == "PyTorch, legacy exporter")
X: Inputs = BASE.inputs()["input"].astype(np.float32)


def fixed_batch(size: int) -> Callable[[], tuple[onnx.ModelProto, Inputs]]:
    def build() -> tuple[onnx.ModelProto, Inputs]:
        proto = BASE.build()
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = size
        return proto, X

    return build


def channels_last() -> tuple[onnx.ModelProto, Inputs]:
    proto = BASE.build()
    (given,) = proto.graph.input
    first = helper.make_node("Transpose", ["pixels"], [given.name], perm=[0, 3, 1, 2], name="to_channels_first")
    ops = [first, *proto.graph.node]
    copies = [onnx.NodeProto.FromString(op.SerializeToString()) for op in ops]
    del proto.graph.node[:]
    proto.graph.node.extend(copies)
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 8, 8, 3]))
    return proto, np.ascontiguousarray(X.transpose(0, 2, 3, 1))


def by_the_other_exporter() -> tuple[onnx.ModelProto, Inputs]:
    return next(specimen for specimen in ZOO if specimen.name == "PyTorch, dynamo exporter").build(), X


def in_half_precision() -> tuple[onnx.ModelProto, Inputs]:
    return half_precision(BASE.build()), X


def effects(opened: Opened, number: int, x: Inputs) -> NDArray[np.float64]:
    layer = opened.layers[number]
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children), 0.3)
    return opened.engine().effects(probe, x, lambda scores: outcome_of(scores, 1))


@pytest.mark.parametrize(
    ("build", "tolerance"),
    [
        (fixed_batch(1), 1e-5),
        (fixed_batch(4), 1e-5),
        (channels_last, 1e-5),
        (by_the_other_exporter, 1e-5),
        (in_half_precision, HALF_PRECISION),
    ],
    ids=["fixed batch 1", "fixed batch 4", "channels last", "another exporter", "float16"],
)
def test_effects_do_not_depend_on_how_a_network_is_written(
    build: Callable[[], tuple[onnx.ModelProto, Inputs]], tolerance: float
) -> None:
    base, (proto, x) = open_proto(BASE.build(), X), build()
    opened = open_proto(proto, x)
    assert len(opened.layers) == len(base.layers)
    scale = float(np.abs(base.network.scores(X)).max())
    for number in range(len(base.layers)):
        expected = effects(base, number, X)
        np.testing.assert_allclose(effects(opened, number, x), expected, rtol=0, atol=tolerance * scale)
        assert np.abs(expected).max() > 1e-2 * scale
