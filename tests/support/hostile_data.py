"""Files that are sound on made-up inputs, and harm on some samples: what they do follows from the samples' values."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.support.hostile_parts import HUGE, HostileFile, Write, before_scores, changed, floats, integers, op

LARGE = 1000.0
"""A spread that ordinary samples do not have."""


def _spread(ending: str) -> list[onnx.NodeProto]:
    """Return ops that make the difference `spread` of the largest and the smallest value of the samples."""
    names = [f"{name}{ending}" for name in ("most", "least", "spread")]
    return [
        op("ReduceMax", ["x"], names[0], keepdims=0),
        op("ReduceMin", ["x"], names[1], keepdims=0),
        op("Sub", names[:2], names[2]),
    ]


def _loop_while_above(bound: float) -> Write:
    """Return what writes a model whose scores pass a loop that goes on where the samples' values spread further."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [*_spread("_inside"), op("Greater", ["spread_inside", "bound"], "go_on"), op("Identity", ["v"], "v_")],
        "body",
        [value("trip", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("go_on", TensorProto.BOOL, []), value("v_", TensorProto.FLOAT, None)],
    )
    loop = op("Loop", ["", "", "inner"], "scores", body=body)
    return changed(lambda model: before_scores(model, [loop], [floats("bound", np.array(bound, np.float32))]))


def _sized_by_values(ops: Sequence[onnx.NodeProto], *stored: onnx.TensorProto) -> Write:
    """Return what writes a model that makes `big` from the shape `wanted`: huge where the samples' values differ."""
    shape = [
        *_spread(""),
        op("Sign", ["spread"], "differ"),
        op("Cast", ["differ"], "whole", to=TensorProto.INT64),
        op("Mul", ["whole", "huge"], "extra"),
        op("Add", ["extra", "one"], "wanted"),
    ]
    joined = [op("ReduceMax", ["big"], "largest", keepdims=0), op("Add", ["inner", "largest"], "scores")]
    weights = [integers("huge", HUGE), integers("one", 1), *stored]
    return changed(lambda model: before_scores(model, [*shape, *ops, *joined], weights))


BY_DATA = (
    HostileFile("Loop that ends on samples of one value only", _loop_while_above(0)),
    HostileFile("Loop that never ends on samples above 1000", _loop_while_above(LARGE), harmless=True),
    HostileFile(
        "memory bomb: ConstantOfShape of a size that the samples' values decide",
        _sized_by_values([op("ConstantOfShape", ["wanted"], "big")]),
    ),
    HostileFile(
        "memory bomb: Expand of a size that the samples' values decide",
        _sized_by_values([op("Expand", ["c0", "wanted"], "big")], floats("c0", np.ones(1, np.float32))),
    ),
)
