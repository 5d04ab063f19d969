"""Arrays in memory: `.npz` files, tables and what Python callers pass."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.filesystem.archives import open_archive
from onnxcausal.filesystem.reading import why_unread
from onnxcausal.samples.preprocess import Preprocess, image_to_input, normalised
from onnxcausal.samples.resize import why_too_large
from onnxcausal.samples.source import (
    AS_THEY_ARE,
    NOT_RESCALED,
    Batch,
    Indices,
    Inputs,
    InputSpec,
    Samples,
    as_floats,
    fit_to_input,
    fits,
)

LARGEST_LABEL = 2**53
"""What every type of number holds exactly."""
MOST_SAMPLES = 2**25
"""Samples that data may have."""
PART = 2**20
"""Values of labels that are looked at at once."""
MOST_NAMED = 8
"""Arrays of a file that are named in a message."""


def array_samples(
    x: NDArray[np.generic],
    y: NDArray[np.generic] | None,
    spec: InputSpec,
    settings: Preprocess,
    *,
    source: str,
    class_names: Sequence[str] | None = None,
    names_from: str = "",
) -> Samples:
    """Return arrays as samples.

    Integer arrays go through the preprocessing: images `[samples, height, width]`, `[samples, height, width, 1 or 3]`
    or `[samples, 1 or 3, height, width]`; all others are features, to which only rescale, mean and std apply. Float
    arrays are taken as they are.

    Args:
        x: inputs, `[samples, ...]`.
        y: class indices, `[samples]`; or 1 for every class a sample is of and 0 elsewhere, `[samples, classes]`; None
            where there are no classes.
        spec: the model's input.
        settings: the preprocessing.
        source: name of the data, as recorded.
        class_names: name of each class index, when known.
        names_from: where the names come from, for messages.

    Raises:
        SamplesError: wrong types or shapes.
    """
    x, y = np.asarray(x), np.zeros(len(x), np.int64) if y is None else np.asarray(y)
    labels = _checked_labels(x, y, source)
    if x.dtype.kind in "iu" and not _is_image(x):
        _check_for_features(settings, x.shape[-1], source)
    prepared = settings.for_input(spec) if _is_image(x) else settings
    if not _is_image(x) and not fits(x.shape[1:], spec):
        fit_to_input(np.broadcast_to(np.float32(0), (1, *x.shape[1:])), spec, source)  # refuses it before it is read
    _prepared(x[:1], spec, prepared, source)  # refuses what does not fit before anything is run

    def read(wanted: Indices) -> Batch:
        return Batch(_prepared(x[wanted], spec, prepared, source), wanted)

    def digest() -> str:
        whole = hashlib.sha256()
        for array in (x, y):
            whole.update(f"{array.dtype.str}{array.shape}".encode())
            whole.update(np.ascontiguousarray(array).data if array.size else b"")
        return whole.hexdigest()

    return Samples(
        source,
        labels,
        read,
        digest,
        class_names=tuple(class_names) if class_names else None,
        names_from=names_from,
        preprocessed=x.dtype.kind != "f",
        notes=_notes(x, settings),
    )


def _notes(x: NDArray[np.generic], settings: Preprocess) -> tuple[str, ...]:
    """Return what a reader must know of how arrays are taken."""
    notes = [AS_THEY_ARE] if x.dtype.kind == "f" and settings != Preprocess() else []
    return (*notes, NOT_RESCALED) if _is_image(x) and settings.rescale is None else tuple(notes)


def _checked_labels(
    x: NDArray[np.generic], y: NDArray[np.generic], source: str
) -> NDArray[np.int64] | NDArray[np.bool_]:
    """Return the class indices, having made sure that inputs and labels belong together and are numbers."""
    if not x.size:
        raise SamplesError(
            "the data is empty", where=source, why=f"x is {list(x.shape)}", remedy="supply at least two samples a class"
        )
    if x.ndim > 1 and len(x) > MOST_SAMPLES:
        raise SamplesError(
            "the data has too many samples",
            where=source,
            why=f"it has {len(x):,}, of at most {MOST_SAMPLES:,}",
            remedy="supply a part of them: of each class only some are used",
        )
    if x.ndim < 2 or (y.ndim and len(x) != len(y)):  # noqa: PLR2004
        raise SamplesError(
            "x and y do not belong together",
            where=source,
            why=f"x is {list(x.shape)}, y is {list(y.shape)}",
            remedy="supply x [samples, ...] and y [samples]",
        )
    labels = _labels(y, source)
    if x.dtype.kind not in "iubf":
        raise SamplesError(
            f"x has the type {x.dtype}",
            where=source,
            why="inputs are numbers",
            remedy="store x as integers (grey levels, preprocessed) or floats (taken as they are)",
        )
    return labels


def read_npz(path: Path, *, labelled: bool = True) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Return `x` and `y` of an `.npz` file. Pickled objects are refused.

    Args:
        path: the file.
        labelled: whether there must be labels.

    Raises:
        SamplesError: not an `.npz` file, damaged, or without `x` and `y`.
    """
    try:
        with open_archive(path) as file:
            names = file.names
            if "x" in names and ("y" in names or not labelled):
                return file.read("x"), file.read("y") if labelled else None
    except (OSError, ValueError) as error:
        raise SamplesError(
            "the data file cannot be read",
            where=str(path),
            why=why_unread(error),
            remedy="supply an .npz file written by numpy.savez(path, x=..., y=...) without Python objects",
        ) from error
    raise SamplesError(
        "the data file has no arrays named x and y",
        where=str(path),
        why=f"it holds {', '.join(names[:MOST_NAMED]) or 'nothing'}" + (" ..." if len(names) > MOST_NAMED else ""),
        remedy="store inputs as x [samples, ...] and class indices as y [samples]",
    )


def _labels(y: NDArray[np.generic], source: str) -> NDArray[np.int64] | NDArray[np.bool_]:
    """Return class indices as int64, or classes of each sample as booleans; whole-numbered floats are accepted."""
    if y.ndim == 2 and y.shape[1] == 1:  # noqa: PLR2004  # one class index, as a column
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "iubf" and all(((part == 0) | (part == 1)).all() for part in _parts(y)):  # noqa: PLR2004
        return y.view(np.bool_) if y.dtype.itemsize == 1 else y.astype(np.bool_)
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and all((part == np.rint(part)).all() for part in _parts(y)))
    if y.ndim != 1 or not whole:
        raise SamplesError(
            "the labels are not class indices",
            where=source,
            why=f"y has the type {y.dtype} and the shape {list(y.shape)}",
            remedy="supply y as whole numbers, one class index per sample; or as 0 and 1, [samples, classes]; "
            "for outcomes that are numbers use --task regression",
        )
    if y.size and not -LARGEST_LABEL <= float(y.min()) <= float(y.max()) <= LARGEST_LABEL:
        raise SamplesError(
            "the labels are not class indices",
            where=source,
            why=f"they run from {y.min()} to {y.max()}",
            remedy="count classes as the model does, from 0",
        )
    return y.astype(np.int64)


def _parts(values: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """Yield all values, some after the others: what is asked of them at once takes as much memory again."""
    flat = values.ravel(order="K")
    for start in range(0, len(flat), PART):
        yield flat[start : start + PART]


def _check_for_features(settings: Preprocess, width: int, source: str) -> None:
    """Refuse preprocessing that only an image can go through."""
    lengths = {len(values) for values in (settings.mean, settings.std) if values is not None}
    if settings.resize is None and settings.center_crop is None and lengths <= {1, width}:
        return
    raise SamplesError(
        "the preprocessing does not fit the data",
        where=source,
        why=f"x holds {width} integer features per sample, not images, for which [preprocess] resize, center_crop or "
        "the number of values of mean or std makes no sense",
        remedy="store images as x [samples, height, width] or [samples, height, width, channels]",
    )


def _is_image(x: NDArray[np.generic]) -> bool:
    """Whether integer samples are images: rows and columns, with 1 or 3 channels first, last or not at all."""
    if x.dtype.kind not in "iu":
        return False
    with_channels = 4
    return x.ndim == with_channels - 1 or (x.ndim == with_channels and (x.shape[3] in (1, 3) or x.shape[1] in (1, 3)))


def _sides(x: NDArray[np.generic]) -> tuple[int, int]:
    """Return height and width of images."""
    rows = 1 if x.ndim == 3 or x.shape[3] in (1, 3) else 2  # noqa: PLR2004
    return x.shape[rows], x.shape[rows + 1]


def _prepared(x: NDArray[np.generic], spec: InputSpec, settings: Preprocess, source: str) -> Inputs:
    if x.dtype.kind == "f":
        return fit_to_input(as_floats(x), spec, source)
    if not _is_image(x):
        return fit_to_input(normalised(as_floats(x), settings), spec, source)
    if why := why_too_large(*_sides(x), settings.most_pixels):
        raise SamplesError(
            "the images are too large", where=source, why=why, remedy="shrink them to what the model's input takes"
        )
    if x.min(initial=0) < 0 or x.max(initial=0) > np.iinfo(np.uint8).max:
        raise SamplesError(
            "integer images hold values outside 0..255",
            where=source,
            why=f"the values run from {x.min()} to {x.max()}",
            remedy="store images as uint8, or as floats that are already preprocessed",
        )
    images = x.astype(np.uint8)
    if images.ndim == 3:  # noqa: PLR2004
        images = images[:, :, :, None]
    elif images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    return fit_to_input(np.stack([image_to_input(image, settings) for image in images]), spec, source)
