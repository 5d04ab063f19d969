"""Small detectors as they are exported: a row or a column for each box, or boxes and scores apart."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.support.networks import Builder

SIDE, CLASSES = 16, 3
"""Pixels of a side of the image, and classes."""
NAMES = ("cat", "dog", "a bird")
STRIDES = (4, 8)
"""Pixels between the boxes of each scale."""
ANCHORS = 2
"""Boxes at each place of detectors with anchors."""
BINS = 4
"""Distances over which a side of a box is spread."""
ULTRALYTICS: Mapping[str, str] = {
    "task": "detect",
    "stride": "32",
    "imgsz": f"[{SIDE}, {SIDE}]",
    "names": str(dict(enumerate(NAMES))),
    "batch": "1",
}
"""What Ultralytics writes into its files."""
Properties: TypeAlias = Mapping[str, str]
NONE: Properties = MappingProxyType({})
"""No metadata."""


def rows(
    *, objectness: bool = True, seed: int = 0, squashed: bool = True, properties: Properties = NONE
) -> onnx.ModelProto:
    """Return a detector of anchors, `[n, boxes, 5 + classes]` (v5, v7); without objectness it is 4 + classes.

    Args:
        objectness: whether each box says if there is an object.
        seed: of the weights.
        squashed: whether scores are probabilities.
        properties: metadata.
    """
    b = Builder(np.random.default_rng(seed))
    width = 4 + objectness + CLASSES
    found = []
    for features in _scales(b):
        maps = _conv(b, features, ANCHORS * width, 8, kernel=1)
        split = b.add("Reshape", [maps, b.integers(0, ANCHORS, width, -1)])
        last = b.add("Transpose", [split], perm=[0, 1, 3, 2])
        whole = b.add("Sigmoid", [last]) if squashed else last
        found.append(b.add("Reshape", [whole, b.integers(0, -1, width)]))
    joined = b.add("Concat", found, axis=1)
    boxes = b.add("Slice", [joined, b.integers(0), b.integers(4), b.integers(2)])
    rest = b.add("Slice", [joined, b.integers(4), b.integers(width), b.integers(2)])
    scaled = b.add("Mul", [boxes, b.store(np.array([SIDE], np.float32))])
    return _model(b, {b.add("Concat", [scaled, rest], axis=2): ("n", _boxes() * ANCHORS, width)}, properties)


def columns(*, seed: int = 0, extra: int = 0, classes: int = CLASSES, properties: Properties = NONE) -> onnx.ModelProto:
    """Return a detector without anchors, `[n, 4 + classes, boxes]` (v8 to v11).

    Args:
        seed: of the weights.
        extra: further numbers of each box, after the scores, as masks and key points are.
        classes: number of classes.
        properties: metadata.
    """
    b = Builder(np.random.default_rng(seed))
    boxes, scores = _heads(b, classes)
    parts = [boxes, b.add("Sigmoid", [scores])]
    if extra:
        parts.append(b.add("Slice", [boxes, b.integers(0), b.integers(extra), b.integers(1)]))
    made = b.add("Concat", parts, axis=1)
    return _model(b, {made: ("n", 4 + classes + extra, _boxes())}, properties)


def apart(
    *,
    squashed: str = "Sigmoid",
    channels_first: bool = False,
    between: bool = False,
    seed: int = 0,
    properties: Properties = NONE,
) -> onnx.ModelProto:
    """Return a detector with two outputs, boxes `[n, boxes, 4]` and scores `[n, boxes, classes]` (SSD).

    Args:
        squashed: op that makes probabilities of the scores; empty for none.
        channels_first: put the boxes along the last axis.
        between: give boxes as `[n, boxes, 1, 4]` (v4).
        seed: of the weights.
        properties: metadata.
    """
    b = Builder(np.random.default_rng(seed))
    boxes, scores = _heads(b)
    sizes: list[Sequence[int | str]] = [("n", 4, _boxes()), ("n", CLASSES, _boxes())]
    if not channels_first:
        boxes, scores = (b.add("Transpose", [part], perm=[0, 2, 1]) for part in (boxes, scores))
        sizes = [(n, many, one) for n, one, many in sizes]
    if squashed:
        axis = {} if squashed == "Sigmoid" else {"axis": 1 if channels_first else 2}
        scores = b.add(squashed, [scores], **axis)
    if between:
        boxes, sizes[0] = b.add("Unsqueeze", [boxes, b.integers(2)]), ("n", _boxes(), 1, 4)
    return _model(b, dict(zip((scores, boxes), reversed(sizes), strict=True)), properties)


def queries(*, seed: int = 0, properties: Properties = NONE) -> onnx.ModelProto:
    """Return a detector that picks places first, and then says what is there, `[n, 10, 4 + 2]` (RT-DETR)."""
    b = Builder(np.random.default_rng(seed))
    fine = _scales(b)[0]
    places = b.add("Transpose", [b.add("Reshape", [fine, b.integers(0, 8, -1)])], perm=[0, 2, 1])
    sure = b.add("ReduceMax", [places], axes=[2], keepdims=1)
    b.ops.append(helper.make_node("TopK", [sure, b.integers(10)], ["value", "place"], name="/topk", axis=1))
    chosen = b.add("GatherElements", [places, b.add("Tile", ["place", b.integers(1, 1, 8)])], axis=1)
    boxes, scores = (b.add("Sigmoid", [b.add("MatMul", [chosen, b.weight(8, size)])]) for size in (4, 2))
    return _model(b, {b.add("Concat", [boxes, scores], axis=2): ("n", 10, 6)}, properties)


def levels(kind: str, *, seed: int = 0, properties: Properties = NONE) -> onnx.ModelProto:
    """Return a detector with an output for each scale.

    Args:
        kind: `scores` beside boxes; maps with `anchors`, those `split` from the places, or maps `without` anchors.
        seed: of the weights.
        properties: metadata.
    """
    b = Builder(np.random.default_rng(seed))
    made: dict[str, Sequence[int | str]] = {}
    boxes: dict[str, Sequence[int | str]] = {}
    width = {"scores": CLASSES, "without": 64 + CLASSES}.get(kind, ANCHORS * (5 + CLASSES))
    for features, stride in zip(_scales(b), STRIDES, strict=True):
        side = SIDE // stride
        maps = _conv(b, features, width, 8, kernel=1)
        match kind:
            case "scores":
                rows_of = b.add("Transpose", [b.add("Reshape", [maps, b.integers(0, CLASSES, -1)])], perm=[0, 2, 1])
                made[b.add("Sigmoid", [rows_of])] = ("n", side * side, CLASSES)
                flat = b.add("Reshape", [_conv(b, features, 4 * BINS, 8, kernel=1), b.integers(0, 4 * BINS, -1)])
                boxes[b.add("Transpose", [flat], perm=[0, 2, 1])] = ("n", side * side, 4 * BINS)
            case "split":
                apart_by = b.add("Reshape", [maps, b.integers(0, ANCHORS, 5 + CLASSES, side, side)])
                turned = b.add("Transpose", [apart_by], perm=[0, 1, 3, 4, 2])
                made[turned] = ("n", ANCHORS, side, side, 5 + CLASSES)
            case _:
                made[maps] = ("n", width, side, side)
    return _model(b, {**made, **boxes}, properties)


def picked(*, seed: int = 0, properties: Properties = NONE) -> tuple[onnx.ModelProto, str]:
    """Return a detector that picks its best boxes, `[n, 20, 6]` (v10), and its tensor of all of them."""
    b = Builder(np.random.default_rng(seed))
    boxes, scores = _heads(b)
    every = b.add("Concat", [boxes, b.add("Sigmoid", [scores])], axis=1)
    turned = b.add("Transpose", [every], perm=[0, 2, 1])
    where = b.add("Slice", [turned, b.integers(0), b.integers(4), b.integers(2)])
    rest = b.add("Slice", [turned, b.integers(4), b.integers(4 + CLASSES), b.integers(2)])
    best = b.add("ReduceMax", [rest], axes=[2], keepdims=1)
    b.ops.append(helper.make_node("TopK", [best, b.integers(20)], ["value", "place"], name="/topk", axis=1))
    ahead = b.add("ArgMax", [rest], axis=2, keepdims=1)
    label = b.add("Cast", [b.add("GatherElements", [ahead, "place"], axis=1)], to=TensorProto.FLOAT)
    places = b.add("Tile", ["place", b.integers(1, 1, 4)])
    chosen = b.add("GatherElements", [where, places], axis=1)
    return _model(b, {b.add("Concat", [chosen, "value", label], axis=2): ("n", 20, 6)}, properties), every


def _scales(b: Builder) -> list[str]:
    """Return feature maps of eight channels at each scale."""
    tensor = b.add("Relu", [_conv(b, "x", 8, 3, strides=[2, 2])])
    fine = b.add("Relu", [_conv(b, tensor, 8, 8, strides=[2, 2])])
    coarse = b.add("Relu", [_conv(b, fine, 8, 8, strides=[2, 2])])
    return [fine, coarse]


def _heads(b: Builder, classes: int = CLASSES) -> tuple[str, str]:
    """Return boxes `[n, 4, boxes]` and scores `[n, classes, boxes]` before they are squashed, of all scales."""
    boxes, scores = [], []
    for features in _scales(b):
        wide = b.add("Relu", [_conv(b, features, 8, 8)])
        sides = b.add("Reshape", [_conv(b, wide, 4 * BINS, 8, kernel=1), b.integers(0, 4, BINS, -1)])
        spread = b.add("Softmax", [sides], axis=2)
        weighed = b.add("Mul", [spread, b.store(np.arange(BINS, dtype=np.float32)[None, None, :, None])])
        boxes.append(b.add("ReduceSum", [weighed, b.integers(2)], keepdims=0))
        narrow = b.add("Relu", [_conv(b, features, 8, 8)])
        scores.append(b.add("Reshape", [_conv(b, narrow, classes, 8, kernel=1), b.integers(0, classes, -1)]))
    return b.add("Concat", boxes, axis=2), b.add("Concat", scores, axis=2)


def _conv(b: Builder, x: str, out: int, into: int, *, kernel: int = 3, strides: Sequence[int] = (1, 1)) -> str:
    weights = [b.weight(out, into, kernel, kernel), b.weight(out)]
    return b.add("Conv", [x, *weights], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=list(strides))


def _boxes() -> int:
    return sum((SIDE // stride) ** 2 for stride in STRIDES)


def _model(b: Builder, outputs: Mapping[str, Sequence[int | str]], properties: Properties) -> onnx.ModelProto:
    """Return the model, checked, with metadata."""
    (first, sizes), *others = outputs.items()
    graph = b.graph(["n", 3, SIDE, SIDE], first)
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in [(first, sizes), *others]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    return model
