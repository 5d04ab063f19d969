"""How pairs of node and sample are divided into runs of a probe graph."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RunShape:
    """The size of a run.

    Attributes:
        width: nodes.
        height: samples.
    """

    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Pairs that are run together.

    Attributes:
        nodes: positions of the nodes, at most the width.
        window: the samples whose tensors are at hand.
        slots: place of each pair's node in `nodes`, `[pairs]`.
        samples: each pair's sample, `[pairs]`.
    """

    nodes: NDArray[np.int64]
    window: slice
    slots: NDArray[np.int64]
    samples: NDArray[np.int64]


def shape_of_runs(rows: int, nodes: int, samples: int) -> RunShape:
    """Return the largest size of runs of so many pairs: for as many samples as fit, then nodes, in runs of like size.

    >>> shape_of_runs(256, 100, 100), shape_of_runs(8, 100, 100), shape_of_runs(64, 100, 15)
    (RunShape(width=2, height=128), RunShape(width=1, height=8), RunShape(width=4, height=16))
    """
    width = _even(nodes, max(1, rows // _even(samples, rows)))
    return RunShape(width, rows // width)


def divide(active: NDArray[np.bool_], shape: RunShape, *, fixed: bool = False) -> Iterator[Run]:
    """Yield runs that cover every active pair once, all nodes of one window of samples before the next.

    Args:
        active: which pairs are to be run, `[nodes, samples]`.
        shape: the largest size of runs.
        fixed: make every window as high as the shape, or the samples, are: a window may then overlap the one before
            it, whose pairs are not repeated.
    """
    samples = active.shape[1]
    asked = np.flatnonzero(active.any(axis=0))
    begin, end = (int(asked[0]), int(asked[-1]) + 1) if len(asked) else (0, 0)
    height = min(shape.height, samples) if fixed else _even(max(1, end - begin), shape.height)
    for first in range(begin, end, height):
        window = slice(min(first, samples - height) if fixed else first, min(first + height, samples if fixed else end))
        nodes = np.flatnonzero(active[:, first : window.stop].any(axis=1))
        for start in range(0, len(nodes), shape.width):
            chosen = nodes[start : start + shape.width]
            slots, columns = np.nonzero(active[chosen, first : window.stop])
            yield Run(chosen, window, slots, columns + first)


def _even(count: int, most: int) -> int:
    """Return the size of the fewest parts of like size, none above `most`."""
    parts = -(-count // min(count, most))
    return -(-count // parts)
