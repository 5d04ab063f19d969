"""What errors tell."""

import difflib
import random

import pytest

from onnxcausal import errors
from onnxcausal.errors import nearest


def test_the_nearest_name_is_that_of_difflib() -> None:
    drawn = random.Random(0)  # noqa: S311  # names, no secrets
    asked = 0
    for _ in range(500):
        name, *known = ("".join(drawn.choices("abc", k=drawn.randint(1, 9))) for _ in range(12))
        expected = difflib.get_close_matches(name, known, n=1)
        assert nearest(name, known) == (expected[0] if expected else None)
        asked += bool(expected)
    assert 100 < asked < 500


def test_names_beyond_what_is_compared_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_COMPARED", 20)
    assert nearest("abcd", ["abce", "xxxx", "abcd"]) == "abce"
    assert nearest("abcd", iter(["abcd" * 2])) is None
