"""Reliability of causal graphs: how often each node is selected again (Ahmad et al. 2023, sec. 5.1, fig. 7)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.evaluation.intervals import LEVEL, RESAMPLES, Estimate
from onnxcausal.evaluation.maps import Floats

FIRST, LAST = 0.01, 0.5
"""Ends of the range of `b`."""
AROUND = 0.01
"""beta is drawn from U(b - AROUND, b + AROUND)."""
BANDS = 5
"""Parts of the range of `b`, and bins of the histograms."""


def betas(runs: int, rng: np.random.Generator) -> Floats:
    """Return the factor of each run: around a `b` that rises from 0.01 to 0.5, `[runs]`."""
    return np.clip(rng.uniform(-AROUND, AROUND, runs) + np.linspace(FIRST, LAST, runs), 0.0, 1.0)


def appearance(selected: NDArray[np.bool_], seed: int = 0) -> Estimate:
    """Return how often a node is selected, averaged over the nodes that are selected at least once.

    The interval is a bootstrap over runs.

    Args:
        selected: which nodes each run selects, `[runs, nodes]`.
        seed: of the bootstrap.

    >>> appearance(np.array([[True, True, False], [True, False, False]])).mean
    0.75
    """
    ever = selected[:, selected.any(axis=0)].astype(np.float64)
    return _over_runs(ever, lambda rates: np.asarray(rates.mean(axis=-1)), seed)


def recurrence(selected: NDArray[np.bool_]) -> Estimate:
    """Return how often a node of one run's graph, drawn at random, is in the graph of another run.

    Unlike `appearance` it does not count a node that is selected once as much as one that always is. The interval
    leaves out one run at a time (jackknife); a bootstrap would compare runs with themselves.

    Args:
        selected: `[runs, nodes]`, at least two runs.

    >>> round(recurrence(np.array([[True, True, False], [True, False, False]])).mean, 4)
    0.6667
    """
    counts = selected.sum(axis=0)[None] - np.concatenate([np.zeros_like(selected[:1]), selected])
    runs = len(selected) - np.array([0, *[1] * len(selected)])
    pairs, total = (counts * (counts - 1)).sum(axis=1), counts.sum(axis=1) * np.maximum(1, runs - 1)
    rates = np.divide(pairs, total, out=np.zeros(len(counts)), where=total > 0)
    return _jackknifed(float(rates[0]), rates[1:])


def jaccard(selected: NDArray[np.bool_]) -> Estimate:
    """Return the mean Jaccard similarity of the sets of all pairs of runs; two empty sets are alike.

    The interval leaves out one run at a time (jackknife).

    >>> jaccard(np.array([[True, True], [True, False]])).mean
    0.5
    """
    held = selected.astype(np.float64)
    both = held @ held.T
    sizes = held.sum(axis=1)
    either = sizes[:, None] + sizes - both
    alike = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    runs = len(held)
    total = alike.sum() - runs
    without = (total - 2 * (alike.sum(axis=1) - 1)) / max(1, (runs - 1) * (runs - 2))
    return _jackknifed(float(total / (runs * (runs - 1))), without)


def histogram(selected: NDArray[np.bool_]) -> Floats:
    """Return which share of the nodes selected at least once appears in up to 20, 40, ... 100 % of runs, `[5]`.

    >>> histogram(np.array([[True, True], [True, False], [True, False]])).tolist()
    [0.0, 0.5, 0.0, 0.0, 0.5]
    """
    rates = selected[:, selected.any(axis=0)].mean(axis=0)
    counts = np.histogram(np.ceil(rates * BANDS - 1e-9), bins=np.arange(0.5, BANDS + 1))[0]
    return counts / max(1, len(rates))


def _jackknifed(mean: float, without: Floats) -> Estimate:
    """Return an estimate with an interval from those that leave out one run each; a point for fewer than three runs."""
    runs = len(without)
    fewest = 3
    if runs < fewest:
        return Estimate(mean, mean, mean, runs)
    error = np.sqrt((runs - 1) / runs * ((without - without.mean()) ** 2).sum())
    z = stats.norm.ppf((1 + LEVEL) / 2)
    return Estimate(mean, float(max(0.0, mean - z * error)), float(min(1.0, mean + z * error)), runs)


def _over_runs(values: Floats, statistic: Callable[[Floats], Floats], seed: int) -> Estimate:
    """Return a statistic of the rates `[..., nodes]` at which nodes appear, with a bootstrap over runs."""
    runs, nodes = values.shape
    if not nodes:
        return Estimate(0.0, 0.0, 0.0, runs)
    drawn = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), RESAMPLES) / runs
    low, high = np.quantile(statistic(drawn @ values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(statistic(values.mean(axis=0))), float(low), float(high), runs)
