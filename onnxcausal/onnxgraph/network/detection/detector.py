"""Which output of a file is a detector's (docs/detectors.md).

A detector says of each of many boxes where it is (four numbers), often whether there is an object in it (one), and how
surely that is one of each class. Files differ in the axis along which this stands, and in whether boxes and scores are
one output or two.
"""

import ast
import json
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate

import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.shape_inference import known_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, index_graph
from onnxcausal.onnxgraph.graph.op_traits import OWN_DOMAINS
from onnxcausal.onnxgraph.network.detection.columns import AXES, BOX, Detector, OpenShape, columns_of
from onnxcausal.onnxgraph.network.outcome import holds_labels
from onnxcausal.onnxgraph.network.ranges import stays_within_unit
from onnxcausal.onnxgraph.network.squashing import TRANSPARENT, Squash, behind, squash_of
from onnxcausal.onnxgraph.network.walk_back import BOUNDING, QUANTISING, RESHAPING

PICKING = frozenset({"TopK", "NonMaxSuppression"})
"""Ops that pick the best boxes."""
ULTRALYTICS_TASKS = frozenset({"detect", "segment", "pose", "obb"})
"""Values of the metadata property `task` of files whose output is one of boxes."""
MOST_ROWS = 64
"""Outputs of three axes that are looked at: no detector has more."""
LONGEST_NAMES = 2**20
"""Letters of a list of class names, at most."""


def find_detector(
    index: GraphIndex,
    outputs: Sequence[onnx.ValueInfoProto],
    metadata: Mapping[str, str],
    asked: str | None = None,
    task: Task | None = None,
) -> tuple[str, Detector] | None:
    """Return the output of a detector's scores and what is known of it; None where the file is none.

    Without being asked, a file counts as a detector if its metadata say so, or if it has an output of boxes beside one
    of scores that are probabilities.

    Args:
        index: the model.
        outputs: its outputs.
        metadata: its properties.
        asked: the tensor that was named.
        task: what the scores decide, as it was set.

    Raises:
        ModelError: it was said to be a detector, and which output has its scores is not known.
    """
    if task not in (None, Task.DETECTOR) or (asked is not None and task is None):
        return None
    classes, said_by_user = count_of_names(metadata.get("names", "")), task is Task.DETECTOR
    shapes = {value.name: _without_ones(shape_of(value)) for value in outputs if not holds_labels(value)}
    pairs = dict(_pairs(index, shapes, said=said_by_user or is_ultralytics(metadata)))
    if asked is not None:
        axis = pairs.get(asked)
        return asked, _one_output(index, asked, classes, shapes.get(asked)) if axis is None else Detector(classes, axis)
    rows = [name for name, shape in shapes.items() if shape is not None and len(shape) == AXES]
    if len(pairs) == 1:
        ((scores, axis),) = pairs.items()
        return scores, Detector(classes, axis)
    if (said_by_user or is_ultralytics(metadata)) and len(rows) == 1:
        return rows[0], _one_output(index, rows[0], classes, shapes[rows[0]])
    if said_by_user:
        raise ModelError(
            "which output has the scores of boxes is not known",
            where=f"outputs {', '.join(shapes) or 'that are no scores'}",
            why=f"{len(rows)} outputs have three axes, and {len(pairs)} of them are scores beside boxes [n, boxes, 4]; "
            "maps of several levels are understood where `names` in the metadata tell how many classes there are",
            remedy="name the output with --output, or scores at many places with --output, --reduce max, --class-axis",
        )
    return None


def scores_alone(proto: onnx.ModelProto, tensor: str, detector: Detector) -> tuple[str, Detector] | None:
    """Return the operand of a Concat that has the scores of all classes and nothing else; None where there is none.

    What says where boxes are then is no part of what decides.

    Args:
        proto: the model, without local functions.
        tensor: the tensor of boxes and scores.
        detector: what is known of it.
    """
    op = index_graph(proto, opset_of(proto)).producing(tensor)
    if detector.axis is not None or op is None or op.op_type != "Concat" or op.domain not in OWN_DOMAINS:
        return None
    shapes = known_of(proto).shapes
    if any(len(shapes.get(name, ())) != AXES for name in (tensor, *op.input)) or _open_sizes(proto, detector):
        return None
    try:
        columns = columns_of(detector, shapes[tensor], tensor)
    except (ConfigError, ModelError):  # which are told where the model is opened
        return None
    if columns.objectness is not None or attribute(op, "axis", 0) % AXES != columns.axis:
        return None
    ends = list(accumulate(shapes[name][columns.axis] for name in op.input))
    last = ends[-1] if columns.count is None else columns.first + columns.count
    for name, start, end in zip(op.input, [0, *ends], ends, strict=False):
        if (start, end) == (columns.first, last):
            return name, Detector(detector.classes, columns.axis)
    return None


def is_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether metadata are those that Ultralytics writes for a detector."""
    return metadata.get("task") in ULTRALYTICS_TASKS and "names" in metadata and "stride" in metadata


def shape_of(value: onnx.ValueInfoProto) -> OpenShape | None:
    """Return the sizes of an output as the file states them; None where it states none."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(size.dim_value or None for size in value.type.tensor_type.shape.dim)


def _pairs(index: GraphIndex, shapes: Mapping[str, OpenShape | None], *, said: bool) -> list[tuple[str, int]]:
    """Return outputs of scores, each with the axis of the classes, that stand beside one of as many boxes."""
    rows = {name: shape for name, shape in shapes.items() if shape is not None and len(shape) == AXES}
    found: list[tuple[str, int]] = []
    for name, shape in rows.items() if len(rows) <= MOST_ROWS else ():
        beside = [other for other in rows if other != name and _boxes_beside(rows[other], shape)]
        if len(beside) != 1 or BOX in shape[1:]:
            continue
        boxes = _squash(index, beside[0])
        compete = boxes is not None and boxes.first is not None
        if not compete and (said or are_probabilities(index, name)):
            found.append((name, 2 if rows[beside[0]][2] == BOX else 1))
    return found


def _without_ones(shape: OpenShape | None) -> OpenShape | None:
    """Return the sizes `[n, boxes, 4]` of boxes `[n, boxes, 1, 4]`; all others as they are."""
    if shape is None or len(shape) != AXES + 1 or shape[2:] != (1, BOX):
        return shape
    return (*shape[:2], BOX)


def _boxes_beside(boxes: OpenShape, scores: OpenShape) -> bool:
    """Whether an output has the four numbers of as many boxes as another has scores of."""
    axis = 2 if boxes[2] == BOX else 1
    return boxes[axis] == BOX and boxes[3 - axis] == scores[3 - axis] is not None


def _one_output(index: GraphIndex, tensor: str, classes: int | None, stated: OpenShape | None) -> Detector:
    """Return what is known of boxes and scores in one tensor."""
    picked, squashed, op = _picked_by_file(index), _squashed(index, tensor), index.producing(tensor)
    joins = op is not None and op.op_type == "Concat" and any(map(partial(_squashed, index), op.input))
    if tensor not in picked or joins:  # scores of boxes that others were picked to make are scores
        return Detector(classes, squashed=squashed, stated=stated)
    return Detector(classes, picks=True, candidate=_all_boxes(index, tensor, picked), stated=stated)


def _picked_by_file(index: GraphIndex) -> frozenset[str]:
    """Return the tensors that follow from ops that pick boxes."""
    pending = [name for op in index.ops if op.op_type in PICKING for name in op.output if name]
    found = set(pending)
    for name in pending:  # which grows on the way
        new = {made for use in index.uses.get(name, ()) for made in index.ops[use.op].output if made} - found
        found |= new
        pending += sorted(new)
    return frozenset(found)


def _all_boxes(index: GraphIndex, tensor: str, picked: frozenset[str]) -> str:
    """Return the nearest tensor of boxes beside scores before any are picked; empty where there is none."""
    pending, seen = [tensor], {tensor}
    for name in pending:  # which grows on the way
        op = index.producing(name)
        if op is None:
            continue
        if op.op_type == "Concat" and name not in picked and any(map(partial(_squashed, index), op.input)):
            return name
        new = [given for given in op.input if given and given not in seen]
        seen.update(new)
        pending += new
    return ""


def are_probabilities(index: GraphIndex, tensor: str) -> bool:
    """Whether a tensor holds probabilities, by its range or by what made it, quantised or not."""
    squash = _squash(index, tensor)
    return stays_within_unit(index, tensor) or (squash is not None and not squash.by.startswith("LogSoftmax"))


def _squashed(index: GraphIndex, tensor: str) -> bool:
    """Whether a tensor holds probabilities that were made of scores."""
    return _squash(index, tensor) is not None


def _squash(index: GraphIndex, tensor: str) -> Squash | None:
    """Return what made probabilities of scores, in whatever order they stand; None where a tensor holds none."""
    return squash_of(index, behind(index, tensor, TRANSPARENT | RESHAPING | QUANTISING | BOUNDING | {"Transpose"}))


def _open_sizes(proto: onnx.ModelProto, detector: Detector) -> bool:
    """Whether sizes of the boxes' tensor that are open may be taken for fixed ones."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    sizes = [shape_of(value) for value in proto.graph.input if value.name not in stored]
    return detector.stated is None and any(shape is None or None in shape[1:] for shape in sizes)


def count_of_names(text: str) -> int | None:
    """Return how many classes a list or mapping in JSON or Python names; None where it is neither."""
    if len(text) > LONGEST_NAMES:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's own, of text that is no list
                held = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return len(held) or None if isinstance(held, dict | list | tuple) else None
    return None
