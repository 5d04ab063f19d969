"""JSON and TOML that bite: by what is wrong with it, what is written in place of a value, and why it is refused."""

import os
from collections.abc import Callable
from pathlib import Path

JSON = {
    "lists without end": (b"[" * 10**6, "deep"),
    "objects without end": (b'{"a":' * 10**6, "deep"),
    "deep and closed": (b"[" * 900 + b"1" + b"]" * 900, "deep"),
    "deep behind a string full of quotes": (rb'["\"\\\\", "' + b'\\"' * 50 + b'", ' + b"[" * 99 + b"]" * 100, "deep"),
    "number of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "beyond 64 bits"),
    "number of 4,000 digits": (b'{"a": ' + b"9" * 4000 + b"}", "beyond 64 bits"),
    "number of 20 digits": (b'{"a": -99999999999999999999}', "beyond 64 bits"),
    "2 to the 63": (b"[9223372036854775808]", "beyond 64 bits"),
    "1e400": (b'{"a": 1e400}', "beyond what a number holds"),
    "fraction of 5,000 digits before its point": (b"[" + b"9" * 5000 + b".5]", "beyond what a number holds"),
    "NaN": (b'{"a": NaN}', "no number"),
    "Infinity": (b'{"a": -Infinity}', "no number"),
    "key twice": (b'{"a": {"b": 1, "c": 2, "b": 3}}', "'b' is there twice"),
    "key twice, once escaped": (rb'{"format": 1, "\u0066ormat": 2}', "'format' is there twice"),
    "half a letter": (rb'{"a": "\ud800.onnx"}', "surrogates"),
    "half a letter as a key": (rb'{"\uDC00": 1}', "surrogates"),
    "half a letter as it is": (b'{"a": "\xed\xa0\x80"}', "utf-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf-8"),
    "UTF-32": ('{"a": 1}'.encode("utf-32"), "utf-8"),
    "binary": (bytes(range(256)), "utf-8"),
    "zeros": (bytes(1000), "Expecting"),
    "nothing": (b"", "Expecting"),
    "cut short": (b'{"a": [1, 2', "delimiter"),
    "control code in a string": (b'{"a": "\x1b[31m"}', "control character"),
    "too many values": (b"[" + b"0," * (2**20 + 2**18) + b"0]", "values in"),
    "too many lists": (b"[" + b"[]," * 2**20 + b"[]]", "values in"),
}
"""Texts, and a part of why each is refused."""
TOML = {
    "list without end": ("a = " + "[" * 5000, "deep"),
    "deep and closed": ("a = " + "[" * 200 + "]" * 200, "deep"),
    "tables without end": ("a = " + "{b = " * 5000, "deep"),
    "number of 5,000 digits": ("[analysis]\nsamples = " + "9" * 5000, "digits"),
    "number of 30 digits": ("[analysis]\nsamples = " + "9" * 30, "beyond 64 bits"),
    "hexadecimal without end": ("[analysis]\nseed = 0x" + "f" * 5000, "beyond 64 bits"),
    "key of many parts": (".".join("a" * 4000) + " = 1", "too many parts"),
    "many keys of many parts": (
        "\n".join(f"x{number}." + ".".join("a" * 400) + " = 1" for number in range(100)),
        "parts",
    ),
    "key twice": ("[analysis]\nseed = 1\nseed = 2", "overwrite"),
    "control code": ("a = '\x1b[31m'", "character"),
    "longer than any settings": ("#" * (2**20 + 1), "more than"),
}
"""Settings, and a part of why each is refused."""


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


PLACES: dict[str, Callable[[Path], None]] = {
    "pipe": _pipe,
    "device that never ends": _link("/dev/zero"),
    "device that waits": _link("/dev/tty"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nothing": _link("/nowhere/at/all"),
    "folder": Path.mkdir,
    "file of a TiB that takes no place": _sparse,
}
"""What may stand in the place of a file, and can be read as none."""
