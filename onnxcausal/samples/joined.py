"""Data of models with several inputs: one array for each, laid side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.filesystem.archives import open_archive
from onnxcausal.filesystem.reading import why_unread
from onnxcausal.samples.source import as_floats

LABELS = "y"
"""Name of the array of labels in an `.npz` file, where no input has it."""


def read_parts(source: Path, names: Sequence[str]) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.generic] | None]:
    """Return the arrays of some inputs, `[samples, ...]` each, and the labels where there are any.

    Args:
        source: an `.npz` file with an array for every input.
        names: the inputs.

    Raises:
        SamplesError: an input has no array, or the file cannot be read.
    """
    try:
        with open_archive(source) as file:
            held = {name: file.read(name) for name in file.names if name in {*names, LABELS}}
    except (OSError, ValueError) as error:
        raise SamplesError(
            "the data file cannot be read",
            where=str(source),
            why=why_unread(error),
            remedy="supply an .npz file with an array for every input",
        ) from error
    missing = [name for name in names if name not in held]
    if missing:
        raise SamplesError(
            f"the data has nothing for the input {missing[0]!r}",
            where=str(source),
            why=f"the model takes the inputs {', '.join(names)}; the data holds {', '.join(sorted(held)) or 'none'}",
            remedy=f"add an array named {missing[0]}, or give the input one value with --set",
        )
    return {name: held[name] for name in names}, None if LABELS in names else held.get(LABELS)


def samples_first(
    parts: Mapping[str, NDArray[np.generic]], axes: Mapping[str, int], count: int | None
) -> dict[str, NDArray[np.generic]]:
    """Return arrays in which the samples stand first, where they are as a model takes them.

    Args:
        parts: an array for each input.
        axes: along which axis the model has the samples, by input; of those that are missing the first one.
        count: number of samples; None: that of the first input whose samples stand first.
    """
    first = next((name for name in parts if not axes.get(name, 0)), None)
    known = count if count is not None or first is None else len(parts[first])
    turned = {}
    for name, held in parts.items():
        axis = axes.get(name, 0)
        along = 0 < axis < held.ndim and held.shape[0] != known and held.shape[axis] == known
        turned[name] = np.moveaxis(held, axis, 0) if along else held
    return turned


def joined(parts: Mapping[str, NDArray[np.generic]], names: Sequence[str], source: str) -> NDArray[np.float32]:
    """Return the inputs side by side, `[samples, values]`.

    Args:
        parts: an array of numbers for each input, `[samples, ...]`.
        names: the inputs, in order.
        source: where they come from, for errors.

    Raises:
        SamplesError: they are not numbers, not equally many samples, or numbers that float32 does not hold.
    """
    counts = {len(parts[name]) if parts[name].ndim else 0 for name in names}
    if len(counts) != 1:
        raise SamplesError(
            "the inputs have different numbers of samples",
            where=source,
            why=", ".join(f"{name} {list(parts[name].shape)}" for name in names),
            remedy="supply as many samples of each",
        )
    columns = []
    for name in names:
        values = parts[name]
        narrowed = as_floats(values) if values.dtype.kind in "iubf" else None
        if narrowed is None or (values.dtype.kind in "iu" and not np.array_equal(narrowed.astype(np.float64), values)):
            raise SamplesError(
                "an input cannot be taken as it is",
                where=f"{source}, {name}",
                why=f"its type is {values.dtype}"
                + ("" if narrowed is None else ", with whole numbers beyond 2^24, which float32 does not hold"),
                remedy="store numbers, whole ones below 2^24",
            )
        columns.append(narrowed.reshape(len(values), -1))
    return np.concatenate(columns, axis=1)
