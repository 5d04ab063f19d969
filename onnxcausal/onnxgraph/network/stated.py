"""What the values of a file's output say of samples, and where that is not what the measured scores say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.network.deployed import DecidingOutput, Kind
from onnxcausal.onnxgraph.runner.rounding import FLOAT_NOISE, LARGEST_SHARE
from onnxcausal.samples.class_names import matching

Flags: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.floating]
NO_CLASS = -1
"""Stands for what is said where it is none of the classes."""
NOISE = 15 * FLOAT_NOISE
"""Largest difference of two scores of one sample that rounding may turn over, in epsilons times its largest score."""
STEPS = 2
"""Values of an output that are so many epsilons apart count as equal."""
MOST_DIGITS = 9
"""Of the index of a class: no model has more of them."""
HALF = 0.5
"""What a sigmoid makes of a score of 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What an output says of some samples.

    Attributes:
        decided: the class, `[samples]`; where each class is decided on its own, whether, `[samples, classes]`.
        tied: classes whose value is as high as the highest one (of a class on its own: at the threshold),
            `[samples, classes]`.
        said: what it says of each sample, for people.
    """

    decided: NDArray[np.int64] | Flags
    tied: Flags
    said: Sequence[str]


@dataclass(slots=True)
class Vocabulary:
    """Names that a file has for classes.

    Attributes:
        names: those that are known, by class.
        seen: other names, each with the class it was first said for.
    """

    names: tuple[str, ...] | None = None
    seen: dict[str, int] = field(default_factory=dict)

    def class_of(self, label: object, decided: int) -> int:
        """Return the class that a label stands for, `NO_CLASS` where it cannot be one.

        A whole number is the class of that index. Another name is the class of that name; one that is not known
        stands for the class it was first said for, and that class has no second one.

        Args:
            label: a number or a name.
            decided: the class that the scores say.
        """
        text = label.decode(errors="replace") if isinstance(label, bytes) else str(label)
        whole = text.strip().removesuffix(".0")
        if whole.removeprefix("-").isdecimal():
            return max(NO_CLASS, int(whole)) if len(whole) <= MOST_DIGITS else NO_CLASS
        known = matching(text, self.names or ())
        if len(known) == 1:
            return known[0]
        if decided not in self.seen.values():
            self.seen.setdefault(text, decided)
        return self.seen.get(text, NO_CLASS)


def stated_by(
    output: DecidingOutput,
    value: object,
    scores: Scores,
    task: Task,
    vocabulary: Vocabulary,
    *,
    decided_at: float = 0.0,
) -> Stated | None:
    """Return what an output says of the samples that were run, None where it cannot be told sample by sample.

    Args:
        output: the output.
        value: what it holds: a tensor, or a map from classes to values for each sample.
        scores: measured scores of the samples, `[samples, classes]`.
        task: what scores decide.
        vocabulary: names of the classes.
        decided_at: what a score by itself is held to, where no op made a probability of it.
    """
    if isinstance(value, list):
        return _of_maps(value, scores, vocabulary)
    assert isinstance(value, np.ndarray)
    rows = _rows(value, *scores.shape)
    if output.kind is Kind.SCORES:
        return None if rows is None else _of_scores(rows, output.squashed_by, scores, task, decided_at)
    if task is Task.MULTILABEL:
        return None if rows is None else _of_flags(rows)
    if output.kind is Kind.RANKING:
        best = value.reshape(len(value), -1)[:, 0] if value.ndim and len(value) == len(scores) and value.size else None
        return None if best is None else _of_labels(best, scores, vocabulary)
    if value.size == len(scores):
        return _of_labels(value.reshape(-1), scores, vocabulary)
    return None if rows is None else _of_one_hot(rows, scores, task)


def unreadable(scores: Scores) -> Stated:
    """Return what an output says of samples, `[samples, classes]`, that fails or does not have a row for each."""
    said = ["nothing of this sample"] * len(scores)
    return Stated(np.full(len(scores), NO_CLASS, np.int64), np.zeros(scores.shape, np.bool_), said)


def differing(stated: Stated, scores: Scores, *, coarse: bool) -> tuple[Flags, Flags]:
    """Return on which samples an output says otherwise than the scores, and on which of those by rounding alone.

    It is rounding where the two classes have scores, or values of the output, that are as good as equal.

    Args:
        stated: what the output says.
        scores: the scores, `[samples, classes]`.
        coarse: whether they are computed in whole numbers or half precision.
    """
    epsilon = max(float(np.finfo(scores.dtype).eps), float(np.finfo(np.float32).eps))
    close = (LARGEST_SHARE if coarse else NOISE * epsilon) * np.abs(scores).max(axis=1, keepdims=True)
    if stated.decided.ndim > 1:
        wrong = stated.decided != (scores > 0)
        return wrong.any(axis=1), (stated.tied | (np.abs(scores) <= close) | ~wrong).all(axis=1) & wrong.any(axis=1)
    rows, own = np.arange(len(scores)), scores.argmax(axis=1)
    differs = stated.decided != own
    other = np.where((stated.decided >= 0) & (stated.decided < scores.shape[1]), stated.decided, own)
    near = scores[rows, own] - scores[rows, other] <= close[:, 0]
    tied = stated.tied[rows, own] & stated.tied[rows, other]
    return differs, differs & (near | tied) & (other == stated.decided)


def _rows(value: NDArray[np.generic], samples: int, classes: int) -> Scores | None:
    """Return a tensor as `[samples, values]`, None where it does not have one row for each sample."""
    if value.dtype.kind not in "fiub" or not samples or value.size % samples:
        return None
    width = value.size // samples
    sizes = [size for size in value.shape if size != 1]
    wanted = [size for size in (samples, width) if size != 1]
    if width not in (1, classes) or sizes != wanted:
        return None
    kept = value if value.dtype.kind == "f" else value.astype(np.float64)
    return np.asarray(kept).reshape(samples, width)


def _of_scores(rows: Scores, squashed_by: str, scores: Scores, task: Task, decided_at: float) -> Stated | None:
    resolution = STEPS * np.finfo(rows.dtype).eps
    threshold = HALF if squashed_by else decided_at
    competing = squashed_by.startswith(("Softmax", "LogSoftmax")) and rows.shape[1] > 1
    if task is Task.MULTILABEL and not competing:
        if rows.shape != scores.shape:
            return None
        said = [", ".join(map(str, np.flatnonzero(row > threshold))) or "no class" for row in rows]
        return Stated(rows > threshold, np.abs(rows - threshold) <= resolution * max(threshold, HALF), said)
    if rows.shape[1] == 1:
        rows = np.concatenate([threshold - rows, rows - threshold], axis=1)
    if rows.shape != scores.shape:
        return None
    highest = rows.max(axis=1, keepdims=True)
    size = np.abs(rows).max(axis=1, keepdims=True)
    decided = rows.argmax(axis=1).astype(np.int64)
    return Stated(decided, rows >= highest - resolution * size, [f"class {number}" for number in decided])


def _of_labels(labels: NDArray[np.generic], scores: Scores, vocabulary: Vocabulary) -> Stated:
    decided = [
        vocabulary.class_of(label, own) for label, own in zip(labels.tolist(), scores.argmax(axis=1), strict=True)
    ]
    return Stated(
        np.array(decided, np.int64), np.zeros(scores.shape, np.bool_), [str(label) for label in labels.tolist()]
    )


def _of_flags(rows: Scores) -> Stated:
    said = [", ".join(map(str, np.flatnonzero(row > 0))) or "no class" for row in rows]
    return Stated(rows > 0, np.zeros(rows.shape, np.bool_), said)


def _of_one_hot(rows: Scores, scores: Scores, task: Task) -> Stated | None:
    """Return what rows of a single 1 say; other whole numbers say nothing of a class."""
    if rows.shape != scores.shape or not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()):
        return None
    return _of_scores(rows, "", scores, task, 0.0)


def _of_maps(maps: list[Mapping[object, float]], scores: Scores, vocabulary: Vocabulary) -> Stated | None:
    """Return what a map from classes to values says of each sample."""
    if len(maps) != len(scores):
        return None
    decided = np.full(len(maps), NO_CLASS, np.int64)
    tied = np.zeros(scores.shape, np.bool_)
    said = []
    for number, (values, own) in enumerate(zip(maps, scores.argmax(axis=1).tolist(), strict=True)):
        best = max(values, key=lambda key: values[key])
        said.append(str(best))
        decided[number] = vocabulary.class_of(best, own)
        if isinstance(best, int):
            for key, value in values.items():
                if isinstance(key, int) and 0 <= key < scores.shape[1] and value >= values[best]:
                    tied[number, key] = True
    return Stated(decided, tied, said)
