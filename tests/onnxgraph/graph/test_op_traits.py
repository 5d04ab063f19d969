from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from onnxcausal.onnxgraph.graph.op_traits import (
    FIRST_ALONE,
    NORMALISING,
    PER_CHANNEL,
    REDUCING,
    SPATIAL,
    SQUASHING,
    drops_axes,
    mixed_axes,
)
from onnxcausal.onnxgraph.runner import run_op

Array = NDArray[np.generic]
SHAPE = (2, 4, 6, 5)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def floats(size: int) -> Array:
    return np.linspace(1, 2, size).astype(np.float32)


def really_mixed(op: onnx.NodeProto, others: Sequence[Array | None], opset: int) -> set[int]:
    """Return the axes along which a change of one place, made anywhere, is seen at other places too."""
    x = np.random.default_rng(0).normal(1, 1, SHAPE).astype(np.float32)
    before = run_op(op, [x, *others], opset)[0]
    found: set[int] = set()
    for place in np.ndindex(*SHAPE):
        changed = x.copy()
        changed[place] += 3
        after = run_op(op, [changed, *others], opset)[0]
        seen = np.argwhere(after != before)
        for axis in range(x.ndim):
            alike = before.shape[axis] == SHAPE[axis]
            found |= {axis} if len(seen) and (not alike or set(seen[:, axis]) != {place[axis]}) else set()
    return found


CASES: list[tuple[str, dict[str, Any], list[Array | None], int, Sequence[int]]] = [
    ("Softmax", {"axis": 1}, [], 13, (1,)),
    ("Softmax", {}, [], 13, (3,)),
    ("LogSoftmax", {"axis": 2}, [], 12, (2, 3)),
    ("Softmax", {}, [], 11, (1, 2, 3)),
    ("ReduceMean", {"axes": [2, 3]}, [], 13, (2, 3)),
    ("ReduceMean", {"axes": [-1]}, [], 13, (3,)),
    ("ReduceMean", {}, [], 13, (0, 1, 2, 3)),
    ("ReduceSum", {}, [ints(1)], 13, (1,)),
    ("ReduceSum", {}, [], 13, (0, 1, 2, 3)),
    ("ReduceSum", {"noop_with_empty_axes": 1}, [], 13, ()),
    ("ReduceL2", {}, [ints(-2, 0)], 18, (0, 2)),
    ("AveragePool", {"kernel_shape": [2, 2]}, [], 17, (2, 3)),
    ("GlobalAveragePool", {}, [], 17, (2, 3)),
    ("LpPool", {"kernel_shape": [3, 2], "p": 2}, [], 17, (2, 3)),
    ("Resize", {"mode": "linear"}, [None, None, ints(2, 4, 6, 9)], 17, (3,)),
    ("Resize", {"mode": "linear"}, [None, None, ints(2, 7, 6, 5)], 17, (1,)),
    ("InstanceNormalization", {}, [floats(4), floats(4)], 17, (2, 3)),
    ("LayerNormalization", {"axis": 2}, [np.ones((6, 5), np.float32)], 17, (2, 3)),
    ("LayerNormalization", {}, [np.ones(5, np.float32)], 17, (3,)),
    ("LpNormalization", {"axis": 1}, [], 17, (1,)),
    ("LRN", {"size": 3}, [], 17, (1,)),
    ("MeanVarianceNormalization", {}, [], 17, (0, 2, 3)),
    ("MeanVarianceNormalization", {"axes": [1, -1]}, [], 17, (1, 3)),
    ("BatchNormalization", {}, [floats(4) for _ in range(4)], 17, ()),
    ("Cast", {"to": onnx.TensorProto.DOUBLE}, [], 17, ()),
]


@pytest.mark.parametrize(
    ("op_type", "attributes", "others", "opset", "expected"),
    CASES,
    ids=lambda held: held if isinstance(held, str) else "",
)
def test_the_axes_that_are_mixed_are_those_along_which_a_change_spreads(
    op_type: str, attributes: dict[str, Any], others: list[Array | None], opset: int, expected: Sequence[int]
) -> None:
    names = ["" if one is None else f"b{at}" for at, one in enumerate(others)]
    op = onnx.helper.make_node(op_type, ["x", *names], ["y"], **attributes)
    x = np.ones(SHAPE, np.float32)
    after = run_op(op, [x, *others], opset)[0].shape
    axes = mixed_axes(op, SHAPE, after, opset, others[0] if others else None)
    assert axes is not None
    assert sorted(axes) == list(expected)
    assert really_mixed(op, others, opset) == set(expected)


def test_axes_that_are_not_known_are_told_as_such() -> None:
    reduced = onnx.helper.make_node("ReduceSum", ["x", "axes"], ["y"])
    assert mixed_axes(reduced, SHAPE, None, 13) is None
    assert mixed_axes(reduced, SHAPE, None, 13, ints(2)) == (2,)
    pooled = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
    assert mixed_axes(pooled, SHAPE, None, 17) is None
    assert mixed_axes(pooled, SHAPE, (2, 4, 5), 17) is None
    assert mixed_axes(onnx.helper.make_node("TopK", ["x", "k"], ["y", "i"]), SHAPE, None, 17) is None


def test_a_reduction_drops_its_axes_where_it_says_so() -> None:
    kept, dropped = (onnx.helper.make_node("ReduceMax", ["x"], ["y"], keepdims=keep) for keep in (1, 0))
    assert [drops_axes(op) for op in (kept, dropped)] == [False, True]
    assert not drops_axes(onnx.helper.make_node("ReduceMax", ["x"], ["y"]))
    assert not drops_axes(onnx.helper.make_node("Softmax", ["x"], ["y"]))


def test_every_op_that_may_mix_is_tried_or_of_a_family_that_is() -> None:
    tried = {op_type for op_type, *_ in CASES}
    assert {"Softmax", "LogSoftmax"} <= tried & SQUASHING
    assert tried & REDUCING
    assert tried & SPATIAL
    not_run = {"GroupNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}
    assert tried & NORMALISING == NORMALISING - not_run
    assert PER_CHANNEL.keys() <= tried
    assert tried & FIRST_ALONE
