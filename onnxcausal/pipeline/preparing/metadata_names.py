"""Class names in the metadata of a model file, read as data and never as code."""

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping

LONGEST_LIST = 2**20
"""Letters of a list of class names, at most."""
KEYS = ("names", "class_names", "classes", "labels", "id2label")
"""Properties in which exporters store class names, as a list or as a mapping from index to name."""
FURTHER_KEYS = (
    "character",
    "characters",
    "label_names",
    "class_labels",
    "categories",
    "label_map",
    "labels_map",
    "idx_to_class",
    "idx2label",
    "index_to_name",
)
"""More of them, whose names are believed only where they are as many as the classes."""
INVERSE_KEYS = ("label2id", "class_to_idx", "label2idx", "name_to_index")
"""Those that hold a mapping from name to index."""
QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
FLAT = re.compile(r"[\[({][\s\d,:_]*[\])}]")
"""What is left of a list or mapping without its strings, where no other one is in it."""


def names_in_metadata(metadata: Mapping[str, str], classes: int | None = None) -> tuple[str, ...] | None:
    r"""Return the class names in a model's metadata, None where there are none that can be understood.

    Args:
        metadata: properties by name.
        classes: number of classes that names must cover. With None any number is taken, but of the keys and forms
            that hold nothing else.

    >>> names_in_metadata({"names": "{0: 'cat', 1: 'dog'}"})
    ('cat', 'dog')
    >>> names_in_metadata({"character": "0\n180"}, 2), names_in_metadata({"character": "0\n180"}, 3)
    (('0', '180'), None)
    """
    for key in KEYS:
        names = _as_names(metadata[key]) if key in metadata else None
        if names and classes in (None, len(names)):
            return names
    return None if classes is None else _further(metadata, classes)


def _further(metadata: Mapping[str, str], classes: int) -> tuple[str, ...] | None:
    """Return as many names as there are classes, from any key and form."""
    held = {key.lower(): text for key, text in metadata.items()}
    for key in (*KEYS, *FURTHER_KEYS):
        for read in (_as_names, _as_inverse, _as_lines, _as_parts) if key in held else ():
            names = read(held[key])
            if names and len(names) == classes:
                return names
    for key in INVERSE_KEYS:
        names = _as_inverse(held[key]) if key in held else None
        if names and len(names) == classes:
            return names
    return None


def _parsed(text: str) -> object:
    """Return what is written as JSON or as a Python literal; None where it is neither."""
    if len(text) > LONGEST_LIST:
        return None
    parsers: list[Callable[[str], object]] = [json.loads]
    if FLAT.fullmatch(QUOTED.sub("0", text).strip()):
        parsers.append(ast.literal_eval)
    for parse in parsers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's own, of text that is no list
                return parse(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _as_names(text: str) -> tuple[str, ...] | None:
    """Return the names of a list, or of a mapping from index to name."""
    held = _parsed(text)
    if isinstance(held, dict):
        try:
            held = [name for _, name in sorted((int(index), name) for index, name in held.items())]
        except (TypeError, ValueError):
            return None
    if isinstance(held, list | tuple) and held and all(isinstance(name, str | int) for name in held):
        return tuple(map(str, held))
    return None


def _as_inverse(text: str) -> tuple[str, ...] | None:
    """Return the names of a mapping from name to index, which must be 0, 1, 2 and so on."""
    held = _parsed(text)
    if not isinstance(held, dict) or not all(type(index) is int for index in held.values()):
        return None
    names = {index: str(name) for name, index in held.items()}
    return tuple(names[index] for index in sorted(names)) if sorted(names) == list(range(len(held))) else None


def _as_lines(text: str) -> tuple[str, ...] | None:
    """Return the names of a text with one a line."""
    lines = text.removesuffix("\n").split("\n")
    return tuple(line.removesuffix("\r") for line in lines) if _is_plain(text) and len(lines) > 1 else None


def _as_parts(text: str) -> tuple[str, ...] | None:
    """Return the names of a text with commas between them."""
    names = tuple(part.strip() for part in text.split(",")) if _is_plain(text) else ()
    return names if len(names) > 1 and all(names) else None


def _is_plain(text: str) -> bool:
    """Whether a text is neither too long nor a list or mapping."""
    return len(text) <= LONGEST_LIST and text.strip()[:1] not in tuple("[({")
