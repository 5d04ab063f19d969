"""Which layer of one model is which of another: by name, else by the order and shape of the layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

ITSELF = 2
"""A pair counts once in each of the two directions in which others cross it."""


class MatchedBy(StrEnum):
    """What tells that two layers are the same."""

    NAME = "name"
    """Their names."""
    STRUCTURE = "structure"
    """Their shapes and places in the order of the layers."""


@dataclass(frozen=True, slots=True)
class LayerOutline:
    """What is compared of a layer.

    Attributes:
        name: its name.
        op_type: its op.
        parents: number of its parents.
        children: number of its children.
        groups: groups into which they fall.
    """

    name: str
    op_type: str
    parents: int
    children: int
    groups: int = 1

    def fits(self, other: "LayerOutline") -> bool:
        """Return whether nodes of the two can be compared by their index."""
        return (self.parents, self.children, self.groups) == (other.parents, other.children, other.groups)


@dataclass(frozen=True, slots=True)
class Match:
    """A layer of each model that are the same, by position."""

    old: int
    new: int
    by: MatchedBy


def match_layers(old: Sequence[LayerOutline], new: Sequence[LayerOutline]) -> tuple[Match, ...]:
    """Return the layers that are the same in two models.

    Where every name of one model is in the other, names decide. Else names have changed, and the longest common
    sequence of shapes decides; of several the one with the most equal names, then the most equal ops. A layer that has
    different partners in equally good sequences is matched with none of them: nothing is guessed.

    Args:
        old: layers of one model, in order.
        new: layers of the other, in order.

    >>> def layers(names: str, sizes: list[int]) -> list[LayerOutline]:
    ...     return [LayerOutline(name, "Gemm", size, size) for name, size in zip(names, sizes)]
    >>> [(match.old, match.new) for match in match_layers(layers("abc", [4, 5, 6]), layers("xy", [4, 6]))]
    [(0, 0), (2, 1)]
    >>> match_layers(layers("ab", [4, 4]), layers("x", [4]))
    ()
    """
    here, there = {shape.name for shape in old}, {shape.name for shape in new}
    if here <= there or there <= here:
        place = {shape.name: number for number, shape in enumerate(new)}
        return tuple(
            Match(number, place[shape.name], MatchedBy.NAME)
            for number, shape in enumerate(old)
            if shape.name in place and shape.fits(new[place[shape.name]])
        )
    return tuple(
        Match(i, j, MatchedBy.NAME if old[i].name == new[j].name else MatchedBy.STRUCTURE)
        for i, j in _certain_pairs(_worth(old, new))
    )


def _worth(old: Sequence[LayerOutline], new: Sequence[LayerOutline]) -> NDArray[np.int64]:
    """Return what it is worth to match two layers, `[old, new]`: 0 where they do not fit.

    One more match outweighs all names, one more name all ops.
    """
    most = min(len(old), len(new)) + 1
    return np.array(
        [
            [
                most**2 + most * (first.name == second.name) + (first.op_type == second.op_type)
                if first.fits(second)
                else 0
                for second in new
            ]
            for first in old
        ],
        np.int64,
    ).reshape(len(old), len(new))


def _certain_pairs(worth: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs that are in every best common sequence.

    A best sequence without a pair holds one that shares a layer with it or crosses it, else the pair could be added. So
    a pair is in all of them if nothing that is in any of them shares a layer with it or crosses it.
    """
    before, after = _best(worth), _best(worth[::-1, ::-1])[::-1, ::-1]
    best = before[-1, -1]
    through = before[:-1, :-1] + worth + after[1:, 1:]
    possible = (worth > 0) & (through == best)
    crossing = _up_to(possible[:, ::-1])[:, ::-1] + _up_to(possible[::-1])[::-1]
    return [(int(i), int(j)) for i, j in np.argwhere(possible & (crossing == ITSELF))]


def _up_to(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many are marked in the rows and columns up to each place."""
    return np.asarray(marked.cumsum(axis=0).cumsum(axis=1), np.int64)


def _best(worth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the worth of the best common sequence of every two beginnings, `[old + 1, new + 1]`."""
    rows, columns = worth.shape
    best = np.zeros((rows + 1, columns + 1), np.int64)
    for i in range(rows):
        for j in range(columns):
            taken = best[i, j] + worth[i, j]
            best[i + 1, j + 1] = max(taken, best[i, j + 1], best[i + 1, j])
    return best
