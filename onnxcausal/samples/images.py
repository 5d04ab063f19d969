"""Folders of images, one sub-folder per class."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import OnnxCausalError, SamplesError
from onnxcausal.filesystem.reading import plain_file, why_unread
from onnxcausal.samples.class_names import index_of_names
from onnxcausal.samples.decode import MOST_BYTES, read_prepared, unreadable, without_warnings
from onnxcausal.samples.preprocess import Preprocess, image_to_input
from onnxcausal.samples.source import NOT_RESCALED, Batch, Indices, InputSpec, Samples, fit_to_input, fits

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


def image_folder(
    folder: Path,
    spec: InputSpec,
    settings: Preprocess,
    class_names: Sequence[str] | None,
    *,
    skip_bad: bool,
    names_from: str = "folder names",
) -> Samples:
    """Return the images of a folder as samples; nothing but file names is read until samples are asked for.

    Args:
        folder: holds one sub-folder per class.
        spec: the model's input.
        settings: the preprocessing.
        class_names: name of each class index, when known; sub-folders are matched to them. Without, sub-folders
            named by numbers are those class indices, and other names are counted in sorted order.
        skip_bad: leave unreadable images out instead of raising.
        names_from: where the class names come from, for messages.

    Raises:
        SamplesError: no sub-folder, no image, or a sub-folder that matches no class.
    """
    folders = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    files = [image_files(folder / name) for name in folders]
    kept = [(name, found) for name, found in zip(folders, files, strict=True) if found]
    _check_classes(folder, [name for name, _ in kept])
    where = f"{folder} against the class names from {names_from}" if class_names else str(folder)
    indices, names = index_of_names([name for name, _ in kept], class_names, where)
    paths = [path for _, found in kept for path in found]
    labels = np.repeat(indices, [len(found) for _, found in kept]).astype(np.int64)
    found = Pictures(folder, paths, labels, names, names_from)
    return samples_of_images(found, spec, settings, skip_bad=skip_bad)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Image files and what is in them.

    Attributes:
        folder: the folder that was named.
        paths: the images below it.
        labels: class of each, `[images]`, or whether it is of each class, `[images, classes]`.
        class_names: name of each class, if known.
        names_from: where those names come from, for messages.
        label_files: files below the folder that say what the labels are.
        notes: what a reader must know, one sentence each.
    """

    folder: Path
    paths: list[Path]
    labels: NDArray[np.int64] | NDArray[np.bool_]
    class_names: tuple[str, ...] | None
    names_from: str
    label_files: Sequence[Path] = ()
    notes: tuple[str, ...] = ()


def samples_of_images(found: Pictures, spec: InputSpec, settings: Preprocess, *, skip_bad: bool) -> Samples:
    """Return image files as samples; none is read until samples are asked for.

    Args:
        found: the files.
        spec: the model's input.
        settings: the preprocessing.
        skip_bad: leave unreadable images out instead of raising.
    """
    prepared = settings.for_input(spec)

    def read(wanted: Indices) -> Batch:
        return _read(found.paths, wanted, spec, prepared, skip_bad=skip_bad)

    return Samples(
        found.folder.resolve().name,
        found.labels,
        read,
        lambda: _digest(found.folder, [*found.paths, *found.label_files], skip_bad=skip_bad),
        class_names=found.class_names,
        names_from=found.names_from,
        preprocessed=True,
        notes=(*found.notes, *((NOT_RESCALED,) if settings.rescale is None else ())),
    )


def _check_classes(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder whose sub-folders with images cannot be classes."""
    strange = [name for name in names if as_text(Path(name)) != name]
    if strange:
        raise SamplesError(
            "a folder of images has a name that is no text",
            where=str(folder / strange[0]),
            why="sub-folders are named after classes, and this name is not UTF-8",
            remedy="rename the folder",
        )
    if not names:
        raise SamplesError(
            "the folder holds no images by class",
            where=str(folder),
            why=f"no sub-folder contains a file ending in {', '.join(sorted(SUFFIXES))}",
            remedy="arrange the images as FOLDER/CLASS/IMAGE",
        )
    if len(names) == 1 and any(entry.is_dir() for entry in os.scandir(folder / names[0])):
        raise SamplesError(
            "the folder's only sub-folder holds folders itself",
            where=str(folder),
            why="sub-folders are classes, and it would be the only one",
            remedy=f"did you mean {folder / names[0]}?",
        )


def as_text(path: Path) -> str:
    """Return a path as letters that every text can hold: what is no UTF-8 in it is replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def image_files(folder: Path) -> list[Path]:
    """Return the image files at any depth, sorted.

    Raises:
        SamplesError: a folder may not be read.
    """
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise SamplesError(
            "a folder of images cannot be read",
            where=str(error.filename),
            why=error.strerror or str(error),
            remedy="make the folder readable, or remove it",
        ) from error

    for place, _, names in os.walk(folder, onerror=refuse):
        found += [Path(place) / name for name in names if Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)


def _read(paths: list[Path], wanted: Indices, spec: InputSpec, settings: Preprocess, *, skip_bad: bool) -> Batch:
    def read_one(index: int) -> NDArray[np.float32] | OnnxCausalError:
        try:
            x = read_prepared(paths[index], lambda image: image_to_input(image, settings), settings.most_pixels)
        except SamplesError as error:
            return error
        return x if fits(x.shape, spec) else np.broadcast_to(np.float32(0), x.shape)  # of which the shape is told

    with without_warnings(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(read_one, [int(index) for index in wanted]))
    for result in results:
        if isinstance(result, OnnxCausalError) and not skip_bad:
            raise result
    images = [(i, result) for i, result in zip(wanted, results, strict=True) if isinstance(result, np.ndarray)]
    unreadable = tuple(
        as_text(paths[int(i)]) for i, result in zip(wanted, results, strict=True) if not isinstance(result, np.ndarray)
    )
    kept = np.array([i for i, _ in images], np.int64)
    if not images:
        return Batch(np.empty((0, *(size or 0 for size in spec.shape[1:])), np.float32), kept, unreadable)
    shapes = {image.shape for _, image in images}
    if len(shapes) > 1:
        raise SamplesError(
            "the images have different sizes",
            where=str(paths[int(kept[0])].parent.parent),
            why=f"after preprocessing: {', '.join(str(list(shape)) for shape in sorted(shapes)[:3])}",
            remedy="set [preprocess] resize and center_crop so that every image fits the model's input",
        )
    name = paths[int(kept[0])].parent.parent.name
    fit_to_input(images[0][1][None], spec, name)  # refuses what does not fit before there are as many of it
    return Batch(fit_to_input(np.stack([image for _, image in images]), spec, name), kept, unreadable)


def _digest(folder: Path, paths: list[Path], *, skip_bad: bool) -> str:
    """Return one hash over the names and contents of all images."""

    def digest_one(path: Path) -> bytes:
        try:
            with plain_file(path, MOST_BYTES) as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            if not skip_bad:
                raise unreadable(path, why_unread(error)) from error
            content = b"unreadable"
        return os.fsencode(path.relative_to(folder).as_posix()) + b"\0" + content

    whole = hashlib.sha256()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for part in pool.map(digest_one, paths):
            whole.update(part)
    return whole.hexdigest()
