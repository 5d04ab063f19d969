"""Tables: `.csv` files with a header, one column the label."""

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples.classnames import index_of_names

LABEL_COLUMNS = ("label", "class", "target", "y")
"""Names by which the label column is recognised, in this order; else it is the last column."""


def read_table(
    path: Path, label_column: str | None, class_names: Sequence[str] | None
) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[str, ...] | None]:
    """Return features `[samples, columns]`, class indices `[samples]` and the class names, if there are any.

    Labels are class indices, or names: then matched to `class_names`, or counted in sorted order without.

    Args:
        path: UTF-8 text, comma-separated, first line the column names.
        label_column: name of the label column; None recognises `LABEL_COLUMNS`, else takes the last.
        class_names: name of each class index, when known.

    Raises:
        SamplesError: not a table of numbers.
        ConfigError: no column of that name.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(
            "the table cannot be read", where=str(path), why=str(error), remedy="supply UTF-8 comma-separated text"
        ) from error
    if len(rows) < 2 or len(rows[0]) < 2:  # noqa: PLR2004
        raise SamplesError(
            "the table is empty",
            where=str(path),
            why="it needs a line of column names, at least one row, and at least two columns",
            remedy="supply one row per sample, with the label in one column",
        )
    header = [name.strip() for name in rows[0]]
    position = _label_position(header, label_column, str(path))
    features, labels = [], []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise _bad_row(path, number, f"it has {len(row)} values, the header {len(header)}")
        labels.append(row[position].strip())
        try:
            features.append([float(value) for i, value in enumerate(row) if i != position])
        except ValueError as error:
            raise _bad_row(path, number, str(error)) from error
    labels = _whole_numbers(labels)
    found = sorted(set(labels))
    indices, names = index_of_names(found, class_names, str(path))
    by_label = dict(zip(found, indices, strict=True))
    return np.array(features, np.float32), np.array([by_label[label] for label in labels], np.int64), names


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
        remedy="every column but the label must be a number; encode categories beforehand",
    )
