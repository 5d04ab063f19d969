"""Which samples a class is analysed on: right, seeded, recorded (docs/method.md, "Samples and outcome")."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.samples.source import Batch, Indices, Inputs, Samples

READ_AT_ONCE = 64
"""Samples read before the model is asked about them: bounds memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The samples a class is analysed on.

    Attributes:
        x: inputs, `[samples, ...]`.
        indices: their positions in the source, in the order of `x`.
        examined: how many samples of the class the model was asked about.
        correct: on how many of those it was right.
        unreadable: names of the samples left out because they could not be read.
        highest: how many of those it was asked about have their highest score at each class; empty where it was not.
    """

    x: Inputs
    indices: Indices
    examined: int
    correct: int
    unreadable: tuple[str, ...] = ()
    highest: tuple[int, ...] = ()


def every(batch: Batch, scores: NDArray[np.floating]) -> NDArray[np.bool_]:  # noqa: ARG001  # asked about, not needed
    """Return that every sample counts as its scores say."""
    return np.ones(len(scores), np.bool_)


def choose_correct(
    samples: Samples,
    target: int,
    count: int,
    seed: int,
    predict: Callable[[Inputs], NDArray[np.floating]],
    *,
    right: Callable[[NDArray[np.floating]], NDArray[np.bool_]],
    agreed: Callable[[Batch, NDArray[np.floating]], NDArray[np.bool_]] = every,
) -> Selection:
    """Return up to `count` samples of a class that the model classifies correctly, in seeded random order.

    The choice for one class depends on the seed and the class alone, not on which other classes are analysed.

    Args:
        samples: the data.
        target: the class.
        count: how many to find.
        seed: of the order in which samples are tried.
        predict: class scores `[samples, classes]` of inputs.
        right: which samples scores decide as the class.
        agreed: of which samples, and their scores, that is the decision in use; no other counts as correct.

    Raises:
        SamplesError: a score is not finite.
    """
    order = _order(samples, target, seed)
    x: list[Inputs] = []
    indices: list[int] = []
    unreadable: list[str] = []
    highest = np.zeros(0, np.int64)
    examined = 0
    while examined < len(order) and len(indices) < count:
        batch = samples.read(order[examined : examined + READ_AT_ONCE])
        examined = min(examined + READ_AT_ONCE, len(order))
        unreadable += batch.unreadable
        if len(batch.indices):
            scores = predict(batch.x)
            _check_finite(scores, batch.indices, samples.source)
            highest = np.bincount(scores.argmax(axis=1), minlength=scores.shape[1]) + (highest if len(highest) else 0)
            correct = np.flatnonzero(right(scores) & agreed(batch, scores))
            x.append(batch.x[correct])
            indices += batch.indices[correct].tolist()
    found = np.concatenate(x)[:count] if x else np.empty((0,), np.float32)
    readable = examined - len(unreadable)
    return Selection(
        found,
        np.array(indices[:count], np.int64),
        readable,
        len(indices),
        tuple(unreadable),
        tuple(highest.tolist()),
    )


def count_rejected(
    samples: Samples,
    target: int,
    count: int,
    seed: int,
    predict: Callable[[Inputs], NDArray[np.floating]],
    *,
    right: Callable[[NDArray[np.floating]], NDArray[np.bool_]],
    agreed: Callable[[Batch, NDArray[np.floating]], NDArray[np.bool_]] = every,
) -> tuple[int, int]:
    """Return of how many samples that are not of a class the model says so, and how many could be read.

    Args:
        samples: the data.
        target: the class.
        count: how many to ask about, drawn by the seed.
        seed: of the order in which samples are drawn.
        predict: class scores `[samples, classes]` of inputs.
        right: which samples scores decide as the class.
        agreed: of which samples, and their scores, that is the decision in use.

    Raises:
        SamplesError: a score is not finite.
    """
    others = np.setdiff1d(np.arange(len(samples)), samples.of_class(target))
    drawn = np.random.default_rng([seed, target, 4]).permutation(others)[:count]
    rejected = readable = 0
    for start in range(0, len(drawn), READ_AT_ONCE):
        batch = samples.read(drawn[start : start + READ_AT_ONCE])
        if len(batch.indices):
            scores = predict(batch.x)
            _check_finite(scores, batch.indices, samples.source)
            rejected += int((~right(scores) & agreed(batch, scores)).sum())
            readable += len(batch.indices)
    return rejected, readable


def _check_finite(scores: NDArray[np.floating], indices: Indices, source: str) -> None:
    """Refuse scores that mean nothing: a sample without a prediction is neither right nor wrong."""
    bad = ~np.isfinite(scores).all(axis=1)
    if bad.any():
        raise SamplesError(
            "the model's outcome is NaN or infinite on some sample",
            where=f"{source}, sample {int(indices[bad][0])}",
            why="a value overflowed or was undefined inside the model",
            remedy="check the preprocessing (rescale, mean, std); use a float32 model in place of float16",
        )


def choose_balanced(samples: Samples, count: int, seed: int) -> Selection:
    """Return about `count` reference samples, equally many of each class, right or wrong alike.

    A class with fewer samples than its share gives all it has. The model is not asked about them.

    Raises:
        SamplesError: not one of them could be read.
    """
    classes = samples.present
    share = -(-count // len(classes))
    picked = [
        np.random.default_rng([seed, int(label), 1]).permutation(samples.of_class(int(label)))[:share]
        for label in classes
    ]
    together = np.concatenate(picked)
    # A sample of several classes counts once.
    batch = samples.read(together if samples.labels.ndim == 1 else np.unique(together))
    if not len(batch.indices):
        raise SamplesError(
            "no reference sample can be read",
            where=samples.source,
            why=f"all of {sum(map(len, picked))} are unreadable, e.g. {batch.unreadable[0]}",
            remedy="repair the data, or use --replace zero, which needs no reference",
        )
    return Selection(batch.x, batch.indices, examined=0, correct=0, unreadable=batch.unreadable)


def tried(samples: Samples, target: int, chosen: Indices, count: int, seed: int) -> Indices:
    """Return the positions of all samples that decided the choice: those too that were wrong or unreadable.

    They are tried in random order until enough are found, so what comes after the last chosen one is a fair draw from
    the class; if the chosen ones alone were taken out, wrong ones would be more frequent in what is left.

    Args:
        samples: the data.
        target: the class.
        chosen: positions of the chosen samples, as `choose_correct` returned them.
        count: how many were asked for.
        seed: as for `choose_correct`.
    """
    order = _order(samples, target, seed)
    if len(chosen) < count or not len(chosen):
        return order
    return order[: int(np.flatnonzero(np.isin(order, chosen)).max()) + 1]


def _order(samples: Samples, target: int, seed: int) -> Indices:
    """Return the positions of a class's samples in the order in which they are tried."""
    return np.random.default_rng([seed, target]).permutation(samples.of_class(target))
