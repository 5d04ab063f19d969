"""What runs of a model showed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the samples of a batch stand in a tensor.

    Attributes:
        axis: the axis along which samples stand, one after the other.
        multiple: how many indices of it belong to each sample.
    """

    axis: int
    multiple: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What runs of the model showed.

    Attributes:
        shapes: shape of every tensor, by name, in a run on the smallest batch.
        values: content of small integer tensors, by name.
        types: numpy type of every tensor, by name.
        rows: where the samples stand, by name; tensors that do not grow with the batch along one axis are absent.
        batch: samples in the smallest batch: 1, or what the model is fixed to.
    """

    shapes: Mapping[str, tuple[int, ...]]
    values: Mapping[str, NDArray[np.generic]]
    types: Mapping[str, np.dtype[np.generic]] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)
    batch: int = 1

    def of_sample(self, tensor: str) -> int:
        """Return the bytes of one sample in a tensor; of all of it where samples do not stand along an axis."""
        size = int(np.prod(self.shapes[tensor])) * self.types[tensor].itemsize
        return -(-size // self.batch) if tensor in self.rows else size

    def with_those_of(self, other: "Trace") -> "Trace":
        """Return what two runs on the same batch showed of different tensors."""
        return Trace(
            {**self.shapes, **other.shapes},
            {**self.values, **other.values},
            {**self.types, **other.types},
            {**self.rows, **other.rows},
            self.batch,
        )


def rows_of(smallest: tuple[int, ...], doubled: tuple[int, ...] | None, batch: int) -> Rows | None:
    """Return where samples stand in a tensor; None where it does not grow with the batch along exactly one axis.

    Args:
        smallest: its shape for `batch` samples.
        doubled: its shape for twice as many; None where the model fixes the batch: then samples can only stand along
            the first axis.
        batch: number of samples.

    >>> rows_of((1, 3, 8), (2, 3, 8), 1), rows_of((5, 6), (5, 12), 1), rows_of((4,), (4,), 1)
    (Rows(axis=0, multiple=1), Rows(axis=1, multiple=6), None)
    """
    if doubled is None:
        return Rows(0, smallest[0] // batch) if smallest and smallest[0] and smallest[0] % batch == 0 else None
    if len(smallest) != len(doubled):
        return None
    grown = [axis for axis, sizes in enumerate(zip(smallest, doubled, strict=True)) if sizes[0] != sizes[1]]
    if len(grown) != 1 or doubled[grown[0]] != 2 * smallest[grown[0]] or not smallest[grown[0]]:
        return None
    return Rows(grown[0], smallest[grown[0]] // batch)
