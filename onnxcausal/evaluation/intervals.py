"""Means and their uncertainty."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from onnxcausal.evaluation.maps import Floats

RESAMPLES = 2000
"""Bootstrap samples of an interval."""
LEVEL = 0.95
"""Level of every interval."""


class Estimate(NamedTuple):
    """A number and its interval at level 0.95.

    Attributes:
        mean: the number.
        low: lower end; equal to the mean where nothing is known about it.
        high: upper end.
        n: of how many values.
    """

    mean: float
    low: float
    high: float
    n: int


def mean_of(values: Floats, seed: int = 0) -> Estimate:
    """Return a mean with its bootstrap interval (percentiles; Efron 1979).

    Args:
        values: `[values]`, at least one.
        seed: of the bootstrap.

    >>> mean_of(np.array([1.0, 1.0, 1.0]))
    Estimate(mean=1.0, low=1.0, high=1.0, n=3)
    """
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def ratio_of(after: Floats, before: Floats, seed: int = 0) -> Estimate:
    """Return the ratio of two means over the same samples, with the bootstrap interval of samples drawn together.

    Where all of `after` is 0, which says nothing to a bootstrap, the score interval of that share stands in for it,
    over the mean of `before`.

    Args:
        after: shares or hits, `[samples]`, 0 to 1.
        before: the same before, `[samples]`, not all 0.
        seed: of the bootstrap.

    >>> ratio_of(np.array([1.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 1.0]))[:3]
    (1.0, 1.0, 1.0)
    """
    base = float(before.mean())
    if not after.any():
        share = share_of(0, len(after))
        return Estimate(share.mean / base, share.low / base, share.high / base, len(after))
    drawn = np.random.default_rng(seed).integers(0, len(after), (RESAMPLES, len(after)))
    means = before[drawn].mean(axis=1)
    ratios = after[drawn].mean(axis=1)[means > 0] / means[means > 0]
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(after.mean()) / base, float(low), float(high), len(after))


def share_of(hits: int, n: int) -> Estimate:
    """Return a share with its score interval (Wilson 1927).

    >>> share_of(5, 10).mean, round(share_of(0, 10).high, 4)
    (0.5, 0.2775)
    """
    z = stats.norm.ppf((1 + LEVEL) / 2)
    share = hits / n
    centre, spread = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n)
    return Estimate(share, float(low), float(high), n)
