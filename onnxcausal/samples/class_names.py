"""Names of the classes: from labels.txt, and matched to folders and label columns."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from onnxcausal.errors import SamplesError


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a text file, one a line, in the order of the class indices.

    Raises:
        SamplesError: the file is empty or not UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(
            "the file of class names cannot be read",
            where=str(path),
            why=str(error),
            remedy="supply UTF-8 text with one class name a line, in the order of the model's classes",
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
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
        SamplesError: a name that matches no class.

    >>> index_of_names(["cat", "dog"], None, "folder")
    ([0, 1], ('cat', 'dog'))
    >>> index_of_names(["3", "07"], None, "folder")
    ([3, 7], None)
    >>> index_of_names(["n2"], ["n1 tench", "n2 shark"], "folder")
    ([1], ('n1 tench', 'n2 shark'))
    """
    numbers = all(name.removeprefix("-").isdecimal() for name in found)
    if class_names is None:
        return ([int(name) for name in found], None) if numbers else (list(range(len(found))), tuple(found))
    indices = []
    for name in found:
        matches = matching(name, class_names)
        if not matches and numbers:
            matches = [int(name)]
        if len(matches) != 1:
            raise _no_single_match(name, matches, class_names, where)
        indices += matches
    return indices, tuple(class_names)


def matching(name: str, class_names: Sequence[str]) -> list[int]:
    """Return the classes a name stands for: those of that name, else those whose first word it is.

    >>> matching("n2", ["n1 tench", "n2 shark"]), matching("crane", ["crane", "cat", "crane"])
    ([1], [0, 2])
    """
    whole = [index for index, known in enumerate(class_names) if known == name]
    return whole or [index for index, known in enumerate(class_names) if known.split()[:1] == [name]]


def _no_single_match(name: str, matches: list[int], class_names: Sequence[str], where: str) -> SamplesError:
    if matches:
        return SamplesError(
            f"the data's class {name!r} is the name of several classes",
            where=where,
            why=f"it matches the classes {', '.join(map(str, matches))}",
            remedy="name the folders or labels by class index",
        )
    near = difflib.get_close_matches(name, class_names, n=1)
    return SamplesError(
        f"the data has a class {name!r} that the class names do not",
        where=where,
        why=f"{len(class_names)} class names are known" + (f"; the nearest is {near[0]!r}" if near else ""),
        remedy="make the names equal, or name the folders by class index",
    )
