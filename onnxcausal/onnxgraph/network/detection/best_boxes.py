"""One score per class from the boxes of a detector: the best of all of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.network.detection.columns import AXES, Columns, Detector, OpenShape, columns_of
from onnxcausal.onnxgraph.network.heads import with_reduced_scores
from onnxcausal.onnxgraph.network.io_spec import Reduction

PRESENT_AT = 0.25
"""Score of a box above which a class counts as present in an image: what detectors show by default."""
BEYOND = 1e-3
"""By which rounding may leave the range of probabilities."""
POSITIONS_AS_INPUT = 10
"""Opset from which the positions of a Slice are inputs."""
TO_THE_END = 2**31 - 1
"""Stands for the end of an axis."""


@dataclass(frozen=True, slots=True, eq=False)
class BestBoxes:
    """A detector that gives one score per class.

    Attributes:
        proto: the model, ending in them.
        classes: how many there are; None where that is not known.
        note: how they are made, one sentence.
    """

    proto: onnx.ModelProto
    classes: int | None
    note: str


def with_best_boxes(proto: onnx.ModelProto, detector: Detector, shape: OpenShape | None, where: str) -> BestBoxes:
    """Return a detector whose scores became the best of all boxes, one for each class.

    Args:
        proto: the model; its one output has the boxes.
        detector: what is known of that output.
        shape: its sizes, samples first; None where they are not known.
        where: the model and the tensor, for errors.

    Raises:
        ConfigError: its sizes are not those of a detector's output.
        ModelError: the output has boxes that the file picked itself.
    """
    columns = columns_of(detector, shape, where)
    assert shape is not None
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    tensor, taken = proto.graph.output[0].name, names_in(proto.graph)
    if columns.first or columns.count is not None:
        end = TO_THE_END if columns.count is None else columns.first + columns.count
        tensor, boxes = _part(changed, tensor, columns.axis, (columns.first, end), taken), tensor
        if columns.objectness is not None:
            at = (columns.objectness, columns.objectness + 1)
            certain = _part(changed, boxes, columns.axis, at, taken)
            product = fresh("onnxcausal/box_scores", taken)
            changed.graph.node.append(helper.make_node("Mul", [tensor, certain], [product]))
            tensor = product
    del changed.graph.output[:]
    changed.graph.output.append(onnx.ValueInfoProto(name=tensor))
    best, _ = with_reduced_scores(changed, AXES, Reduction.MAX, columns.axis)
    size = shape[columns.axis]
    classes = columns.count if columns.count is not None or size is None else size - columns.first
    return BestBoxes(best, classes, _note(columns, shape))


def check_probabilities(scores: NDArray[np.floating], where: str) -> None:
    """Refuse scores, less the threshold, that are no probabilities.

    Raises:
        ModelError: one is below 0 or above 1.
    """
    finite = scores[np.isfinite(scores)] + PRESENT_AT
    strange = finite[(finite < -BEYOND) | (finite > 1 + BEYOND)]
    if strange.size:
        raise ModelError(
            "the scores of the boxes are no probabilities",
            where=where,
            why=f"one of them is {float(strange[0]):g}: what decides that a class is present is not known",
            remedy="name the tensor of boxes and probabilities with --output, or read scores as they are with "
            "--task multilabel and --reduce max",
        )


def _part(proto: onnx.ModelProto, tensor: str, axis: int, positions: tuple[int, int], taken: set[str]) -> str:
    """Let a model take a part of a tensor along an axis, and return the part's name."""
    part = fresh("onnxcausal/part", taken)
    given, settings = [tensor], dict[str, Any](starts=[positions[0]], ends=[positions[1]], axes=[axis])
    if opset_of(proto) >= POSITIONS_AS_INPUT:
        for name, values in settings.items():
            stored = numpy_helper.from_array(np.array(values, np.int64), fresh(f"onnxcausal/{name}", taken))
            proto.graph.initializer.append(stored)
            given.append(stored.name)
        settings = {}
    proto.graph.node.append(helper.make_node("Slice", given, [part], **settings))
    return part


def _note(columns: Columns, shape: OpenShape) -> str:
    """Return how the scores are read, for people."""
    sizes = str([size or "any" for size in shape]).replace("'", "")
    times = "" if columns.objectness is None else f", times that of there being an object (at {columns.objectness})"
    end = "" if columns.count is None else f" to {columns.first + columns.count - 1}"
    return (
        f"a detector: classes stand from {columns.first}{end} along axis {columns.axis} of {sizes}; the best score of "
        f"all boxes counts{times}, and above {PRESENT_AT} a class is present: effects are on the score, shown less "
        f"{PRESENT_AT}"
    )
