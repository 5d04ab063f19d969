"""From what the user named to samples."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.samples.arrays import array_samples, read_npz
from onnxcausal.samples.boxes import boxed_images, holds_boxes
from onnxcausal.samples.class_names import read_class_names
from onnxcausal.samples.idx import read_idx_pair
from onnxcausal.samples.images import image_folder, samples_of_images
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec, Samples
from onnxcausal.samples.table import read_table

METADATA = "the model's metadata"
"""Where class names come from that no file gives."""
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
    labelled: bool = True,
    classes: int | None = None,
) -> Samples:
    """Return the samples of a source: an `.npz`, IDX or `.csv` file, or a folder of images by class or with boxes.

    Args:
        source: the file or folder.
        spec: the model's input.
        settings: preprocessing of integer data.
        labels: file of class names; default: `labels.txt` in or beside the source, if it is there.
        label_column: label column of a table.
        class_names: class names known from elsewhere (the model), to which folders and label columns are matched
            where no file gives them.
        skip_bad: leave unreadable images out instead of raising.
        labelled: whether the samples belong to classes; where not, labels are not read.
        classes: number of the model's classes, if known.

    Raises:
        SamplesError: the source is missing, unreadable or of an unknown kind.
    """
    if not os.path.exists(source):  # noqa: PTH110  # unlike Path.exists, it does not raise on an overlong name
        raise SamplesError(
            "there is no such data",
            where=str(source),
            why="the file or folder does not exist",
            remedy="check --data, or source under [data] in the sidecar (relative to the sidecar)",
        )
    beside = (place / NAMES_FILE for place in (source, source.parent))
    names_file = labels or next((file for file in beside if os.path.lexists(file) and not os.path.isdir(file)), None)  # noqa: PTH112  # as above
    given = read_class_names(names_file) if names_file else None
    matched = given or class_names
    names_from = str(names_file) if given else METADATA
    if source.is_dir():
        if holds_boxes(source):
            boxed = boxed_images(source, matched, names_from, classes)
            return samples_of_images(boxed, spec, settings, skip_bad=skip_bad)
        origin = names_from if matched else "the folder names"
        return image_folder(source, spec, settings, matched, skip_bad=skip_bad, names_from=origin)
    if source.suffix == ".csv":
        table = read_table(source, label_column, matched, names_from, labelled=labelled)
        samples = array_samples(
            table.features,
            table.labels if labelled else None,
            spec,
            settings,
            source=source.name,
            class_names=table.class_names,
            names_from=names_from if matched else f"column {table.label_column!r}",
        )
        return replace(samples, notes=(*samples.notes, f"labels from the column {table.label_column!r}"))
    arrays = _read_arrays(source, labelled=labelled)
    return array_samples(*arrays, spec, settings, source=source.name, class_names=given, names_from=names_from)


def _read_arrays(source: Path, *, labelled: bool) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Return `x` and `y` of an `.npz` file or an IDX pair."""
    if source.suffix == ".npz":
        return read_npz(source, labelled=labelled)
    if "idx1" in source.name or "idx3" in source.name:
        return read_idx_pair(source)
    raise SamplesError(
        "the kind of the data is not known",
        where=str(source),
        why="it is neither .npz, .csv, an IDX file (idx3 or idx1 in its name) nor a folder",
        remedy="convert it: numpy.savez(path, x=..., y=...)",
    )
