"""What this user's machine wrote is known again by a key that only it has.

A file beside a model may have come with the model. What is sealed with the key of this user was written by this tool
for this user; anything else is not. The key stands in the user's folder for state and never leaves it. Where it cannot
be kept there (no home, a read-only one), nothing is known again by a later process.
"""

import hmac
import os
import secrets
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from onnxcausal.filesystem.reading import read_plain
from onnxcausal.filesystem.writing import make_own

KEY_FILE = "key"
KEY_BYTES = 32
STATE, HOME, LOCAL = "XDG_STATE_HOME", "HOME", "LOCALAPPDATA"
"""Variables that say where a user's state is kept."""


def seal(*parts: bytes) -> bytes:
    """Return what only this user can have made of some bytes.

    Args:
        *parts: the bytes; they are told apart by their lengths.
    """
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(_key(_key_file(os.environ)), whole, "sha256")


def is_seal(given: object, *parts: bytes) -> bool:
    """Return whether this user sealed some bytes; never fails, whatever is given in the place of the seal."""
    return isinstance(given, bytes) and hmac.compare_digest(given, seal(*parts))


def _key_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the user's key is kept; None where there is no such place."""
    if sys.platform == "win32":
        place = environment.get(LOCAL)
    else:
        home = environment.get(HOME)
        place = environment.get(STATE) or (f"{home}/.local/state" if home else None)
    return Path(place) / "onnxcausal" / KEY_FILE if place and Path(place).is_absolute() else None


@cache
def _key(path: Path | None) -> bytes:
    """Return the key in a file, made where it is missing; one of this process alone where it cannot be kept."""
    if path is not None:
        try:
            make_own(path, secrets.token_bytes(KEY_BYTES))
            key = read_plain(path, KEY_BYTES, follow_links=False)
        except OSError:
            key = b""
        if len(key) == KEY_BYTES:
            return key
    return secrets.token_bytes(KEY_BYTES)
