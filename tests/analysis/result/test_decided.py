"""What decisions about all classes have in common."""

import pytest

from onnxcausal.analysis.result.decided import Decided, conclusion


def decided(*taken: int | None, classes: int | None = None, first: int = 0) -> list[Decided]:
    """Return decisions of ten samples of each class: nine as the one that is given, one as class 0; None: not tried."""
    found = []
    for target, most in enumerate(taken, start=first):
        if most is not None:
            counts = [0] * (classes or len(taken))
            counts[most] += 9
            counts[0] += 1
            found.append(Decided(target, tuple(counts)))
    return found


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (decided(3, 0, 1, 2), "as the one before it: the labels may start at 1"),
        (decided(0, 1, 2, classes=10, first=1), "as the one before it: the labels may start at 1"),
        (decided(1, 2, 3, 0), "as the next one: the model's classes may start at 1"),
        (decided(1, None, 3, None, classes=9), "as the next one"),
        (decided(2, 3, 4, 0, 1), "as the one 2 further"),
        (decided(1, 0), "each of the two classes is decided as the other"),
        (decided(2, 2, classes=4), "every class is decided as 2: the preprocessing"),
        (decided(2, 3, 1, 0), "as another one of its own: the order of the classes"),
    ],
)
def test_what_is_in_common_is_told(held: list[Decided], told: str) -> None:
    assert told in conclusion(held)


@pytest.mark.parametrize(
    "held",
    [[], decided(1, classes=3), decided(0, 1, 2), decided(3, 0, 2, 2), decided(1, 2, 1, 1, classes=5), decided(0, 0)],
)
def test_where_nothing_is_in_common_nothing_is_told(held: list[Decided]) -> None:
    assert conclusion(held) == ""


def test_a_class_is_low_where_less_than_half_of_its_samples_are_right() -> None:
    assert Decided(1, (6, 5, 0)).is_low
    assert not Decided(1, (5, 5, 0)).is_low
    assert not Decided(1, (0, 0, 0)).is_low
    assert (Decided(1, (3, 1, 3)).most, Decided(1, (3, 1, 3)).total) == (0, 7)
