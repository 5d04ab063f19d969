"""What changes between two models on the same samples: who is right, how sure they are, what they decide."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from onnxcausal.evaluation.intervals import LEVEL
from onnxcausal.evaluation.maps import Floats

SIGNIFICANT = 0.05
"""A p-value below it counts as significant."""
BINS = 15
"""Bins of the calibration error (Guo et al. 2017)."""
CLOSE = 1e-12
"""How close the search for the end of an interval stays to the ends of its range."""

Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairedChange:
    """How the share of right decisions changes on the same samples.

    Attributes:
        n: samples.
        before: share before.
        after: share after.
        lost: samples that were right and are wrong.
        gained: samples that were wrong and are right.
        p: two-sided p-value of the exact test of McNemar (1947).
        low: lower end of the interval of `after - before`, of Tango (1998), at level 0.95.
        high: its upper end.
    """

    n: int
    before: float
    after: float
    lost: int
    gained: int
    p: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """The change of the share."""
        return self.after - self.before

    def least(self, level: float = LEVEL) -> float:
        """Return the one-sided lower confidence bound of the change."""
        return least_change(self.lost, self.gained, self.n, level)


class Moved(NamedTuple):
    """Decisions of one class for another, before and after."""

    label: int
    decided: int
    before: int
    after: int


def change_of(before: Hits, after: Hits) -> PairedChange:
    """Return how the share of right decisions changes.

    Args:
        before: which samples were decided rightly, `[samples]`, at least one.
        after: the same afterwards.

    >>> change = change_of(np.array([True, True, False, False]), np.array([True, False, True, True]))
    >>> change.lost, change.gained, change.difference, change.p
    (1, 2, 0.25, 1.0)
    """
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    low, high = difference_interval(lost, gained, len(before))
    return PairedChange(
        n=len(before),
        before=float(before.mean()),
        after=float(after.mean()),
        lost=lost,
        gained=gained,
        p=mcnemar(lost, gained),
        low=low,
        high=high,
    )


def mcnemar(lost: int, gained: int) -> float:
    """Return the two-sided p-value of the exact test that losses and gains are equally likely (McNemar 1947).

    >>> mcnemar(0, 0), mcnemar(0, 5)
    (1.0, 0.0625)
    """
    pairs = lost + gained
    return float(stats.binomtest(lost, pairs).pvalue) if pairs else 1.0


def difference_interval(lost: int, gained: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the score interval of the difference of two shares over the same samples (Tango 1998, eq. 5 to 8).

    Args:
        lost: samples that count before and not after.
        gained: samples that count after and not before.
        n: samples.
        level: of the interval, two-sided.

    >>> [round(end, 4) for end in difference_interval(lost=0, gained=0, n=100)]
    [-0.037, 0.037]
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    estimate = (gained - lost) / n

    def excess(difference: float) -> float:
        return _score(lost, gained, n, difference) - z

    def shortfall(difference: float) -> float:
        return _score(lost, gained, n, difference) + z

    low = -1.0 if estimate == -1 else optimize.brentq(excess, -1 + CLOSE, estimate)
    high = 1.0 if estimate == 1 else optimize.brentq(shortfall, estimate, 1 - CLOSE)
    return float(low), float(high)


def least_change(lost: int, gained: int, n: int, level: float = LEVEL) -> float:
    """Return the one-sided lower confidence bound of a difference of shares (Tango 1998).

    >>> round(least_change(lost=0, gained=0, n=539), 5)
    -0.00499
    """
    return difference_interval(lost, gained, n, 2 * level - 1)[0]


def samples_needed(most_lost: float, level: float = LEVEL) -> float:
    """Return how many samples exclude a loss, where none is lost; infinite for a loss of 0.

    >>> samples_needed(0.005)
    539.0
    """
    z = float(stats.norm.ppf(level))
    return float(np.ceil(z**2 * (1 / most_lost - 1))) if most_lost > 0 else np.inf


def calibration_error(confidence: Floats, right: Hits) -> float:
    """Return the expected calibration error (Guo et al. 2017, eq. 3): mean gap of confidence and accuracy.

    Args:
        confidence: probability of what was decided, `[samples]`, 0 to 1.
        right: which decisions are right, `[samples]`.

    >>> calibration_error(np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, True, False, False])).__round__(2)
    0.1
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, weights=right.astype(np.float64) - confidence, minlength=BINS)
    return float(np.abs(gap).sum() / len(right))


def moved(labels: NDArray[np.int64], before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[Moved, ...]:
    """Return the confusions whose number changed, the largest change first.

    Args:
        labels: class of each sample, `[samples]`.
        before: class that was decided, `[samples]`.
        after: class that is decided afterwards, `[samples]`.

    >>> moved(np.array([4, 4, 9]), np.array([9, 9, 9]), np.array([4, 9, 4]))
    (Moved(label=4, decided=9, before=2, after=1), Moved(label=9, decided=4, before=0, after=1))
    """
    counts: dict[tuple[int, int], list[int]] = {}
    for place, decided in enumerate((before, after)):
        wrong = decided != labels
        pairs, numbers = np.unique(np.stack([labels[wrong], decided[wrong]]), axis=1, return_counts=True)
        for (label, other), number in zip(pairs.T.tolist(), numbers.tolist(), strict=True):
            counts.setdefault((label, other), [0, 0])[place] = number
    found = [Moved(*pair, *held) for pair, held in counts.items() if held[0] != held[1]]
    return tuple(sorted(found, key=lambda held: (-abs(held.after - held.before), held.label, held.decided)))


def _score(lost: int, gained: int, n: int, difference: float) -> float:
    """Return the score statistic of a difference of shares, with the share of losses that is most likely under it."""
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    share = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    distance = gained - lost - n * difference
    if distance == 0:
        return 0.0
    return float(distance / np.sqrt(variance)) if variance > 0 else float(np.sign(distance)) * np.inf
