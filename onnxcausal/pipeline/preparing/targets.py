"""Classes of a model: how many, their names, and which are analysed."""

import ast
import json
import warnings
from collections.abc import Mapping, Sequence

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.errors import ConfigError, SamplesError, nearest
from onnxcausal.samples.class_names import WHOLE, matching
from onnxcausal.samples.source import Samples

LONGEST_LIST = 2**20
"""Letters of a list of class names, at most."""
METADATA_KEYS = ("names", "class_names", "classes", "labels", "id2label")
"""Metadata properties in which exporters store class names, as a list or as a mapping from index to name."""


def names_in_metadata(metadata: Mapping[str, str], classes: int | None = None) -> tuple[str, ...] | None:
    """Return the class names in a model's metadata, None where there are none that can be understood.

    Args:
        metadata: properties by name.
        classes: number of classes that names must cover; None takes any number.

    >>> names_in_metadata({"names": "{0: 'cat', 1: 'dog'}"})
    ('cat', 'dog')
    """
    for key in METADATA_KEYS:
        names = _as_names(metadata[key]) if key in metadata else None
        if names and classes in (None, len(names)):
            return names
    return None


def resolve_targets(
    asked: Sequence[int | str] | None, samples: Samples, classes: int, names: Sequence[str] | None
) -> tuple[int, ...]:
    """Return the indices of the classes to analyse, ascending.

    Args:
        asked: indices or names; None for every class present in the data.
        samples: the data.
        classes: number of the model's classes.
        names: name of each class, if known.

    Raises:
        SamplesError: a label outside the model's classes.
        ConfigError: an unknown class was asked for.
    """
    present = samples.present
    outside = present[(present < 0) | (present >= classes)]
    if len(outside):
        raise SamplesError(
            "the data has labels outside the model's classes",
            where=f"{samples.source}, label {int(outside[0])}",
            why=f"the model has {classes} classes, 0 to {classes - 1}",
            remedy="check the labels, and that the model belongs to the data (a background class shifts them by one)",
        )
    if asked is None:
        return tuple(present.tolist())
    return tuple(sorted({_index(target, present.tolist(), names, samples) for target in asked}))


def _index(target: int | str, present: list[int], names: Sequence[str] | None, samples: Samples) -> int:
    """Return the class an index, a name or a name's first word stands for."""
    text = str(target).strip()
    matches = [int(text)] if WHOLE.fullmatch(text) and text.isdecimal() else matching(text, names or ())
    index = matches[0] if len(matches) == 1 else -1
    if index in present:
        return index
    near = nearest(text, [name for name in names or () if name])
    shown = ", ".join(title_of(index, names) for index in present[:10]) + (" ..." if len(present) > 10 else "")  # noqa: PLR2004
    remedy = f"did you mean {near!r}?" if near else "choose among them, by index or by name"
    if samples.synthetic:
        remedy = "supply data with --data: the model put no synthetic probe input into this class"
    elif len(matches) > 1:
        remedy = f"several classes have this name; give the index: {', '.join(map(str, matches))}"
    elif "," in text:
        remedy = "name one class at a time: --target A --target B"
    raise ConfigError(
        f"unknown target {target!r}",
        where=f"targets, {samples.source}",
        why=f"the data has the classes {shown}",
        remedy=remedy,
    )


def _as_names(text: str) -> tuple[str, ...] | None:
    """Return names written as JSON or as a Python literal: a list, or a mapping from index to name."""
    held: object = None
    if len(text) > LONGEST_LIST:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's own, of text that is no list
                held = parse(text)
            break
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    if isinstance(held, dict):
        try:
            held = [name for _, name in sorted((int(index), name) for index, name in held.items())]
        except (TypeError, ValueError):
            return None
    if isinstance(held, list | tuple) and held and all(isinstance(name, str | int) for name in held):
        return tuple(map(str, held))
    return None
