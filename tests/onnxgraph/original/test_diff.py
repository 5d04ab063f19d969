"""Where two messages differ."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper

from onnxcausal.onnxgraph.original.diff import first_difference
from tests.support.networks import mlp


def model() -> onnx.ModelProto:
    return mlp([np.ones((2, 3)), np.ones((2, 2))], [np.zeros(2), np.zeros(2)])


def weight_changed(proto: onnx.ModelProto) -> None:
    raw = bytearray(proto.graph.initializer[2].raw_data)
    raw[5] ^= 1
    proto.graph.initializer[2].raw_data = bytes(raw)


def with_unknown_field(proto: onnx.ModelProto) -> None:
    proto.MergeFromString(b"\xfa\x7f\x01x")


def with_nothing(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].doc_string = ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda proto: setattr(proto, "producer_name", "me"), "producer_name is 'me' in place of ''"),
        (
            lambda proto: setattr(proto.graph.node[1], "op_type", "Tanh"),
            "graph.node[1] (/relu_1/Relu).op_type is 'Tanh' in place of 'Relu'",
        ),
        (weight_changed, "graph.initializer[2] (stored_2).raw_data differs from byte 5 on"),
        (lambda proto: proto.graph.node.add(), "graph.node has 4 entries in place of 3"),
        (
            lambda proto: helper.set_model_props(proto, {"a": "b" * 99}),
            "metadata_props has 1 entries in place of 0",
        ),
        (lambda proto: proto.graph.initializer[0].ClearField("raw_data"), "raw_data is 0 bytes in place of 24 bytes"),
        (with_unknown_field, "field 2047, which the format does not have, is set"),
        (with_nothing, "graph.node[0] (/gemm_0/Gemm).doc_string is set"),
    ],
)
def test_the_first_difference_is_named(change: Callable[[onnx.ModelProto], object], told: str) -> None:
    changed = model()
    change(changed)
    assert told in first_difference(model(), changed)


def test_equal_messages_do_not_differ_even_with_a_number_that_is_none() -> None:
    one = model()
    one.graph.node[0].attribute.append(helper.make_attribute("alpha", float("nan")))
    other = onnx.ModelProto.FromString(one.SerializeToString())
    assert not first_difference(one, other)
