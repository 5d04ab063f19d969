"""Linear maps fitted in closed form: ridge regression towards a map that is there already.

The map that is there predicts the targets up to residuals; what is fitted is the correction that takes the residuals
away, and a ridge keeps it small (Hoerl & Kennard 1970). The ridge is the one with which corrections fitted on either
half of the samples do best on the other half.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats

RIDGES = (1e-7, 1e-5, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridges that are tried, as shares of the mean of the squared features."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over samples of products of features `x` and residuals `r`, in float64.

    Attributes:
        n: samples.
        x: sum of the features, `[features]`.
        r: sum of the residuals, `[targets]`.
        xx: sum of their products, `[features, features]`.
        xr: `[features, targets]`.
        rr: sum of the squared residuals.
    """

    n: int
    x: Floats
    r: Floats
    xx: Floats
    xr: Floats
    rr: float


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What is added to a linear map.

    Attributes:
        weights: `[features, targets]`.
        intercept: `[targets]`; zeros where there is none.
        ridge: the ridge it was fitted with.
        left: share of the sum of squared residuals that is left on the samples it was fitted on.
    """

    weights: Floats
    intercept: Floats
    ridge: float
    left: float


def no_moments(features: int, targets: int) -> Moments:
    """Return the sums over no samples."""
    return Moments(
        0, np.zeros(features), np.zeros(targets), np.zeros((features, features)), np.zeros((features, targets)), 0.0
    )


def with_samples(moments: Moments, x: NDArray[np.floating], r: NDArray[np.floating]) -> Moments:
    """Return the sums with further samples.

    Args:
        moments: the sums so far.
        x: features, `[samples, features]`.
        r: residuals, `[samples, targets]`.
    """
    x, r = x.astype(np.float64), r.astype(np.float64)
    return Moments(
        moments.n + len(x),
        moments.x + x.sum(axis=0),
        moments.r + r.sum(axis=0),
        moments.xx + x.T @ x,
        moments.xr + x.T @ r,
        moments.rr + float((r * r).sum()),
    )


def fit_correction(halves: tuple[Moments, Moments], *, intercept: bool) -> Correction:
    """Return the correction that leaves least of the residuals.

    Args:
        halves: sums over either half of the samples.
        intercept: whether a constant may be added to each target; the ridge leaves it free.

    >>> x = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> halves = tuple(with_samples(no_moments(1, 1), x[part::2], 3 * x[part::2] + 1) for part in (0, 1))
    >>> found = fit_correction(halves, intercept=True)
    >>> found.weights.round(4).tolist(), found.intercept.round(4).tolist(), round(found.left, 6)
    ([[3.0]], [1.0], 0.0)
    """
    one, other = halves
    solved = [_Solver(half, intercept=intercept) for half in halves]
    missed = [_missed(other, *solved[0](ridge)) + _missed(one, *solved[1](ridge)) for ridge in RIDGES]
    ridge = RIDGES[int(np.argmin(missed))]
    both = Moments(
        one.n + other.n, one.x + other.x, one.r + other.r, one.xx + other.xx, one.xr + other.xr, one.rr + other.rr
    )
    weights, constant = _Solver(both, intercept=intercept)(ridge)
    left = max(0.0, _missed(both, weights, constant)) / both.rr if both.rr > 0 else 1.0
    return Correction(weights, constant, ridge, left)


class _Solver:
    """Solves the normal equations for any ridge, from one decomposition."""

    def __init__(self, moments: Moments, *, intercept: bool) -> None:
        """Decompose the products of features, less their means where there is an intercept."""
        n = max(1, moments.n)
        self._x = moments.x / n if intercept else np.zeros_like(moments.x)
        self._r = moments.r / n if intercept else np.zeros_like(moments.r)
        values, self._vectors = np.linalg.eigh(moments.xx - n * np.outer(self._x, self._x))
        self._values = np.maximum(values, 0.0)
        self._turned = self._vectors.T @ (moments.xr - n * np.outer(self._x, self._r))

    def __call__(self, ridge: float) -> tuple[Floats, Floats]:
        """Return the weights and the intercept."""
        size = float(self._values.mean()) * ridge
        if size <= 0:
            return np.zeros_like(self._turned), self._r
        weights = self._vectors @ (self._turned / (self._values + size)[:, None])
        return weights, self._r - self._x @ weights


def _missed(moments: Moments, weights: Floats, constant: Floats) -> float:
    """Return the sum of the squared residuals that a correction leaves."""
    fitted = float((weights * (moments.xx @ weights - 2 * moments.xr)).sum())
    shifted = float(constant @ (moments.n * constant + 2 * (moments.x @ weights - moments.r)))
    return moments.rr + fitted + shifted
