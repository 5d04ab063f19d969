"""What a model decides by its scores, and the head that makes one score per class of them: the same for every job."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.detector import Detector
from onnxcausal.onnxgraph.network.detector_head import PRESENT_AT, with_best_boxes
from onnxcausal.onnxgraph.network.heads import (
    axis_of_classes,
    with_batch_axis,
    with_both_scores,
    with_lowered_scores,
    with_reduced_scores,
)
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.outcome import OutcomeTensor
from onnxcausal.onnxgraph.network.ranges import stays_within_unit
from onnxcausal.samples.source import InputSpec

OpenShape: TypeAlias = tuple[int | None, ...]
"""Sizes of a tensor, None where one is left open."""
LEAST_REDUCED = 3
"""Axes of scores at many places: samples, places, classes."""
HALF = 0.5
ONE_AT_HALF = "the score is a probability p, decided at 0.5: the scores of the two classes are 1 - p and p"
EACH_AT_HALF = "the scores are probabilities, each decided at 0.5: effects are on the probability, shown less 0.5"
BINARY_SCORES = 2
"""Scores that a single one is made into."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A model that gives one score per class, and what they decide.

    Attributes:
        proto: the model, ending in those scores.
        tensor: the tensor that holds them.
        shape: its sizes; None where they are not known.
        task: what the scores decide; None where neither was it set nor do their sizes tell.
        notes: what was done to the scores, one sentence each.
        decided_at: what the file's own score of a class is held to, where each is decided by itself.
    """

    proto: onnx.ModelProto
    tensor: str
    shape: OpenShape | None
    task: Task | None = None
    notes: tuple[str, ...] = ()
    decided_at: float = 0.0


def decide_by(
    proto: onnx.ModelProto,
    shape: OpenShape | None,
    *,
    name: str,
    spec: InputSpec,
    outcome: OutcomeTensor,
    reading: Reading,
    as_probability: bool = False,
    detector: Detector | None = None,
) -> Decision:
    """Return a model with a head that gives one score per class.

    A score by itself is decided by its sign; one that is a probability, by its range, at a half.

    Args:
        proto: the model, cut at its scores.
        shape: sizes of the scores, samples first; None where they are not known.
        name: the model's name, for errors.
        spec: the input that takes the samples.
        outcome: the tensor of the scores as it was found.
        reading: how the scores are read.
        as_probability: take scores that are decided by themselves for probabilities whatever their range is.
        detector: what is known of a detector's output; None where the model is none.

    Raises:
        ConfigError: the scores cannot be read that way.
    """
    if detector is not None:
        return _of_boxes(Decision(proto, outcome.tensor, shape), detector, reading, name)
    decision = _by_sample(Decision(proto, outcome.tensor, shape), spec)
    if reading.reduce is not None:
        decision = _reduced(decision, reading, name)
    probability = as_probability or _is_probability(decision, reading)
    task = reading.task or _task(decision.shape, outcome, probability=probability)
    if task is Task.MULTILABEL and probability:
        lowered, tensor = with_lowered_scores(decision.proto, HALF)
        notes = (*decision.notes, EACH_AT_HALF)
        return replace(decision, proto=lowered, tensor=tensor, task=task, decided_at=HALF, notes=notes)
    if task is not Task.BINARY:
        return replace(decision, task=task)
    sizes = decision.shape
    if sizes is not None and not _single(sizes) and sizes[-1] is not None:
        raise _not_binary(decision, name, sizes[-1])
    both, tensor = with_both_scores(decision.proto, probability=probability)
    after = None if sizes is None else (sizes[0], BINARY_SCORES)
    decision = replace(decision, proto=both, tensor=tensor, shape=after, task=task)
    return replace(decision, decided_at=HALF, notes=(*decision.notes, ONE_AT_HALF)) if probability else decision


def _is_probability(decision: Decision, reading: Reading) -> bool:
    """Whether scores that may be decided by themselves stay between 0 and 1, whatever the samples hold."""
    shape = decision.shape
    alone = reading.task in (Task.BINARY, Task.MULTILABEL)
    if not alone and (reading.task is not None or shape is None or not _single(shape)):
        return False
    return stays_within_unit(index_graph(decision.proto, opset_of(decision.proto)), decision.tensor)


def _by_sample(decision: Decision, spec: InputSpec) -> Decision:
    """Return scores `[classes]` of a model of one sample as `[1, classes]`."""
    shape = decision.shape
    if spec.shape[:1] != (1,) or shape is None or len(shape) != 1 or shape == (1,):
        return decision
    proto, tensor = with_batch_axis(decision.proto)
    return replace(decision, proto=proto, tensor=tensor, shape=(1, *shape))


def _reduced(decision: Decision, reading: Reading, name: str) -> Decision:
    """Return scores at many places as one per class."""
    shape = decision.shape
    assert reading.reduce is not None
    if shape is None or len(shape) < LEAST_REDUCED:
        raise _not_reducible(decision, name)
    axis = axis_of_classes(len(shape), reading.class_axis)
    if axis is None:
        raise _no_class_axis(decision, name, shape, reading.class_axis)
    proto, tensor = with_reduced_scores(decision.proto, len(shape), reading.reduce, axis)
    note = f"scores are reduced by {reading.reduce}; classes stand along axis {axis} of {list(shape)}"
    notes = (*decision.notes, note.replace("None", "any"))
    return replace(decision, proto=proto, tensor=tensor, shape=(shape[0], shape[axis]), notes=notes)


def _of_boxes(decision: Decision, detector: Detector, reading: Reading, name: str) -> Decision:
    """Return the best score of each class over all boxes, less the threshold at which the class is present."""
    if reading.reduce is not None:
        raise _reduced_twice(decision, name)
    head = with_best_boxes(decision.proto, detector, decision.shape, f"{name}, tensor {decision.tensor}")
    lowered, tensor = with_lowered_scores(head.proto, PRESENT_AT)
    shape = None if decision.shape is None else (decision.shape[0], head.classes)
    return Decision(lowered, tensor, shape, Task.MULTILABEL, (head.note,), PRESENT_AT)


def _task(shape: OpenShape | None, outcome: OutcomeTensor, *, probability: bool) -> Task | None:
    """Return what scores decide, by their number and by what follows them."""
    if shape is None:
        return None
    if not _single(shape):
        return Task.CLASSIFICATION
    return Task.BINARY if probability or outcome.squashed_by.startswith("Sigmoid") else Task.REGRESSION


def _single(shape: OpenShape) -> bool:
    """Whether there is one score a sample."""
    return all(size == 1 for size in shape[1:])


def _no_class_axis(decision: Decision, name: str, shape: OpenShape, asked: int | None) -> ConfigError:
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return ConfigError(
        "the axis of the classes is not known" if asked is None else f"classes do not stand along axis {asked}",
        where=f"{name}, tensor {decision.tensor}",
        why=f"its shape is [{sizes}], samples first",
        remedy=f"name the axis with --class-axis, from 1 to {len(shape) - 1}",
    )


def _not_binary(decision: Decision, name: str, scores: int) -> ConfigError:
    return ConfigError(
        "there is no single score to decide by",
        where=f"{name}, tensor {decision.tensor}, --task binary",
        why=f"one sample has {scores} scores",
        remedy="leave --task out: the highest score decides",
    )


def _reduced_twice(decision: Decision, name: str) -> ConfigError:
    return ConfigError(
        "the scores of a detector are reduced already",
        where=f"{name}, tensor {decision.tensor}, --reduce",
        why="the file is a detector's: the best score of a class over all boxes counts",
        remedy="leave --reduce out, or name the tensor to be reduced with --output",
    )


def _not_reducible(decision: Decision, name: str) -> ConfigError:
    shape = decision.shape
    return ConfigError(
        "there is nothing to reduce",
        where=f"{name}, tensor {decision.tensor}",
        why="its shape is not known" if shape is None else f"it has {len(shape)} axes: samples and classes",
        remedy="leave --reduce out, or name a tensor of scores at many places with --output",
    )
