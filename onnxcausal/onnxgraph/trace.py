"""What one run of a model showed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one run of the model showed.

    Attributes:
        shapes: shape of every tensor, by name.
        values: content of small integer tensors, by name.
    """

    shapes: Mapping[str, tuple[int, ...]]
    values: Mapping[str, NDArray[np.generic]]
