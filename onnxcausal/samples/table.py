"""Tables: `.csv` files with a header, one column the label."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError, SamplesError, nearest
from onnxcausal.filesystem.reading import plain_file, why_unread
from onnxcausal.samples.class_names import index_of_names
from onnxcausal.samples.source import as_floats

LONGEST_LINE = 2**24
"""Letters of a line, its end included."""
LABEL_COLUMNS = ("label", "class", "target", "y")
"""Names by which the label column is recognised, in this order; else it is the last column."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of features.

    Attributes:
        features: `[samples, columns]`.
        labels: class indices, `[samples]`.
        class_names: name of each class, where labels are names.
        label_column: the column the labels stand in.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...] | None
    label_column: str


def read_table(
    path: Path,
    label_column: str | None,
    class_names: Sequence[str] | None,
    names_from: str = "",
    *,
    labelled: bool = True,
) -> Table:
    """Return the features and labels of a table.

    Labels are class indices, or names: then matched to `class_names`, or counted in sorted order without.

    Args:
        path: UTF-8 text, comma-separated, first line the column names.
        label_column: name of the label column; None recognises `LABEL_COLUMNS`, else takes the last.
        class_names: name of each class index, when known.
        names_from: where those names come from, for messages.
        labelled: whether the label column holds classes; where not, it is left out.

    Raises:
        SamplesError: not a table of numbers.
        ConfigError: no column of that name.
    """
    header, rows = _read_rows(path)
    _check_header(path, header, label_column)
    position = _label_position(header, label_column, str(path))
    for number, row in enumerate(rows, start=2):
        _check_length(path, number, row, header)
    others = [i for i in range(len(header)) if i != position]
    features = np.array([[_number(path, n, header[i], row[i]) for i in others] for n, row in enumerate(rows, start=2)])
    features = as_floats(features)
    if not labelled:
        return Table(features, np.zeros(len(rows), np.int64), None, header[position])
    labels, names = _classes([row[position] for row in rows], class_names, path, names_from)
    return Table(features, labels, names, header[position])


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns of a table that are inputs of a model each.

    Attributes:
        parts: `[samples, 1]` each, by name.
        labels: class indices, `[samples]`; None where the samples belong to no classes.
        class_names: name of each class, where labels are names.
    """

    parts: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] | None


def read_columns(
    path: Path,
    inputs: Sequence[str],
    label_column: str | None,
    class_names: Sequence[str] | None,
    *,
    labelled: bool,
) -> Columns:
    """Return the columns of a table that have the names of inputs, and its labels; other columns are not read.

    Args:
        path: as for `read_table`.
        inputs: the inputs.
        label_column: name of the label column; None recognises `LABEL_COLUMNS`, else takes the last that is no input.
        class_names: name of each class index, when known.
        labelled: whether the samples belong to classes.

    Raises:
        SamplesError: an input has no column, or one that is not of numbers.
        ConfigError: no column of the label's name.
    """
    header, rows = _read_rows(path)
    for number, row in enumerate(rows, start=2):
        _check_length(path, number, row, header)
    missing = [name for name in inputs if name not in header]
    if missing:
        raise SamplesError(
            f"the data has nothing for the input {missing[0]!r}",
            where=str(path),
            why=f"the model takes the inputs {', '.join(inputs)}; the columns are {', '.join(header)}",
            remedy=f"add a column named {missing[0]}, or give the input one value with --set",
        )
    parts = {}
    for name in inputs:
        place = header.index(name)
        values = [_number(path, number, name, row[place]) for number, row in enumerate(rows, start=2)]
        parts[name] = as_floats(np.array(values))[:, None]
    others = [name for name in header if name not in inputs]
    if not labelled or not (others or label_column):
        return Columns(parts, None, None)
    column = label_column if label_column is not None else others[_label_position(others, None, str(path))]
    position = _label_position(header, column, str(path))
    return Columns(parts, *_classes([row[position] for row in rows], class_names, path, "the model"))


def _classes(
    written: Sequence[str], class_names: Sequence[str] | None, path: Path, names_from: str
) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """Return the class index of each label, and the classes' names where labels are names."""
    labels = [label.strip() for label in written]
    if not set(labels) <= set(class_names or ()):  # written like the names, labels are left as they are
        labels = _whole_numbers(labels)
    found = sorted(set(labels))
    where = f"{path} against the class names from {names_from}" if class_names else str(path)
    indices, names = index_of_names(found, class_names, where)
    by_label = dict(zip(found, indices, strict=True))
    return np.array([by_label[label] for label in labels], np.int64), names


def _check_length(path: Path, number: int, row: Sequence[str], header: Sequence[str]) -> None:
    if len(row) != len(header):
        raise _bad_row(path, number, f"it has {len(row)} values, the header {len(header)}")


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the rows, which are not empty."""
    try:
        with plain_file(path) as file, TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(_lines(text)) if row]
    except (OSError, ValueError) as error:
        raise _no_table(path, why_unread(error)) from error
    except csv.Error as error:
        raise _no_table(path, str(error)) from error
    header = [name.strip() for name in rows[0]] if rows else []
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise SamplesError(
            "the table's columns are not separated by commas",
            where=str(path),
            why=f"its first line is {header[0][:60]!r}",
            remedy="write it with commas",
        )
    if len(rows) < 2 or len(header) < 2:  # noqa: PLR2004
        raise SamplesError(
            "the table is empty",
            where=str(path),
            why="it needs a line of column names, at least one row, and at least two columns",
            remedy="supply one row per sample, with the label in one column",
        )
    return header, rows[1:]


def _lines(text: TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a text.

    Raises:
        ValueError: one is longer than any row, or no text.
    """
    while line := text.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"it has a line of more than {LONGEST_LINE:,} letters")
        yield line


def _no_table(path: Path, why: str) -> SamplesError:
    return SamplesError(
        "the table cannot be read", where=str(path), why=why, remedy="supply UTF-8 comma-separated text"
    )


def _check_header(path: Path, header: list[str], label_column: str | None) -> None:
    """Refuse a first line that is a sample: numbers, and none of them a name that is known or counted."""
    numbered = header[:-1] == [str(number) for number in range(len(header) - 1)]
    named = label_column in header or any(name in LABEL_COLUMNS for name in header)
    if numbered or named or not all(_is_number(name) for name in header[:-1]):
        return
    raise SamplesError(
        "the table has no column names",
        where=f"{path}, line 1",
        why="its first line is numbers, and would be lost as a sample",
        remedy="put a line of column names before it",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, column: str, text: str) -> float:
    if _is_number(text):
        return float(text)
    raise _bad_row(path, line, f"column {column!r} holds {text.strip()[:40]!r}, which is no number")


def _whole_numbers(labels: list[str]) -> list[str]:
    """Return labels written as floats (`3.0`) as the whole numbers they are; all others as they stand."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return labels
    return [str(int(number)) for number in numbers] if all(number.is_integer() for number in numbers) else labels


def _label_position(header: list[str], label_column: str | None, where: str) -> int:
    if label_column is None:
        named = [header.index(name) for name in LABEL_COLUMNS if name in header]
        return named[0] if named else len(header) - 1
    if label_column in header:
        return header.index(label_column)
    near = nearest(label_column, header)
    raise ConfigError(
        f"the table has no column {label_column!r}",
        where=where,
        why=f"its columns are {', '.join(header[:12])}" + (" ..." if len(header) > 12 else ""),  # noqa: PLR2004
        remedy=f"did you mean {near!r}?" if near else "name the column that holds the label",
    )


def _bad_row(path: Path, number: int, why: str) -> SamplesError:
    return SamplesError(
        "a row of the table is not numbers",
        where=f"{path}, line {number}",
        why=why,
        remedy="every column but the label must be a number: name the label's with --label-column, encode categories",
    )
