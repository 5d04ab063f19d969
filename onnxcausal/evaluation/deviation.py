"""How far numbers deviate from others, by the spread of those others: channel by channel, and all together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.evaluation.maps import Floats

Values = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Deviation:
    """How far a tensor deviates.

    Attributes:
        whole: root mean square of the differences over that of the spread about each channel's mean.
        channels: root mean square of the differences over the standard deviation, channel by channel; for one that is
            constant, over that of all channels together.
    """

    whole: float
    channels: Floats

    def worst(self, count: int) -> list[int]:
        """Return the channels that deviate most, of those that do."""
        order = np.argsort(-np.nan_to_num(self.channels, nan=np.inf), kind="stable")
        return [int(channel) for channel in order[:count] if self.channels[channel] != 0]


class DeviationSum:
    """Sums up deviations over batches of samples.

    The spread is summed about the mean of the first batch, so that large means cancel no digits.

    >>> total = DeviationSum(axis=1)
    >>> total.add(np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]]))
    >>> total.found().channels.tolist(), total.found().whole
    ([1.0, 0.0], 1.0)
    """

    def __init__(self, axis: int | None) -> None:
        """Start with nothing.

        Args:
            axis: along which channels stand; None for a single one.
        """
        self._axis = axis
        self._shift: Floats | None = None
        self._sums = np.zeros((3, 1))
        self._count = 0

    def add(self, reference: Values, other: Values) -> None:
        """Add a batch of a tensor and of what deviates from it, of one shape."""
        held, difference = self._rows(reference), self._rows(other) - self._rows(reference)
        if self._shift is None:
            self._shift = held.mean(axis=1)
            self._sums = np.zeros((3, len(held)))
        centred = held - self._shift[:, None]
        self._sums += np.stack([centred.sum(axis=1), (centred**2).sum(axis=1), (difference**2).sum(axis=1)])
        self._count += held.shape[1]

    def found(self) -> Deviation:
        """Return the deviation of all that was added."""
        total, squares, differences = self._sums
        variance = np.maximum(squares - total**2 / max(1, self._count), 0.0)
        by = np.where(variance > 0, variance, variance.mean())
        channels = np.array([_ratio(d, v) for d, v in zip(differences, by, strict=True)])
        return Deviation(_ratio(float(differences.sum()), float(variance.sum())), channels)

    def _rows(self, values: Values) -> Floats:
        """Return values as `[channels, values]`."""
        exact = values.astype(np.float64)
        if self._axis is None or not exact.ndim:
            return exact.reshape(1, -1)
        moved = np.moveaxis(exact, self._axis, 0)
        return moved.reshape(len(moved), -1)


def _ratio(differences: float, variance: float) -> float:
    if differences == 0:
        return 0.0
    return float(np.sqrt(differences / variance)) if variance > 0 else float("inf")
