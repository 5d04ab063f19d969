"""What a model decides instead, where it is right on few samples of a class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOW_ACCURACY = 0.5
"""Below this share of correctly classified samples the reader is told what they are taken for."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a model decides about the samples of one class that it was asked about.

    Attributes:
        target: the class.
        counts: how many samples are decided as each class of the model, in the order of their indices.
    """

    target: int
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of samples."""
        return sum(self.counts)

    @property
    def most(self) -> int:
        """The class that most samples are decided as; of several, the first."""
        return max(range(len(self.counts)), key=self.counts.__getitem__)

    @property
    def is_low(self) -> bool:
        """Whether few samples are decided as the class itself."""
        return self.counts[self.target] < LOW_ACCURACY * self.total


def conclusion(decided: Sequence[Decided], titles: Callable[[int], str] = str) -> str:
    """Return what the decisions about all classes have in common, a sentence; empty where that is nothing.

    Args:
        decided: of every class that was tried, right or wrong.
        titles: how a class is shown.

    >>> conclusion([Decided(1, (9, 0, 1)), Decided(2, (0, 9, 1))])
    "every class is decided as the one before it: the labels may start at 1, and the model's classes at 0"
    """
    taken = {each.target: each.most for each in decided}
    if len(taken) < 2 or any(most == target for target, most in taken.items()):  # noqa: PLR2004
        return ""  # of one class nothing is in common
    classes = len(decided[0].counts)
    told = set(taken.values())
    shifts = {(most - target) % classes for target, most in taken.items()}
    if len(told) == 1:
        return f"every class is decided as {titles(told.pop())}: the preprocessing may not be the model's"
    if len(shifts) == 1:
        return _shifted(shifts.pop(), classes)
    if len(told) == len(taken):
        return "every class is decided as another one of its own: the order of the classes may not be the model's"
    return ""


def _shifted(by: int, classes: int) -> str:
    """Return what it may mean that every class is decided as one so much further."""
    if classes == 2:  # noqa: PLR2004  # the next one is the one before
        return "each of the two classes is decided as the other: the labels may be exchanged"
    if by == classes - 1:
        return "every class is decided as the one before it: the labels may start at 1, and the model's classes at 0"
    if by == 1:
        return (
            "every class is decided as the next one: the model's classes may start at 1, after one for the background, "
            "and the labels at 0"
        )
    return f"every class is decided as the one {by} further: labels and model may not count the classes alike"
