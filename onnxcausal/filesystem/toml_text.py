"""TOML that anybody may have written: within bounds."""

import tomllib
from pathlib import Path
from typing import Any

from onnxcausal.filesystem.reading import read_plain

MOST_BYTES = 2**20
"""Bytes that a file may have."""
DEEPEST = 32
"""How deep lists and tables may stand in one another."""
MOST_DOTS = 10**7
"""What the squares of the dots in each line may come to: as many steps a dotted key takes."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a file of TOML holds.

    Args:
        path: the file, UTF-8.

    Raises:
        OSError: it cannot be read, is no plain file, or has more bytes than any settings.
        ValueError: it is no TOML, nested without end, or has a number that 64 bits do not hold.
    """
    text = read_plain(path, MOST_BYTES).decode("utf-8")
    if sum(line.count(".") ** 2 for line in text.split("\n")) > MOST_DOTS:
        raise ValueError("its keys have too many parts")
    try:
        held = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its values stand too deep in one another") from error
    _check(held, 0)
    return held


def _check(value: object, depth: int) -> None:
    """Refuse numbers beyond 64 bits, and depth.

    Raises:
        ValueError: there is such.
    """
    if depth > DEEPEST:
        raise ValueError(f"its values stand more than {DEEPEST} deep in one another")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number in it is beyond 64 bits")
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for held in inside:
        _check(held, depth + 1)
