"""Detectors that give their boxes level by level, an output for each size of boxes: joined into one tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.network.detection.columns import AXES, BOX, Detector, OpenShape
from onnxcausal.onnxgraph.network.detection.detector import (
    MOST_ROWS,
    are_probabilities,
    count_of_names,
    find_detector,
    is_ultralytics,
    scores_alone,
    shape_of,
)
from onnxcausal.onnxgraph.network.outcome import holds_labels
from onnxcausal.onnxgraph.network.tensor_name import tensor_of

Found: TypeAlias = tuple[onnx.ModelProto, str, Detector]
"""A model, its tensor of boxes and scores, and what is known of that."""
FEWEST = 2
"""Levels that a detector has, at least."""
SIDES = 64
"""Channels that say where a box is, in maps without anchors: sixteen distances to each side."""
MAP, SPLIT_MAP = 4, 5
"""Axes of a map: samples, channels, rows and columns; or samples, anchors, rows, columns and channels."""


def with_detector(model: Model, asked: str | None, task: Task | None) -> tuple[Model, str | None, Detector | None]:
    """Return a model with the tensor of a detector's scores, and what is known of it.

    Args:
        model: the model, without local functions.
        asked: the output or inner tensor that was named.
        task: what the scores decide, as it was set.

    Returns:
        The model itself and what was asked for where it is no detector.

    Raises:
        ModelError: it was said to be a detector, and which output has its scores is not known.
        ConfigError: there is no tensor of that name.
    """
    index, outputs = index_graph(model.proto, model.opset), model.proto.graph.output
    if asked is None and task in (None, Task.DETECTOR):
        said = task is Task.DETECTOR or is_ultralytics(model.metadata)
        shapes = {value.name: shape_of(value) or () for value in outputs if not holds_labels(value)}
        levels = _of_scores(model.proto, index, shapes) or (_of_maps(model, index, shapes) if said else None)
        if levels is not None:
            return replace(model, proto=levels[0]), levels[1], levels[2]
    if asked is not None and task is Task.DETECTOR:
        asked = tensor_of(model, index, asked)
    found = find_detector(index, outputs, model.metadata, asked, task)
    if found is None:
        return model, asked, None
    return model, *(scores_alone(model.proto, *found) or found)


@dataclass(slots=True)
class _Joining:
    """Ops that are added to a model."""

    proto: onnx.ModelProto
    taken: set[str] = field(default_factory=set)

    def add(
        self, op_type: str, inputs: Sequence[str], axis: int | None = None, perm: Sequence[int] | None = None
    ) -> str:
        """Append an op, and return its output."""
        made = fresh(f"onnxcausal/{op_type.lower()}", self.taken)
        self.proto.graph.node.append(helper.make_node(op_type, list(inputs), [made], axis=axis, perm=perm))
        return made

    def reshaped(self, tensor: str, *sizes: int) -> str:
        """Append a Reshape; 0 leaves a size, -1 is what is left."""
        stored = numpy_helper.from_array(np.array(sizes, np.int64), fresh("onnxcausal/sizes", self.taken))
        self.proto.graph.initializer.append(stored)
        return self.add("Reshape", [tensor, stored.name])


def _joining(proto: onnx.ModelProto) -> _Joining:
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    return _Joining(changed, names_in(proto.graph))


def _of_scores(proto: onnx.ModelProto, index: GraphIndex, shapes: Mapping[str, OpenShape]) -> Found | None:
    """Return a model whose probabilities `[n, boxes, classes]`, with as many boxes beside each level, are joined."""
    rows = {name: shape for name, shape in shapes.items() if len(shape) == AXES and None not in shape[1:]}
    if len(rows) > MOST_ROWS:
        return None
    scores = [name for name in rows if are_probabilities(index, name)]
    boxes = [name for name in rows if name not in scores]
    if len(scores) < FEWEST or len({rows[name][2] for name in scores}) != 1:
        return None
    if sorted(rows[name][1] or 0 for name in scores) != sorted(rows[name][1] or 0 for name in boxes):
        return None
    if len({rows[name][2] for name in boxes}) != 1 or (rows[boxes[0]][2] or 0) % BOX:
        return None
    joining = _joining(proto)
    joined = joining.add("Concat", scores, axis=1)
    return joining.proto, joined, Detector(rows[scores[0]][2], 2)


def _of_maps(model: Model, index: GraphIndex, shapes: Mapping[str, OpenShape]) -> Found | None:
    """Return a model whose maps of each level are joined as the head of such detectors joins them."""
    ranks = {len(shape) for shape in shapes.values()}
    if len(shapes) < FEWEST or ranks not in ({MAP}, {SPLIT_MAP}):
        return None
    split = ranks == {SPLIT_MAP}
    widths = {shape[SPLIT_MAP - 1 if split else 1] for shape in shapes.values()}
    width = (widths.pop() or 0) if len(widths) == 1 else 0
    named = width - BOX - 1 if split else count_of_names(model.metadata.get("names", ""))
    if named is None or named < 1 or width < 1:
        return None
    if split:
        return _with_anchors(
            model.proto, index, list(shapes), lambda add, name: add.reshaped(name, 0, -1, width), named
        )
    if width == SIDES + named:
        return _without_anchors(model.proto, index, list(shapes), named)
    anchors, left = divmod(width, BOX + 1 + named)

    def turned(add: _Joining, name: str) -> str:
        maps = add.reshaped(name, 0, anchors, BOX + 1 + named, -1)
        return add.reshaped(add.add("Transpose", [maps], perm=[0, 1, 3, 2]), 0, -1, BOX + 1 + named)

    return None if left else _with_anchors(model.proto, index, list(shapes), turned, named)


def _with_anchors(
    proto: onnx.ModelProto,
    index: GraphIndex,
    maps: Sequence[str],
    as_rows: Callable[[_Joining, str], str],
    classes: int,
) -> Found:
    """Return a model whose maps became rows of a box, of there being an object and of classes."""
    joining = _joining(proto)
    joined = joining.add("Concat", [as_rows(joining, name) for name in maps], axis=1)
    return joining.proto, _probable(joining, index, maps, joined), Detector(classes)


def _without_anchors(proto: onnx.ModelProto, index: GraphIndex, maps: Sequence[str], classes: int) -> Found:
    """Return a model whose maps became columns of the scores of classes, where boxes come first."""
    joining = _joining(proto)
    flat = [joining.reshaped(name, 0, SIDES + classes, -1) for name in maps]
    joined = joining.add("Concat", flat, axis=2)
    picked = numpy_helper.from_array(
        np.arange(SIDES, SIDES + classes, dtype=np.int64), fresh("onnxcausal/classes", joining.taken)
    )
    joining.proto.graph.initializer.append(picked)
    scores = joining.add("Gather", [joined, picked.name], axis=1)
    return joining.proto, _probable(joining, index, maps, scores), Detector(classes, 1)


def _probable(joining: _Joining, index: GraphIndex, maps: Sequence[str], tensor: str) -> str:
    """Return the tensor as probabilities, which maps that stay between 0 and 1 hold already."""
    return tensor if all(are_probabilities(index, name) for name in maps) else joining.add("Sigmoid", [tensor])
