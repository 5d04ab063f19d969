"""Names of the classes: from labels.txt, and matched to folders and label columns."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from onnxcausal.errors import SamplesError, nearest
from onnxcausal.filesystem.reading import read_plain, why_unread

LONGEST_FILE, MOST_NAMES = 2**24, 100_000
"""Bytes of a file of class names, and names in it."""
LONGEST_INDEX = 18
"""Digits of a class index: what 64 bits hold."""
WHOLE = re.compile(f"-?[0-9]{{1,{LONGEST_INDEX}}}")
"""How a class index is written."""


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a text file, one a line, in the order of the class indices.

    Raises:
        SamplesError: the file is empty, not UTF-8 text, or far longer than any such file.
    """
    try:
        lines = _text(read_plain(path, LONGEST_FILE)).splitlines()
    except (OSError, ValueError) as error:
        raise SamplesError(
            "the file of class names cannot be read",
            where=str(path),
            why=why_unread(error),
            remedy="supply UTF-8 text with one class name a line, in the order of the model's classes",
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) > MOST_NAMES:
        raise SamplesError(
            "the file of class names has too many lines",
            where=str(path),
            why=f"it has {len(names):,}, of at most {MOST_NAMES:,}",
            remedy="write one line for each class of the model",
        )
    if not names:
        raise SamplesError(
            "the file of class names is empty",
            where=str(path),
            why="it has no line with a name",
            remedy="write one class name a line, in the order of the model's classes, or remove the file",
        )
    return names


def index_of_names(
    found: Sequence[str], class_names: Sequence[str] | None, where: str
) -> tuple[list[int], tuple[str, ...] | None]:
    """Return the class index of each name found in the data, and the names by class index.

    Args:
        found: distinct names, sorted.
        class_names: names by class index, when known; matched whole or by their first word (`n01440764 tench`).
        where: the source, for the error.

    Raises:
        SamplesError: a name that matches no class, or is an index beyond all bounds.

    >>> index_of_names(["cat", "dog"], None, "folder")
    ([0, 1], ('cat', 'dog'))
    >>> index_of_names(["3", "07"], None, "folder")
    ([3, 7], None)
    >>> index_of_names(["n2"], ["n1 tench", "n2 shark"], "folder")
    ([1], ('n1 tench', 'n2 shark'))
    >>> index_of_names(["0", "10", "2"], ["0", "10", "2"], "folder")
    ([0, 1, 2], ('0', '10', '2'))
    """
    numbers = all(name.removeprefix("-").isdecimal() for name in found)
    strange = [name for name in found if not WHOLE.fullmatch(name)] if numbers else []
    if strange:
        raise SamplesError(
            "the data has a class that is no index",
            where=where,
            why=f"{strange[0][:40]!r} is beyond {LONGEST_INDEX} digits, or is not written with 0 to 9",
            remedy="write class indices as the model counts them, from 0",
        )
    if class_names is None:
        return ([int(name) for name in found], None) if numbers else (list(range(len(found))), tuple(found))
    find = finder(class_names)
    matches = [find(name) for name in found]
    if numbers and not all(matches):  # some are no names, so all are indices
        for name, own in zip(found, matches, strict=True):
            if own and own != [int(name)]:
                raise _name_or_index(name, int(name), own[0], found[matches.index([])], where)
        return [int(name) for name in found], tuple(class_names)
    for name, own in zip(found, matches, strict=True):
        if len(own) != 1:
            raise _no_single_match(name, own, class_names, where)
    return [own[0] for own in matches], tuple(class_names)


def number_of(text: str) -> int | None:
    """Return the class index that a text is; None where it is none.

    >>> number_of("07"), number_of("-1"), number_of("9" * 5000)
    (7, None, None)
    """
    return int(text) if WHOLE.fullmatch(text) and text.isdecimal() else None


def matching(name: str, class_names: Sequence[str]) -> list[int]:
    """Return the classes a name stands for: those of that name, else those whose first word it is.

    >>> matching("n2", ["n1 tench", "n2 shark"]), matching("crane", ["crane", "cat", "crane"])
    ([1], [0, 2])
    """
    whole = [index for index, known in enumerate(class_names) if known == name]
    return whole or [index for index, known in enumerate(class_names) if known.split()[:1] == [name]]


def finder(class_names: Sequence[str]) -> Callable[[str], list[int]]:
    """Return what finds the classes that a name stands for, as `matching` does, however many names are looked up.

    >>> find = finder(["n1 tench", "n2 shark", "crane", "crane"])
    >>> find("n2"), find("crane"), find("cat")
    ([1], [2, 3], [])
    """
    whole: dict[str, list[int]] = defaultdict(list)
    first: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(class_names):
        whole[name].append(place)
        for word in name.split(maxsplit=1)[:1]:
            first[word].append(place)
    return lambda name: whole.get(name) or first.get(name, [])


def _text(content: bytes) -> str:
    """Return a file's text.

    Raises:
        ValueError: it is none.
    """
    if b"\0" in content:
        raise ValueError("it holds zero bytes, as no text does")
    return content.decode("utf-8-sig")


def _name_or_index(name: str, number: int, named: int, other: str, where: str) -> SamplesError:
    return SamplesError(
        f"the data's class {name!r} is the name of one class and the index of another",
        where=where,
        why=f"class {named} has that name and class {number} that index; {other!r} is the name of none, so that not "
        "all of the data's classes are names",
        remedy="call all folders or labels by the names of the classes, or none of them",
    )


def _no_single_match(name: str, matches: list[int], class_names: Sequence[str], where: str) -> SamplesError:
    if matches:
        return SamplesError(
            f"the data's class {name!r} is the name of several classes",
            where=where,
            why=f"it matches the classes {', '.join(map(str, matches))}",
            remedy="name the folders or labels by class index",
        )
    near = nearest(name, class_names)
    return SamplesError(
        f"the data has a class {name!r} that the class names do not",
        where=where,
        why=f"{len(class_names)} class names are known" + (f"; the nearest is {near!r}" if near else ""),
        remedy="make the names equal, or name the folders by class index",
    )
