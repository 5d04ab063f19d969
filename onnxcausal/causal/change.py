"""Whether what two analyses measured differs by more than sampling explains, and by more than matters.

Two analyses of one model on different samples never give the same numbers. What is tested of each quantity is therefore
not that it is the same, but that it lies within a margin: a minimum-effect test (Murphy & Myors 1999), which gains
power with more samples and still does not flag what is too small to matter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.outcome import Floats

SHARED_ENOUGH = 0.5
"""Share of the fewer samples that both analyses must have used, for the difference to be taken sample by sample."""
FEWEST_SHARED = 10
"""Fewest samples that both must have used."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerEffects:
    """Effects of a layer's nodes as one analysis measured them; arrays are `[parents]`.

    Attributes:
        ate: average treatment effect; NaN for a node that was not measured.
        error: its standard error.
        used: samples it was measured on.
        samples: positions in the data of the columns of `te`.
        te: effects `[parents, samples]`; None where only their averages are known.
    """

    ate: Floats
    error: Floats
    used: NDArray[np.int64]
    samples: NDArray[np.int64]
    te: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EffectChange:
    """What became of each node's effect; arrays are `[parents]`.

    Attributes:
        difference: new ATE less old ATE; NaN where either was not measured.
        error: its standard error.
        p: p-value of the difference lying within the margin; 1 where it is not known.
        paired: whether it was taken sample by sample, on the samples that both used.
    """

    difference: Floats
    error: Floats
    p: Floats
    paired: bool


def change_of(
    old: LayerEffects, new: LayerEffects, *, margin: float, resolution: float, same_data: bool
) -> EffectChange:
    """Return how the effects of one layer's nodes differ between two analyses.

    Where both used the same samples for the most part, the difference is taken sample by sample: of two equal models it
    is exactly 0, whatever the spread over samples. Else the samples count as independent (Welch 1947), which is
    cautious where a few are shared.

    Args:
        old: effects in one analysis, of as many nodes as `new`.
        new: effects in the other.
        margin: largest difference that does not matter, in the outcome's unit.
        resolution: largest difference that float noise explains, in the outcome's unit.
        same_data: whether positions mean the same samples in both.

    >>> rng = np.random.default_rng(0)
    >>> def measured(mean: float) -> LayerEffects:
    ...     te = rng.normal(mean, 1, size=(1, 200))
    ...     error, used = te.std(axis=1, ddof=1) / 200**0.5, np.array([200])
    ...     return LayerEffects(te.mean(axis=1), error, used, np.arange(200), te)
    >>> first, second, third = measured(-1), measured(-1), measured(0)
    >>> (change_of(first, second, margin=0.1, resolution=0, same_data=False).p > 0.05).tolist()
    [True]
    >>> (change_of(first, third, margin=0.1, resolution=0, same_data=False).p < 1e-6).tolist()
    [True]
    """
    assert old.ate.shape == new.ate.shape, (old.ate.shape, new.ate.shape)
    shared, first, second = np.intersect1d(old.samples, new.samples, return_indices=True)
    enough = max(FEWEST_SHARED, SHARED_ENOUGH * min(len(old.samples), len(new.samples)))
    if same_data and old.te is not None and new.te is not None and len(shared) >= enough:
        return _paired(new.te[:, second] - old.te[:, first], margin, resolution)
    difference = new.ate - old.ate
    error = np.hypot(old.error, new.error)
    p = _beyond(difference, error, _freedom(old, new), margin, resolution)
    return EffectChange(difference, error, p, paired=False)


def share_change(old: tuple[int, int], new: tuple[int, int], *, margin: float) -> float:
    """Return the p-value of two shares being equal (Fisher 1922); 1 where they differ by no more than the margin.

    Args:
        old: successes, of how many.
        new: the same of the other.
        margin: largest difference of shares that does not matter.

    >>> share_change((95, 100), (40, 100), margin=0.05) < 1e-6, share_change((95, 100), (93, 100), margin=0.05)
    (True, 1.0)
    """
    if not old[1] or not new[1] or abs(new[0] / new[1] - old[0] / old[1]) <= margin:
        return 1.0
    table = np.array([[old[0], old[1] - old[0]], [new[0], new[1] - new[0]]])
    return float(stats.fisher_exact(table).pvalue)


def holm(p: Floats) -> Floats:
    """Return p-values adjusted so that the chance of a single false one among all is held (Holm 1979).

    >>> holm(np.array([0.01, 0.5, 0.02])).tolist()
    [0.03, 0.5, 0.04]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _paired(difference: Floats, margin: float, resolution: float) -> EffectChange:
    """Return the change from differences `[parents, samples]`, NaN where one was not measured."""
    used = (~np.isnan(difference)).sum(axis=1)
    filled = np.where(np.isnan(difference), 0.0, difference)
    mean = np.divide(filled.sum(axis=1), used, out=np.full(len(used), np.nan), where=used > 0)
    centred = np.where(np.isnan(difference), 0.0, difference - mean[:, None])
    variance = np.divide((centred**2).sum(axis=1), used - 1, out=np.full(len(used), np.nan), where=used > 1)
    error = np.sqrt(variance / np.maximum(used, 1))
    return EffectChange(mean, error, _beyond(mean, error, np.maximum(used - 1.0, 1.0), margin, resolution), paired=True)


def _freedom(old: LayerEffects, new: LayerEffects) -> Floats:
    """Return the degrees of freedom of a difference of independent means (Welch 1947)."""
    first, second = old.error**2, new.error**2
    parts = first**2 / np.maximum(old.used - 1, 1) + second**2 / np.maximum(new.used - 1, 1)
    return np.divide((first + second) ** 2, parts, out=np.ones_like(parts), where=parts > 0)


def _beyond(difference: Floats, error: Floats, freedom: Floats, margin: float, resolution: float) -> Floats:
    """Return p-values of differences lying within the margin; without spread 0 outside of it, else 1."""
    size = np.abs(difference)
    known = np.isfinite(difference) & np.isfinite(error)
    spread = known & (error > 0)
    scale = np.where(spread, error, 1.0)
    p = stats.t.sf((size - margin) / scale, freedom) + stats.t.sf((size + margin) / scale, freedom)
    p = np.where(spread, p, np.where(size > margin, 0.0, 1.0))
    return np.where(known & (size > resolution), np.minimum(p, 1.0), 1.0)
