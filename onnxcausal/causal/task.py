"""What a model decides, and when it is right about a sample."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """What the scores of a model decide."""

    CLASSIFICATION = "classification"
    """One of several classes: the one with the highest score."""
    BINARY = "binary"
    """One of two classes, by the sign of a single score; the other class has that score negated."""
    MULTILABEL = "multilabel"
    """Each class on its own: those with a positive score."""
    DETECTOR = "detector"
    """Each class on its own: whether one of many boxes has it. It is asked for; what is measured then is multilabel."""
    REGRESSION = "regression"
    """Numbers: every output is an outcome, and every sample is used."""
    EMBEDDING = "embedding"
    """Whom a vector is most like: the class whose centroid it has the highest cosine similarity to."""

    @property
    def compares(self) -> bool:
        """Whether the classes compete, so that a margin between them means something."""
        return self in (Task.CLASSIFICATION, Task.BINARY, Task.EMBEDDING)


def is_right(scores: NDArray[np.floating], target: int, task: Task) -> NDArray[np.bool_]:
    """Return which samples the model decides as the target class, `[samples]`.

    Args:
        scores: scores `[samples, classes]` before any softmax or sigmoid.
        target: the class.
        task: what the scores decide.

    >>> is_right(np.array([[0.5, 2.0], [-1.0, -2.0]]), 1, Task.CLASSIFICATION).tolist()
    [True, False]
    >>> is_right(np.array([[0.5, 2.0], [-1.0, -2.0]]), 0, Task.MULTILABEL).tolist()
    [True, False]
    """
    match task:
        case Task.CLASSIFICATION | Task.BINARY | Task.EMBEDDING:
            return np.asarray(scores.argmax(axis=1) == target)
        case Task.MULTILABEL | Task.DETECTOR:
            return np.asarray(scores[:, target] > 0)
        case Task.REGRESSION:
            return np.ones(len(scores), np.bool_)
