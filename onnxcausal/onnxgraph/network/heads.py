"""One score per class from tensors that hold none or many of them."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.network.io_spec import Reduction

REDUCING = {Reduction.MEAN: "ReduceMean", Reduction.MAX: "ReduceMax", Reduction.SUM: "ReduceSum"}
AXES_OF_MAPS = 4
"""Axes of scores at every place: samples, classes, rows, columns."""
LEAST_LENGTH = 1e-12
"""Length below which a vector has no direction."""
UNLIKE = -2.0
"""Similarity to what there is no vector of: less than any."""
AXES_AS_INPUT = {Reduction.MEAN: 18, Reduction.MAX: 18, Reduction.SUM: 13}
"""Opset from which the axes of a reduction are an input."""


def with_both_scores(proto: onnx.ModelProto, *, probability: bool = False) -> tuple[onnx.ModelProto, str]:
    """Return a model whose single score `s` became the scores `-s, s` of two classes, and their tensor.

    Args:
        proto: the model; its one output has the score.
        probability: whether the score is the probability `p` of the second class: the scores are `1 - p, p` then.
    """
    changed, single, taken = _copied(proto)
    column, negated, both = (fresh(f"onnxcausal/{name}", taken) for name in ("score", "other_score", "scores"))
    shape = numpy_helper.from_array(np.array([-1, 1], np.int64), fresh("onnxcausal/column", taken))
    changed.graph.initializer.append(shape)
    changed.graph.node.append(helper.make_node("Reshape", [single, shape.name], [column]))
    if probability:
        column = _as_float(changed, column, taken)
        changed.graph.node.append(helper.make_node("Sub", [_number(changed, 1.0, taken), column], [negated]))
    else:
        changed.graph.node.append(helper.make_node("Neg", [column], [negated]))
    changed.graph.node.append(helper.make_node("Concat", [negated, column], [both], axis=1))
    return _ending_in(changed, both)


def with_lowered_scores(proto: onnx.ModelProto, threshold: float) -> tuple[onnx.ModelProto, str]:
    """Return a model whose scores are less by a threshold, so that they are decided by their sign, and their tensor."""
    changed, scores, taken = _copied(proto)
    lowered = fresh("onnxcausal/lowered_scores", taken)
    probability = _as_float(changed, scores, taken)
    changed.graph.node.append(helper.make_node("Sub", [probability, _number(changed, threshold, taken)], [lowered]))
    return _ending_in(changed, lowered)


def with_similarities(proto: onnx.ModelProto, centroids: NDArray[np.float32]) -> tuple[onnx.ModelProto, str]:
    """Return a model whose vectors became their cosine similarities to some others, and their tensor.

    They are computed by products and sums, not as a layer: there is nothing to intervene on.

    Args:
        proto: the model; its one output has a vector for each sample.
        centroids: the others, `[classes, values]`, of length 1; no vector is like one of zeros: its similarity is -2.
    """
    changed, vectors, taken = _copied(proto)

    def add(op: str, inputs: list[str], settings: dict[str, Any] | None = None) -> str:
        made = fresh(f"onnxcausal/{op.lower()}", taken)
        changed.graph.node.append(helper.make_node(op, inputs, [made], **(settings or {})))
        return made

    def stored(values: NDArray[np.generic]) -> str:
        held = numpy_helper.from_array(values, fresh("onnxcausal/stored", taken))
        changed.graph.initializer.append(held)
        return str(held.name)

    def total(of: str, *, keepdims: int) -> str:
        if opset_of(proto) >= AXES_AS_INPUT[Reduction.SUM]:
            return add("ReduceSum", [of, stored(np.array([-1], np.int64))], {"keepdims": keepdims})
        return add("ReduceSum", [of], {"axes": [-1], "keepdims": keepdims})

    flat = add("Cast", [add("Flatten", [vectors], {"axis": 1})], {"to": onnx.TensorProto.FLOAT})
    length = add("Sqrt", [total(add("Mul", [flat, flat]), keepdims=1)])
    unit = add("Div", [flat, add("Max", [length, stored(np.array(LEAST_LENGTH, np.float32))])])
    row = add("Reshape", [unit, stored(np.array([-1, 1, centroids.shape[1]], np.int64))])
    scores = total(add("Mul", [row, stored(centroids[np.newaxis].astype(np.float32))]), keepdims=0)
    unlike = np.where(centroids.any(axis=1), 0, UNLIKE).astype(np.float32)
    return _ending_in(changed, add("Add", [scores, stored(unlike)]) if unlike.any() else scores)


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


def with_samples_first(proto: onnx.ModelProto, rank: int, axis: int) -> tuple[onnx.ModelProto, str]:
    """Return a model in whose scores the axis of the samples is the first, and their tensor."""
    changed, scores, taken = _copied(proto)
    order = [axis, *(other for other in range(rank) if other != axis)]
    turned = fresh("onnxcausal/samples_first", taken)
    changed.graph.node.append(helper.make_node("Transpose", [scores], [turned], perm=order))
    return _ending_in(changed, turned)


def with_value_axis(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Return a model whose values have a further axis of one, the last, along which classes would stand."""
    changed, scores, taken = _copied(proto)
    wider = fresh("onnxcausal/values", taken)
    inputs, settings = [scores], dict[str, Any](axes=[-1])
    if opset_of(proto) >= AXES_AS_INPUT[Reduction.SUM]:
        inputs, settings = [scores, _stored(changed, [-1], taken)], {}
    changed.graph.node.append(helper.make_node("Unsqueeze", inputs, [wider], **settings))
    return _ending_in(changed, wider)


def with_place(proto: onnx.ModelProto, axis: int, place: int) -> tuple[onnx.ModelProto, str]:
    """Return a model with the scores at one place along an axis, which is gone, and their tensor."""
    changed, scores, taken = _copied(proto)
    number = numpy_helper.from_array(np.array(place, np.int64), fresh("onnxcausal/place", taken))
    changed.graph.initializer.append(number)
    chosen = fresh("onnxcausal/scores_there", taken)
    changed.graph.node.append(helper.make_node("Gather", [scores, number.name], [chosen], axis=axis))
    return _ending_in(changed, chosen)


def with_some_scores(proto: onnx.ModelProto, axis: int, first: int, end: int) -> tuple[onnx.ModelProto, str]:
    """Return a model with some of the scores along an axis, and their tensor."""
    changed, scores, taken = _copied(proto)
    chosen = fresh("onnxcausal/some_scores", taken)
    numbers = _stored(changed, list(range(first, end)), taken)
    changed.graph.node.append(helper.make_node("Gather", [scores, numbers], [chosen], axis=axis))
    return _ending_in(changed, chosen)


def with_leads(proto: onnx.ModelProto, class_axis: int) -> tuple[onnx.ModelProto, str]:
    """Return a model of how far each class leads in any frame: its score less the best other one, the largest of all.

    Args:
        proto: the model; its one output has scores of samples, frames and classes, samples first.
        class_axis: the classes' axis, 1 or 2.
    """
    changed, scores, taken = _copied(proto)

    def add(op: str, inputs: list[str], **settings: int | list[int]) -> str:
        made = fresh(f"onnxcausal/{op.lower()}", taken)
        changed.graph.node.append(helper.make_node(op, inputs, [made]))
        changed.graph.node[-1].attribute.extend(helper.make_attribute(key, value) for key, value in settings.items())
        return made

    def best(rank: int) -> str:
        values, indices = (fresh("onnxcausal/best", taken) for _ in range(2))
        changed.graph.node.append(
            helper.make_node("TopK", [exact, _stored(changed, [rank + 1], taken)], [values, indices], axis=2)
        )
        return add("Gather", [values, _stored(changed, [rank], taken)], axis=2)

    frames = add("Transpose", [scores], perm=[0, 2, 1]) if class_axis == 1 else scores
    exact = add("Cast", [frames], to=onnx.TensorProto.FLOAT)
    highest, second = best(0), best(1)
    leads = add("Sub", [exact, add("Where", [add("Less", [exact, highest]), highest, second])])
    if opset_of(proto) >= AXES_AS_INPUT[Reduction.MAX]:
        return _ending_in(changed, add("ReduceMax", [leads, _stored(changed, [1], taken)], keepdims=0))
    return _ending_in(changed, add("ReduceMax", [leads], axes=[1], keepdims=0))


def with_score_axis(proto: onnx.ModelProto, *, of_one_sample: bool) -> tuple[onnx.ModelProto, str]:
    """Return a model whose scores along one axis are `[samples, classes]`, and their tensor.

    Args:
        proto: the model; its one output has the scores.
        of_one_sample: whether they are those of one sample's classes; else each is of another sample.
    """
    changed, scores, taken = _copied(proto)
    sizes = [1, -1] if of_one_sample else [-1, 1]
    shape = numpy_helper.from_array(np.array(sizes, np.int64), fresh("onnxcausal/row", taken))
    changed.graph.initializer.append(shape)
    row = fresh("onnxcausal/scores", taken)
    changed.graph.node.append(helper.make_node("Reshape", [scores, shape.name], [row]))
    return _ending_in(changed, row)


def _as_float(proto: onnx.ModelProto, tensor: str, taken: set[str]) -> str:
    """Let a model make a tensor's values as float32, and return their tensor."""
    cast = fresh("onnxcausal/probability", taken)
    proto.graph.node.append(helper.make_node("Cast", [tensor], [cast], to=onnx.TensorProto.FLOAT))
    return cast


def _stored(proto: onnx.ModelProto, numbers: list[int], taken: set[str]) -> str:
    """Store whole numbers, and return their name."""
    held = numpy_helper.from_array(np.array(numbers, np.int64), fresh("onnxcausal/numbers", taken))
    proto.graph.initializer.append(held)
    return str(held.name)


def _number(proto: onnx.ModelProto, value: float, taken: set[str]) -> str:
    """Store a number, and return its name."""
    stored = numpy_helper.from_array(np.array(value, np.float32), fresh("onnxcausal/number", taken))
    proto.graph.initializer.append(stored)
    return str(stored.name)


def _copied(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str, set[str]]:
    """Return a copy, the name of its one output, and the names in use."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    return changed, proto.graph.output[0].name, names_in(proto.graph)


def _ending_in(proto: onnx.ModelProto, tensor: str) -> tuple[onnx.ModelProto, str]:
    del proto.graph.output[:]
    proto.graph.output.append(onnx.ValueInfoProto(name=tensor))
    return proto, tensor
