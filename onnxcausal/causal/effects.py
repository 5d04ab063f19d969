"""Treatment effects of the nodes of one layer (Ahmad et al. 2023, eq. 2)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import SamplesError

FEWEST_SAMPLES = 2
"""A variance needs two samples."""


@dataclass(frozen=True, slots=True, eq=False)
class EffectTable:
    """Treatment effects of every node of one layer on the same samples.

    Attributes:
        te: outcome under `do` less the observed outcome, `[parents, samples]`, in the outcome's unit; NaN where a
            node was not measured on a sample.
        observed: outcome without intervention, `[samples]`.
    """

    te: Floats
    observed: Floats

    def __post_init__(self) -> None:
        """Hold the two shapes together."""
        assert self.te.ndim == 2, self.te.shape  # noqa: PLR2004
        assert self.observed.shape == self.te.shape[1:], (self.observed.shape, self.te.shape)

    @property
    def used(self) -> NDArray[np.int64]:
        """Samples each node was measured on, `[parents]`."""
        return np.asarray((~np.isnan(self.te)).sum(axis=1))

    @property
    def ate(self) -> Floats:
        """Average treatment effect of each node, `[parents]`; NaN for a node that was not measured."""
        return self._of_rows(lambda te: te.mean(axis=1), fewest=1)

    @property
    def spread(self) -> Floats:
        """Standard deviation of each node's effect, `[parents]`: exactly 0 for a constant one; NaN without samples."""
        # Two passes in float64; a constant row has a spread of exactly 0, whatever its mean rounds to.
        return self._of_rows(
            lambda te: np.where(np.ptp(te, axis=1) == 0, 0.0, te.std(axis=1, ddof=1)), fewest=FEWEST_SAMPLES
        )

    def _of_rows(self, statistic: Callable[[Floats], Floats], fewest: int) -> Floats:
        """Return a statistic of what was measured of each node, `[parents]`; NaN where that is less than asked for."""
        used = self.used
        found = np.full(len(used), np.nan)
        for count in np.unique(used[used >= fewest]).tolist():
            te = self.te[used == count]
            found[used == count] = statistic(te[~np.isnan(te)].reshape(-1, count))
        return found

    @property
    def under_do(self) -> Floats:
        """Outcome under each intervention, `[parents, samples]`."""
        return self.observed + self.te


def estimate_effects(te: Floats, observed: Floats, floor: float) -> EffectTable:
    """Return the treatment effects, with what is below the float noise set to exactly 0.

    Args:
        te: outcome under the intervention on each node less that of the null intervention in the same session,
            `[parents, samples]`.
        observed: outcome without intervention, `[samples]`.
        floor: largest effect that float noise may cause, in the outcome's unit, at least 0.

    Raises:
        SamplesError: fewer than two samples, or an outcome that is not finite.

    >>> estimate_effects(np.array([[-1.0, -2.0], [0.0, 1e-9]]), np.array([2.0, 3.0]), floor=1e-6).te
    array([[-1., -2.],
           [ 0.,  0.]])
    """
    count = len(observed)
    if count < FEWEST_SAMPLES:
        raise SamplesError(
            f"{count} usable sample(s), but effects need at least {FEWEST_SAMPLES}",
            where="samples of the target class",
            why="the spread of an effect cannot be estimated from fewer",
            remedy="supply more samples of the class that the model classifies correctly",
        )
    finite = np.isfinite(te).all() and np.isfinite(observed).all()
    if not finite:
        raise SamplesError(
            "the model's outcome is NaN or infinite on some sample",
            where="outcome under intervention" if np.isfinite(observed).all() else "outcome without intervention",
            why="a value overflowed or was undefined inside the model",
            remedy="check the preprocessing (rescale, mean, std); use a float32 model in place of float16",
        )
    assert floor >= 0, floor
    return EffectTable(te=np.where(np.abs(te) <= floor, 0.0, te), observed=observed)
