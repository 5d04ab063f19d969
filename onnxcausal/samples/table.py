"""Tables: `.csv` files with a header, one column the label."""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples.classnames import index_of_names

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


def read_table(path: Path, label_column: str | None, class_names: Sequence[str] | None, names_from: str = "") -> Table:
    """Return the features and labels of a table.

    Labels are class indices, or names: then matched to `class_names`, or counted in sorted order without.

    Args:
        path: UTF-8 text, comma-separated, first line the column names.
        label_column: name of the label column; None recognises `LABEL_COLUMNS`, else takes the last.
        class_names: name of each class index, when known.
        names_from: where those names come from, for messages.

    Raises:
        SamplesError: not a table of numbers.
        ConfigError: no column of that name.
    """
    header, rows = _read_rows(path)
    _check_header(path, header, label_column)
    position = _label_position(header, label_column, str(path))
    features, labels = [], []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise _bad_row(path, number, f"it has {len(row)} values, the header {len(header)}")
        labels.append(row[position].strip())
        features.append([_number(path, number, header[i], row[i]) for i in range(len(row)) if i != position])
    if not set(labels) <= set(class_names or ()):  # written like the names, labels are left as they are
        labels = _whole_numbers(labels)
    found = sorted(set(labels))
    where = f"{path} against the class names from {names_from}" if class_names else str(path)
    indices, names = index_of_names(found, class_names, where)
    by_label = dict(zip(found, indices, strict=True))
    numbered = np.array([by_label[label] for label in labels], np.int64)
    return Table(np.array(features, np.float32), numbered, names, header[position])


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the rows, which are not empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(
            "the table cannot be read", where=str(path), why=str(error), remedy="supply UTF-8 comma-separated text"
        ) from error
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
    near = difflib.get_close_matches(label_column, header, n=1)
    raise ConfigError(
        f"the table has no column {label_column!r}",
        where=where,
        why=f"its columns are {', '.join(header[:12])}" + (" ..." if len(header) > 12 else ""),  # noqa: PLR2004
        remedy=f"did you mean {near[0]!r}?" if near else "name the column that holds the label",
    )


def _bad_row(path: Path, number: int, why: str) -> SamplesError:
    return SamplesError(
        "a row of the table is not numbers",
        where=f"{path}, line {number}",
        why=why,
        remedy="every column but the label must be a number: name the label's with --label-column, encode categories",
    )
