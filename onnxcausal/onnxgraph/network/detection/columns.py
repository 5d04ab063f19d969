"""Where in a detector's output the scores of the classes stand, by its sizes and the number of classes."""

from dataclasses import dataclass
from typing import TypeAlias

from onnxcausal.errors import ConfigError, ModelError

OpenShape: TypeAlias = tuple[int | None, ...]
"""Sizes of a tensor, None where one is left open."""
BOX = 4
"""Numbers that say where a box is."""
KNOWN = "[n, boxes, 5 + classes] nor [n, 4 + classes, boxes]"
"""Sizes that need no names of classes."""
PICKED = 6
"""Numbers of a box that the file has picked itself: where it is, its score, its class."""
AXES = 3
"""Axes of an output of boxes: samples, boxes and what is said of each."""


@dataclass(frozen=True, slots=True)
class Detector:
    """What is known of the output of a detector before its sizes are.

    Attributes:
        classes: number of its classes; None where the file does not say.
        axis: axis of the scores, where they stand in an output of their own; None where the boxes are in it too.
        picks: whether ops before the output pick the best boxes.
        candidate: a tensor of all boxes before they are picked; empty where none is known.
        squashed: whether all of the output is a sigmoid or softmax of something.
        stated: sizes of the output as the file states them; None where it states none.
    """

    classes: int | None = None
    axis: int | None = None
    picks: bool = False
    candidate: str = ""
    squashed: bool = False
    stated: OpenShape | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the scores of the classes stand.

    Attributes:
        axis: axis along which everything that is said of one box stands.
        first: position of the first class there.
        count: number of classes; None for all that follow.
        objectness: position of the score of there being an object, by which those of the classes are multiplied.
    """

    axis: int
    first: int
    count: int | None = None
    objectness: int | None = None


def columns_of(detector: Detector, shape: OpenShape | None, where: str) -> Columns:
    """Return where in a detector's output the scores of the classes stand.

    Args:
        detector: what is known of it.
        shape: sizes of the output, samples first; None where they are not known.
        where: the model and the tensor, for errors.

    Raises:
        ConfigError: its sizes are not those of a detector's output.
        ModelError: the output has boxes that the file picked itself.
    """
    if shape is None or len(shape) != AXES:
        raise _no_rows(shape, where, "a detector's has three: samples, boxes, and what is said of each")
    if detector.axis is not None:
        return Columns(detector.axis, 0)
    middle, last = _sizes(shape, detector.stated)
    if last == PICKED and detector.picks and (middle is None or middle >= PICKED):
        raise _picked(detector, shape, where)
    if detector.classes is not None:
        found = _by_names(detector.classes, middle, last)
        if found is None:
            raise _no_rows(shape, where, f"the file names {detector.classes} classes, which do not fit")
        return found
    rows_last = last is not None and (middle is None or middle > last)
    if rows_last and last is not None and last > BOX + 1:
        return Columns(2, BOX + 1, None, BOX)
    if not rows_last and middle is not None and middle > BOX and last != middle and not detector.squashed:
        return Columns(1, BOX)
    reason = "all of it was squashed, so that no boxes are in it" if detector.squashed else "neither " + KNOWN
    raise _no_rows(shape, where, reason)


def _by_names(named: int, middle: int | None, last: int | None) -> Columns | None:
    """Return where so many classes stand; None where they do not fit.

    Scores that are followed by other numbers (masks, key points, angles) are those right after the box.
    """
    known = (
        (middle == named + BOX, Columns(1, BOX, named)),
        (last == named + BOX + 1, Columns(2, BOX + 1, named, BOX)),
        (last == named + BOX, Columns(2, BOX, named)),
        (middle == named, Columns(1, 0)),
        (last == named, Columns(2, 0)),
        (_between(named + BOX, middle, last), Columns(1, BOX, named)),
        (_between(named + BOX + 1, last, middle), Columns(2, BOX + 1, named, BOX)),
    )
    return next((columns for fits, columns in known if fits), None)


def _between(needed: int, said: int | None, boxes: int | None) -> bool:
    """Whether an axis holds more than is needed of each box, and fewer than there are boxes."""
    return said is not None and said > needed and (boxes is None or boxes > said)


def _sizes(shape: OpenShape, stated: OpenShape | None) -> tuple[int | None, int | None]:
    """Return the sizes of the two axes after the samples; those that the file leaves open are not known."""
    if stated is not None and len(stated) == AXES and any(stated[1:]):
        shape = tuple(None if said is None else size for size, said in zip(shape, stated, strict=True))
    return shape[1], shape[2]


def _no_rows(shape: OpenShape | None, where: str, why: str) -> ConfigError:
    sizes = "not known" if shape is None else str([size or "any" for size in shape]).replace("'", "")
    return ConfigError(
        "the tensor is no detector's",
        where=where,
        why=f"its shape is {sizes}: {why}",
        remedy="name the tensor of boxes and scores with --output, or read scores alone with --task multilabel, "
        "--reduce max and --class-axis",
    )


def _picked(detector: Detector, shape: OpenShape, where: str) -> ModelError:
    sizes = str([size or "any" for size in shape]).replace("'", "")
    named = f"--output {detector.candidate} --task detector" if detector.candidate else "--output and --task detector"
    return ModelError(
        "the file picks the boxes itself",
        where=where,
        why=f"its shape is {sizes}: a class is told by its number there, on which no small effect shows",
        remedy=f"name the tensor of all boxes, before the best are picked: {named}",
    )
