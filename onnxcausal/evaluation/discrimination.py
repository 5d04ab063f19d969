"""How well an outcome separates a class from the others: the area under the ROC curve."""

import numpy as np
from scipy import stats

from onnxcausal.evaluation.intervals import LEVEL, Estimate, share_of
from onnxcausal.evaluation.maps import Floats


def auroc(of_class: Floats, others: Floats) -> Estimate:
    """Return the probability that the class has a higher outcome than another, ties counted half, with its interval.

    The variance is that of DeLong, DeLong and Clarke-Pearson (1988) by way of mid-ranks (Sun and Xu 2014); the
    interval is taken on the logit scale, so that it stays within 0 and 1.

    Args:
        of_class: outcome of samples of the class, `[samples]`, at least two.
        others: outcome of the other samples, `[others]`, at least two.

    >>> auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0])).mean
    0.875
    """
    m, n = len(of_class), len(others)
    together = stats.rankdata(np.concatenate([of_class, others]))
    above = (together[:m] - stats.rankdata(of_class)) / n
    below = 1 - (together[m:] - stats.rankdata(others)) / m
    area = float(above.mean())
    variance = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    if variance == 0 or area in (0.0, 1.0):
        # Nothing varies: what so few samples leave open is that of a share of the smaller group.
        edge = share_of(round(area * min(m, n)), min(m, n))
        return Estimate(area, min(area, edge.low), max(area, edge.high), m + n)
    logit, spread = np.log(area / (1 - area)), np.sqrt(variance) / (area * (1 - area))
    z = stats.norm.ppf((1 + LEVEL) / 2)
    low, high = (1 / (1 + np.exp(-(logit + sign * z * spread))) for sign in (-1, 1))
    return Estimate(area, float(low), float(high), m + n)
