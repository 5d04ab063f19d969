"""Scores at many places made into one per class: a place is chosen, some are reduced, frames are read as a text."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.network.heads import (
    AXES_OF_MAPS,
    with_leads,
    with_place,
    with_reduced_scores,
    with_samples_first,
    with_some_scores,
    with_value_axis,
)
from onnxcausal.onnxgraph.network.io_spec import Reading

OpenShape: TypeAlias = tuple[int | None, ...]
"""Sizes of a tensor, None where one is left open."""
OF_FRAMES = 3
"""Axes of scores of a sequence: samples, frames, classes."""
LEAST_OPSET_OF_LEADS = 11
"""Opset from which all ops that compare frames are there."""
VALUES = (Task.REGRESSION, Task.BINARY)
"""Tasks of numbers that may have no axis of classes."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Scores on their way to one per class.

    Attributes:
        proto: the model, ending in them.
        tensor: their tensor.
        shape: its sizes, samples first.
        axis: the axis of the classes.
        places: its other axes but that of the samples, ascending.
        notes: what was done to the scores, one sentence each.
    """

    proto: onnx.ModelProto
    tensor: str
    shape: OpenShape
    axis: int
    places: tuple[int, ...]
    notes: tuple[str, ...] = ()


def placed(
    proto: onnx.ModelProto, tensor: str, shape: OpenShape | None, reading: Reading, *, class_axis: int | None, name: str
) -> Placed:
    """Return one score per class, as far as it was said how.

    Args:
        proto: the model, ending in scores.
        tensor: their tensor.
        shape: its sizes; None where they are not known.
        reading: how it is read.
        class_axis: axis along which the scores compete, if that is known.
        name: the model's name, for errors.

    Raises:
        ConfigError: the tensor has no such places, classes or axes.
    """
    found = _arranged(proto, tensor, shape, reading, class_axis=class_axis, name=name)
    if reading.at is not None:
        found = _at(found, reading.at, name)
    if reading.scores is not None:
        found = _some(found, reading.scores, name)
    if reading.blank is not None:
        return _read_as_text(found, reading.blank, name)
    if reading.reduce is None:
        return found
    if not found.places:
        raise _not_reducible(found.tensor, found.shape, name)
    reduced, ending = with_reduced_scores(found.proto, len(found.shape), reading.reduce, found.axis)
    note = f"scores are reduced by {reading.reduce}"
    stands = f"; classes stand along axis {found.axis} of {list(found.shape)}".replace("None", "any")
    if found.tensor.startswith("onnxcausal/values"):
        stands = ""
    sizes = (found.shape[0], found.shape[found.axis])
    return replace(
        found, proto=reduced, tensor=ending, shape=sizes, axis=1, places=(), notes=(*found.notes, note + stands)
    )


def _arranged(
    proto: onnx.ModelProto, tensor: str, shape: OpenShape | None, reading: Reading, *, class_axis: int | None, name: str
) -> Placed:
    """Return scores with the samples first and the axis of the classes known."""
    if shape is None or len(shape) < 2:  # noqa: PLR2004
        raise _not_reducible(tensor, shape, name)
    rank = len(shape)
    asked = reading.class_axis
    if asked is not None and not -rank <= asked < rank:
        raise _no_class_axis(tensor, name, shape, asked)
    axis = class_axis if asked is None else asked
    axis = None if axis is None else axis % rank
    if axis is None and rank >= AXES_OF_MAPS and reading.task is not Task.BINARY:
        axis = 1
    first = reading.sample_axis or 0
    if not -rank <= first < rank:
        where = f"{name}, tensor {tensor}, --sample-axis {first}"
        raise _not_there("the axis of the samples", where, f"its shape is {_shown(shape)}")
    if first % rank:
        first %= rank
        proto, tensor = with_samples_first(proto, rank, first)
        order = [first, *(other for other in range(rank) if other != first)]
        shape, axis = tuple(shape[other] for other in order), None if axis is None else order.index(axis)
    if axis is None and (reading.task in VALUES or (rank == 2 and asked is None and reading.at)):  # noqa: PLR2004
        proto, tensor = with_value_axis(proto)
        shape, axis = (*shape, 1), rank
    elif axis is None and (reading.at is not None or reading.blank is not None or rank == 2):  # noqa: PLR2004
        axis = rank - 1
    if not axis:
        raise _no_class_axis(tensor, name, shape, asked)
    places = tuple(other for other in range(1, len(shape)) if other != axis)
    return Placed(proto, tensor, shape, axis, places)


def _at(found: Placed, at: tuple[int, ...], name: str) -> Placed:
    """Return the scores at one place."""
    if len(at) > len(found.places):
        raise ConfigError(
            "there are fewer places than were named",
            where=f"{name}, tensor {found.tensor}, --at {','.join(map(str, at))}",
            why=f"its shape is {_shown(found.shape)}: {len(found.places)} axes beside those of samples and classes",
            remedy="name one place for each of them at most",
        )
    chosen = dict(zip(found.places, at, strict=False))
    for axis, place in chosen.items():
        size = found.shape[axis]
        if size is not None and not -size <= place < size:
            why = f"its shape is {_shown(found.shape)}: {size} places along axis {axis}"
            raise _not_there("the place", f"{name}, tensor {found.tensor}, --at {place}", why)
    proto, tensor = found.proto, found.tensor
    for axis in sorted(chosen, reverse=True):
        proto, tensor = with_place(proto, axis, chosen[axis])
    kept = [axis for axis in range(len(found.shape)) if axis not in chosen]
    told = ", ".join(f"{place} of axis {axis}" for axis, place in chosen.items())
    return replace(
        found,
        proto=proto,
        tensor=tensor,
        shape=tuple(found.shape[axis] for axis in kept),
        axis=kept.index(found.axis),
        places=tuple(place for place, axis in enumerate(kept) if axis not in (0, found.axis)),
        notes=(*found.notes, f"scores are those at place {told} of {_shown(found.shape)}"),
    )


def _some(found: Placed, scores: tuple[int, int], name: str) -> Placed:
    """Return some of the scores along the axis of the classes."""
    first, end = scores
    size = found.shape[found.axis]
    if not 0 <= first < end or (size is not None and end > size):
        raise ConfigError(
            "there are no such scores",
            where=f"{name}, tensor {found.tensor}, --scores {first}:{end}",
            why=f"axis {found.axis} of {_shown(found.shape)} has the scores",
            remedy="name the first, and the one past the last, like 0:10",
        )
    proto, tensor = with_some_scores(found.proto, found.axis, first, end)
    shape = tuple(end - first if axis == found.axis else size for axis, size in enumerate(found.shape))
    note = f"decided is between the scores {first} to {end - 1}, which are classes 0 to {end - first - 1}"
    return replace(found, proto=proto, tensor=tensor, shape=shape, notes=(*found.notes, note))


def _read_as_text(found: Placed, blank: int, name: str) -> Placed:
    """Return how far each class leads in any frame."""
    size = found.shape[found.axis]
    if len(found.shape) != OF_FRAMES or (size is not None and not (-size <= blank < size and size > 1)):
        raise ConfigError(
            "the scores are no sequence of frames with such a blank",
            where=f"{name}, tensor {found.tensor}, --blank {blank}",
            why=f"its shape is {_shown(found.shape)}, samples first; classes stand along axis {found.axis}",
            remedy="name scores [samples, frames, classes] with --output, --class-axis and --sample-axis",
        )
    if opset_of(found.proto) < LEAST_OPSET_OF_LEADS:
        raise ConfigError(
            "frames cannot be compared",
            where=f"{name}, --blank",
            why=f"the model is of opset {opset_of(found.proto)}, and the ops that do it are of {LEAST_OPSET_OF_LEADS}",
            remedy="convert the model to a later opset, or use --reduce max",
        )
    proto, tensor = with_leads(found.proto, found.axis)
    last = blank if blank >= 0 or size is None else blank + size
    note = (
        "a class is decided where it has the highest score of any frame, which is how far it leads there; "
        f"class {last} is the blank"
    )
    return replace(
        found, proto=proto, tensor=tensor, shape=(found.shape[0], size), axis=1, places=(), notes=(*found.notes, note)
    )


def _shown(shape: OpenShape) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _no_class_axis(tensor: str, name: str, shape: OpenShape, asked: int | None) -> ConfigError:
    return ConfigError(
        "the axis of the classes is not known" if asked is None else f"classes do not stand along axis {asked}",
        where=f"{name}, tensor {tensor}",
        why=f"its shape is {_shown(shape)}, samples first",
        remedy=f"name the axis with --class-axis, from 1 to {len(shape) - 1}",
    )


def _not_there(what: str, where: str, why: str) -> ConfigError:
    remedy = "count from 0, or from the last one with negative numbers"
    return ConfigError(f"{what} is not there", where=where, why=why, remedy=remedy)


def _not_reducible(tensor: str, shape: OpenShape | None, name: str) -> ConfigError:
    return ConfigError(
        "there is nothing to reduce",
        where=f"{name}, tensor {tensor}",
        why="its shape is not known" if shape is None else f"it has {len(shape)} axes: samples and classes",
        remedy="leave --reduce out, or name a tensor of scores at many places with --output",
    )
