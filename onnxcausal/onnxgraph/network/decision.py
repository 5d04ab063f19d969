"""What a model decides by its scores, and the head that makes one score per class of them: the same for every job."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.detection.best_boxes import PRESENT_AT, with_best_boxes
from onnxcausal.onnxgraph.network.detection.columns import Detector
from onnxcausal.onnxgraph.network.heads import (
    with_both_scores,
    with_lowered_scores,
    with_score_axis,
    with_similarities,
)
from onnxcausal.onnxgraph.network.io_spec import Centroids, Reading
from onnxcausal.onnxgraph.network.places import OpenShape, placed
from onnxcausal.onnxgraph.network.ranges import stays_within_unit
from onnxcausal.onnxgraph.network.walk_back import OutcomeTensor
from onnxcausal.samples.source import InputSpec

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
    if reading.is_of_a_part:
        decision = _placed(decision, reading, outcome.class_axis, name)
    if reading.centroids is not None:
        return _compared(decision, reading.centroids, name)
    probability = as_probability or _is_probability(decision, reading)
    text = Task.MULTILABEL if reading.blank is not None else None
    task = reading.task or text or _task(decision.shape, outcome, probability=probability)
    if text and task is not text:
        raise _not_of_text(name, task)
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


def _placed(decision: Decision, reading: Reading, class_axis: int | None, name: str) -> Decision:
    """Return scores at many places as one per class."""
    found = placed(decision.proto, decision.tensor, decision.shape, reading, class_axis=class_axis, name=name)
    notes = (*decision.notes, *found.notes)
    return replace(decision, proto=found.proto, tensor=found.tensor, shape=found.shape, notes=notes)


def _compared(decision: Decision, centroids: Centroids, name: str) -> Decision:
    """Return vectors as their cosine similarities to centroids: of several, the highest decides; one is a value."""
    shape = decision.shape
    width = len(centroids[0])
    sizes = None if shape is None else shape[1:]
    if any(len(row) != width for row in centroids) or (sizes and None not in sizes and width != _product(sizes)):
        raise _not_comparable(decision, name, width)
    proto, tensor = with_similarities(decision.proto, np.array(centroids, np.float32))
    task = Task.EMBEDDING if len(centroids) > 1 else Task.REGRESSION
    after = None if shape is None else (shape[0], len(centroids))
    note = f"scores are cosine similarities to the centroids of {len(centroids)} class(es), of {width} values each"
    return replace(decision, proto=proto, tensor=tensor, shape=after, task=task, notes=(*decision.notes, note))


def _product(sizes: OpenShape) -> int:
    return prod(size for size in sizes if size is not None)


def _is_probability(decision: Decision, reading: Reading) -> bool:
    """Whether scores that may be decided by themselves stay between 0 and 1, whatever the samples hold."""
    shape = decision.shape
    alone = reading.task in (Task.BINARY, Task.MULTILABEL)
    if not alone and (reading.task is not None or shape is None or not _single(shape)):
        return False
    return stays_within_unit(index_graph(decision.proto, opset_of(decision.proto)), decision.tensor)


def _by_sample(decision: Decision, spec: InputSpec) -> Decision:
    """Return scores `[classes]` of a model of one sample as `[1, classes]`, one of each sample as `[samples, 1]`."""
    shape = decision.shape
    if shape is None or len(shape) != 1:
        return decision
    of_one_sample = spec.shape[:1] == (1,) and shape != (1,)
    proto, tensor = with_score_axis(decision.proto, of_one_sample=of_one_sample)
    return replace(decision, proto=proto, tensor=tensor, shape=(1, *shape) if of_one_sample else (*shape, 1))


def _of_boxes(decision: Decision, detector: Detector, reading: Reading, name: str) -> Decision:
    """Return the best score of each class over all boxes, less the threshold at which the class is present."""
    if reading.is_of_a_part:
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
        where=f"{name}, tensor {decision.tensor}",
        why="the file is a detector's: of each class the best score of all boxes counts",
        remedy="choose no part of them, or name the tensor that they are chosen from with --output and another --task",
    )


def _not_comparable(decision: Decision, name: str, width: int) -> ConfigError:
    shape = decision.shape
    sizes = "unknown" if shape is None else ", ".join("any" if size is None else str(size) for size in shape)
    return ConfigError(
        "the centroids are not of this embedding",
        where=f"{name}, tensor {decision.tensor}, centroids",
        why=f"they are of {width} values, or of several sizes; the tensor's shape is [{sizes}], samples first",
        remedy="leave centroids out: they are found from the references; or name another tensor with --output",
    )


def _not_of_text(name: str, task: Task | None) -> ConfigError:
    return ConfigError(
        "a sequence with a blank decides for each class on its own",
        where=f"{name}, --blank",
        why=f"the task asked for is {task}",
        remedy="leave --task out",
    )
