"""Records among a model's metadata: JSON that somebody else may have written, read within bounds.

What a record holds is what the file says of itself, and nothing that is known.
"""

import json
from collections.abc import Mapping
from typing import Any

from onnxcausal.filesystem.json_text import parse_json

MOST = 2**23
"""Letters that a record may have: far more than any honest one, which lists nodes and means."""
MOST_FREE = 2**18
"""Letters that what is free in it may have."""
DEEPEST = 32
"""Levels of lists and objects in each other."""
DEEPEST_FREE = 24
"""The same within what is free."""


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
    found = parse_json(text.encode(), deepest=deepest)
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004  # what the text holds, not what was passed
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
