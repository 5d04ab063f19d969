"""Probabilities of classes from what a model gives for them."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.task import Task


def log_probabilities(scores: NDArray[np.floating], task: Task, *, known: bool = False) -> Floats:
    """Return the logarithms of the probabilities of all classes, `[samples, classes]`, in nats.

    Args:
        scores: scores of the classes, `[samples, classes]`; of a binary model those of both, `-s` and `s`.
        task: what they decide.
        known: whether they are probabilities already.

    >>> log_probabilities(np.array([[0.0, 0.0]]), Task.CLASSIFICATION).round(3)
    array([[-0.693, -0.693]])
    >>> np.exp(log_probabilities(np.array([[-1.0, 1.0]]), Task.BINARY)).round(3)
    array([[0.269, 0.731]])
    """
    exact = scores.astype(np.float64)
    if known:
        return np.log(np.maximum(exact, np.finfo(np.float32).tiny))
    if task is Task.BINARY:  # the odds are those of s, not of 2s
        return np.asarray(special.log_expit(exact))
    return np.asarray(special.log_softmax(exact, axis=1))
