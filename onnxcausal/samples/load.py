"""From what the user named to samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onnxcausal.errors import SamplesError
from onnxcausal.samples.arrays import array_samples, read_idx_pair, read_npz
from onnxcausal.samples.classnames import read_class_names
from onnxcausal.samples.images import image_folder
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec, Samples
from onnxcausal.samples.table import read_table

NAMES_FILE = "labels.txt"
"""File of class names looked for beside the data."""


def load_samples(
    source: Path,
    spec: InputSpec,
    settings: Preprocess,
    *,
    labels: Path | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> Samples:
    """Return the samples of a source: an `.npz`, IDX or `.csv` file, or a folder of images by class.

    Args:
        source: the file or folder.
        spec: the model's input.
        settings: preprocessing of integer data.
        labels: file of class names; default: `labels.txt` in or beside the source, if it is there.
        label_column: label column of a table.
        class_names: class names known from elsewhere (the model), used where no file gives them.
        skip_bad: leave unreadable images out instead of raising.

    Raises:
        SamplesError: the source is missing, unreadable, of an unknown kind, or holds one class only.
    """
    if not source.exists():
        raise SamplesError(
            "there is no such data",
            where=str(source),
            why="the file or folder does not exist",
            remedy="check --data, or source under [data] in the sidecar (relative to the sidecar)",
        )
    names_file = labels or next(
        (place / NAMES_FILE for place in (source, source.parent) if (place / NAMES_FILE).is_file()), None
    )
    names = read_class_names(names_file) if names_file else class_names
    samples = _read(source, spec, settings, label_column, names, skip_bad=skip_bad)
    if len(np.unique(samples.labels)) < 2:  # noqa: PLR2004
        raise SamplesError(
            "the data holds one class only",
            where=str(source),
            why=f"all {len(samples)} samples have the label {int(samples.labels[0])}"
            if len(samples)
            else "it is empty",
            remedy="supply samples of at least two classes: whether the model is right shows only against another",
        )
    return samples


def _read(
    source: Path,
    spec: InputSpec,
    settings: Preprocess,
    label_column: str | None,
    names: Sequence[str] | None,
    *,
    skip_bad: bool,
) -> Samples:
    if source.is_dir():
        return image_folder(source, spec, settings, names, skip_bad=skip_bad)
    plain = source.with_suffix("") if source.suffix == ".gz" else source
    if source.suffix == ".csv":
        features, indices, names = read_table(source, label_column, names)
        return array_samples(features, indices, spec, settings, source=source.name, class_names=names)
    if source.suffix == ".npz":
        x, y = read_npz(source)
    elif "idx1" in plain.name or "idx3" in plain.name:
        x, y = read_idx_pair(source)
    else:
        raise SamplesError(
            "the kind of the data is not known",
            where=str(source),
            why="it is neither .npz, .csv, an IDX file (idx3 or idx1 in its name) nor a folder",
            remedy="convert it: numpy.savez(path, x=..., y=...)",
        )
    return array_samples(x, y, spec, settings, source=source.name, class_names=names)
