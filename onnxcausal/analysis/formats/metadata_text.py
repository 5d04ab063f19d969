"""Records among a model's metadata: JSON that somebody else may have written, read within bounds.

What a record holds is what the file says of itself, and nothing that is known.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MOST = 2**23
"""Letters that a record may have: far more than any honest one, which lists nodes and means."""
MOST_FREE = 2**18
"""Letters that what is free in it may have."""
DEEPEST = 32
"""Levels of lists and objects in each other."""
DEEPEST_FREE = 24
"""The same within what is free."""
MOST_DIGITS = 32
"""Of a whole number."""
BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""Strings, and the brackets outside of them."""


def parse(text: str, *, deepest: int = DEEPEST) -> dict[str, Any]:
    """Return the object that a text holds.

    Args:
        text: the text.
        deepest: levels of lists and objects in each other that it may have.

    Raises:
        ValueError: it is longer or deeper than a record is, no JSON, or no object; the reason is told in its text.

    >>> parse('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    if len(text) > MOST:
        raise ValueError(f"it has {len(text):,} letters, a record has {MOST:,} at most")
    if _depth(text) > deepest:
        raise ValueError(f"its lists and objects stand in each other more than {deepest} deep")
    found = json.loads(
        text, parse_constant=_no_number, parse_int=_whole, parse_float=_finite, object_pairs_hook=_without_doubles
    )
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004  # what the text holds, not what was passed
    json.dumps(found, ensure_ascii=False).encode()  # half a letter of two has no bytes
    return found


def check_free(held: Mapping[str, Any]) -> None:
    """Refuse more of what is free in a record than anyone needs, and what no record could hold.

    Raises:
        ValueError: it is longer, deeper, or not JSON.
    """
    text = json.dumps(dict(held), default=str)
    if len(text) > MOST_FREE:
        raise ValueError(f"it has {len(text):,} letters, {MOST_FREE:,} are the most")
    parse(text, deepest=DEEPEST_FREE)


def _depth(text: str) -> int:
    """Return how deep a text's brackets stand in each other, those within strings left out."""
    depth = deepest = 0
    for found in BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:MOST_DIGITS]} is no number")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
