"""What every explanation method is: a map for each input."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxcausal.samples.source import Inputs

Floats: TypeAlias = NDArray[np.float64]
Predict: TypeAlias = Callable[[Inputs], Floats]
"""One number for each input `[samples, ...]`: the score, or the probability, of the class that is explained."""
Explain: TypeAlias = Callable[[Inputs], Floats]
"""A map `[samples, height, width]` for each input."""


def scaled(maps: Floats) -> Floats:
    """Return maps over their largest absolute value, `[maps, ...]`: the one normalisation of all methods.

    A map of zeros stays as it is.

    >>> scaled(np.array([[1.0, -4.0], [0.0, 0.0]])).tolist()
    [[0.25, -1.0], [0.0, 0.0]]
    """
    largest = np.abs(maps).reshape(len(maps), -1).max(axis=1).reshape(-1, *(1,) * (maps.ndim - 1))
    return np.asarray(np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0))
