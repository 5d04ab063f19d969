"""One score per class from tensors that hold none or many of them."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.network.io_spec import Reduction

REDUCING = {Reduction.MEAN: "ReduceMean", Reduction.MAX: "ReduceMax", Reduction.SUM: "ReduceSum"}
AXES_OF_MAPS = 4
"""Axes of scores at every place: samples, classes, rows, columns."""
AXES_AS_INPUT = {Reduction.MEAN: 18, Reduction.MAX: 18, Reduction.SUM: 13}
"""Opset from which the axes of a reduction are an input."""


def axis_of_classes(rank: int, asked: int | None) -> int | None:
    """Return the axis of a tensor along which the classes stand, None where that is not known.

    Args:
        rank: number of the tensor's axes, of which the first has the samples.
        asked: the axis, if it is known; default: 1 of a map, which has four axes or more.
    """
    if asked is None:
        return 1 if rank >= AXES_OF_MAPS else None
    return asked % rank if -rank <= asked < rank and asked % rank else None


def with_both_scores(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Return a model whose single score `s` became the scores `-s, s` of two classes, and their tensor."""
    changed, single, taken = _copied(proto)
    column, negated, both = (fresh(f"onnxcausal/{name}", taken) for name in ("score", "other_score", "scores"))
    shape = numpy_helper.from_array(np.array([-1, 1], np.int64), fresh("onnxcausal/column", taken))
    changed.graph.initializer.append(shape)
    changed.graph.node.extend(
        [
            helper.make_node("Reshape", [single, shape.name], [column]),
            helper.make_node("Neg", [column], [negated]),
            helper.make_node("Concat", [negated, column], [both], axis=1),
        ]
    )
    return _ending_in(changed, both)


def with_reduced_scores(
    proto: onnx.ModelProto, rank: int, reduce: Reduction, class_axis: int
) -> tuple[onnx.ModelProto, str]:
    """Return a model whose scores are reduced over every axis but the first and the classes', and their tensor.

    Args:
        proto: the model; its one output has the scores.
        rank: number of axes of that output.
        reduce: how.
        class_axis: the classes' axis.
    """
    changed, scores, taken = _copied(proto)
    axes = [axis for axis in range(1, rank) if axis != class_axis % rank]
    reduced = fresh("onnxcausal/scores", taken)
    inputs, settings = [scores], dict[str, Any](axes=axes)
    if opset_of(proto) >= AXES_AS_INPUT[reduce]:
        stored = numpy_helper.from_array(np.array(axes, np.int64), fresh("onnxcausal/axes", taken))
        changed.graph.initializer.append(stored)
        inputs, settings = [scores, stored.name], {}
    changed.graph.node.append(helper.make_node(REDUCING[reduce], inputs, [reduced], keepdims=0, **settings))
    return _ending_in(changed, reduced)


def with_batch_axis(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Return a model of one sample whose scores `[classes]` became `[1, classes]`, and their tensor."""
    changed, scores, taken = _copied(proto)
    shape = numpy_helper.from_array(np.array([1, -1], np.int64), fresh("onnxcausal/row", taken))
    changed.graph.initializer.append(shape)
    row = fresh("onnxcausal/scores", taken)
    changed.graph.node.append(helper.make_node("Reshape", [scores, shape.name], [row]))
    return _ending_in(changed, row)


def _copied(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str, set[str]]:
    """Return a copy, the name of its one output, and the names in use."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    return changed, proto.graph.output[0].name, names_in(proto.graph)


def _ending_in(proto: onnx.ModelProto, tensor: str) -> tuple[onnx.ModelProto, str]:
    del proto.graph.output[:]
    proto.graph.output.append(onnx.ValueInfoProto(name=tensor))
    return proto, tensor
