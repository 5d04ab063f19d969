"""Names of classes, however many and however alike."""

import random

import pytest

from onnxcausal.errors import SamplesError
from onnxcausal.samples.class_names import finder, index_of_names, matching


def test_many_names_are_found_as_one_is() -> None:
    drawn = random.Random(0)  # noqa: S311  # names, no secrets
    words = ["a", "b", "a b", "b a", " a", "", " ", "a\tb"]
    for _ in range(200):
        known = drawn.choices(words, k=6)
        find = finder(known)
        assert [find(name) for name in words] == [matching(name, known) for name in words]


@pytest.mark.attack("data", "read in seconds")
def test_hostile_numbers_of_names_are_matched_once_each() -> None:
    found = sorted(f"k{number}" for number in range(20_000))
    indices, _ = index_of_names(found, [f"k{number} name" for number in range(90_000)], "here")
    assert indices == [int(name[1:]) for name in found]


@pytest.mark.attack("data", "refused with four lines, exit code 4")
def test_hostile_names_that_are_all_alike_are_not_compared_without_end() -> None:
    drawn = random.Random(0)  # noqa: S311  # names, no secrets
    known = ["".join(drawn.choices("ab", k=150)) for _ in range(50_000)]
    with pytest.raises(SamplesError, match="that the class names do not"):
        index_of_names(["ab" * 75], known, "here")
