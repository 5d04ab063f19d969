"""The outcome: one scalar per sample on which effects are measured."""

from enum import StrEnum
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


class OutcomeKind(StrEnum):
    """Which scalar of the class scores is the outcome."""

    LOGIT = "logit"
    """The pre-softmax score of the target class (Ahmad et al. 2023)."""
    MARGIN = "margin"
    """The target's score less the highest score of the other classes."""
    LOG_PROB = "log-prob"
    """The logarithm of the target's softmax probability."""

    @property
    def depends_on_every_class(self) -> bool:
        """Whether the scores of classes other than the target enter the outcome."""
        match self:
            case OutcomeKind.LOGIT:
                return False
            case OutcomeKind.MARGIN | OutcomeKind.LOG_PROB:
                return True
            case _:
                assert_never(self)


def outcome_of(scores: NDArray[np.floating], target: int, kind: OutcomeKind = OutcomeKind.LOGIT) -> Floats:
    """Return the outcome of each sample, `[samples]`, in the unit of the scores (log-prob: nats).

    Args:
        scores: pre-softmax class scores, `[samples, classes]`.
        target: index of the target class.
        kind: which scalar of the scores.

    >>> scores = np.array([[1.0, 3.0, 2.0]])
    >>> outcome_of(scores, 1), outcome_of(scores, 1, OutcomeKind.MARGIN)
    (array([3.]), array([1.]))
    >>> float(outcome_of(scores, 1, OutcomeKind.LOG_PROB)[0].round(4))
    -0.4076
    """
    assert scores.ndim == 2, scores.shape  # noqa: PLR2004
    exact: Floats = scores.astype(np.float64)
    chosen: Floats = exact[:, target]
    with np.errstate(invalid="ignore"):  # infinite scores give NaN here, which `estimate_effects` refuses
        match kind:
            case OutcomeKind.LOGIT:
                return np.array(chosen)
            case OutcomeKind.MARGIN:
                return np.asarray(chosen - np.delete(exact, target, axis=1).max(axis=1))
            case OutcomeKind.LOG_PROB:
                # Without the maximum, a float64 exponential overflows from scores of 710 on.
                highest = exact.max(axis=1)
                return np.asarray(chosen - highest - np.log(np.exp(exact - highest[:, None]).sum(axis=1)))
            case _:
                assert_never(kind)
