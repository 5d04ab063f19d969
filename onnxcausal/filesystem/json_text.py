"""JSON that anybody may have written: within bounds, and read in one way only.

Refused are files of more bytes, values or depth than any honest one has, numbers that 64 bits do not hold, NaN, keys
that are there twice, and letters that no text can hold.
"""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from onnxcausal.filesystem.reading import OWN_FORMAT, read_plain

DEEPEST = 64
"""How deep lists and objects may stand in one another."""
MOST_VALUES, BYTES_A_VALUE = 2**20, 16
"""Values that a text may have; beyond those it must be as loosely written as records are: so many bytes a value."""
LONGEST_WHOLE = len(str(2**63)) + 1
PART = 2**20
"""Bytes that are looked through at once."""
HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""What half a letter begins with, where it is not written as itself."""
OPENING, CLOSING, QUOTE, COMMA = b"[{", b"]}", ord('"'), ord(",")


def read_json(path: Path, most: int = OWN_FORMAT) -> Any:  # noqa: ANN401  # JSON holds any
    """Return what a file of JSON holds.

    Args:
        path: the file, UTF-8.
        most: bytes it may have.

    Raises:
        OSError: it cannot be read, is no plain file, or has more bytes.
        ValueError: it is no JSON, or is beyond a bound.
    """
    return parse_json(read_plain(path, most))


def parse_json(text: bytes, deepest: int = DEEPEST) -> Any:  # noqa: ANN401  # as above
    """Return what a JSON text holds.

    Args:
        text: UTF-8.
        deepest: how deep lists and objects may stand in one another.

    Raises:
        ValueError: it is no JSON, or is beyond a bound.

    >>> parse_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' is there twice
    """
    _check_bounds(text, deepest)
    written = text.decode("utf-8-sig")
    held = json.loads(
        written,
        parse_int=_whole,
        parse_float=_finite,
        parse_constant=_no_number,
        object_pairs_hook=_each_key_once,
    )
    if HALF.search(written):
        _check_letters(held)
    return held


def _check_bounds(text: bytes, deepest: int) -> None:
    """Refuse a text with too many values, or that is too deep, before anything is made of it.

    Raises:
        ValueError: it is.
    """
    plain = text.replace(rb"\\", b"  ").replace(rb"\"", b"  ")  # then each quote begins or ends a string
    depth, values, inside = 0, 0, False
    for start in range(0, len(plain), PART):
        part = np.frombuffer(plain, np.uint8, count=min(PART, len(plain) - start), offset=start)
        outside = (np.cumsum(part == QUOTE) + inside) % 2 == 0
        opened = np.isin(part, list(OPENING)) & outside
        depths = depth + np.cumsum(opened.astype(np.int64) - (np.isin(part, list(CLOSING)) & outside))
        values += int(opened.sum() + ((part == COMMA) & outside).sum())
        if depths.max() > deepest:
            raise ValueError(f"its values stand more than {deepest} deep in one another")
        depth, inside = int(depths[-1]), not outside[-1]
    if values > MOST_VALUES + len(text) // BYTES_A_VALUE:
        raise ValueError(f"it has {values:,} values in {len(text):,} bytes")


def _check_letters(value: object) -> None:
    """Refuse half letters; one text after the other, for all of them again would take as much memory again.

    Raises:
        ValueError: there is one, which is a UnicodeEncodeError.
    """
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list | dict):
        for held in value:
            _check_letters(held)
        for held in value.values() if isinstance(value, dict) else ():
            _check_letters(held)


def _whole(text: str) -> int:
    if len(text) > LONGEST_WHOLE or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{_cut(text)} is beyond 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{_cut(text)} is beyond what a number holds")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {_cut(key)!r} is there twice")
    return held


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004
