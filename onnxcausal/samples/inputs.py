"""Inputs to be explained: image files, folders of them, arrays."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.samples.arrays import array_samples, read_npz
from onnxcausal.samples.class_names import finder, number_of
from onnxcausal.samples.decode import read_prepared, without_warnings
from onnxcausal.samples.images import SUFFIXES, as_text
from onnxcausal.samples.planes import planes_of
from onnxcausal.samples.preprocess import ChannelOrder, Preprocess, image_to_input
from onnxcausal.samples.source import Inputs, InputSpec, fit_to_input

UNKNOWN = -1
"""Stands for a class that is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Inputs with names.

    Attributes:
        x: inputs as the model takes them, `[inputs, ...]`.
        names: a name for each: the file's, or the array's with the position in it.
        labels: class of each, `[inputs]`; `UNKNOWN` where it is not known.
        preprocessed: whether they went through the preprocessing; float arrays do not.
        unreadable: files that could not be read and were left out.
    """

    x: Inputs
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    preprocessed: bool
    unreadable: tuple[str, ...] = ()


def load_inputs(
    paths: Sequence[Path],
    spec: InputSpec,
    settings: Preprocess,
    *,
    class_names: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> Named:
    """Return inputs from image files, folders of images (at any depth) and `.npz` files (`x`, and `y` if it is there).

    The class of an image is told by its folder's name where that is a class index or a class name.

    Args:
        paths: files and folders.
        spec: the model's input.
        settings: the preprocessing.
        class_names: name of each class, if known.
        skip_bad: leave unreadable images out instead of raising.

    Raises:
        SamplesError: nothing there, unreadable, or of a shape that the model does not take.
    """
    parts = [_part(path, spec, settings, class_names, skip_bad=skip_bad) for path in paths]
    parts = [part for part in parts if len(part.x) or part.unreadable]
    if not any(len(part.x) for part in parts):
        raise SamplesError(
            "there is nothing to explain",
            where=", ".join(map(str, paths)),
            why=f"no readable file ending in {', '.join(sorted(SUFFIXES))} or .npz",
            remedy="name image files, folders of images, or an .npz file with x",
        )
    filled = [part for part in parts if len(part.x)]
    shapes = {part.x.shape[1:] for part in filled}
    if len(shapes) > 1:
        raise SamplesError(
            "the inputs have different shapes",
            where=f"{filled[0].names[0]} and others, against input {spec}",
            why=f"after preprocessing: {', '.join(str(list(shape)) for shape in sorted(shapes)[:3])}",
            remedy="set [preprocess] resize and center_crop so that every image fits the model's input",
        )
    return Named(
        np.concatenate([part.x for part in filled]),
        tuple(name for part in filled for name in part.names),
        np.concatenate([part.labels for part in filled]),
        preprocessed=all(part.preprocessed for part in filled),
        unreadable=tuple(name for part in parts for name in part.unreadable),
    )


def pictures(named: Named, spec: InputSpec, settings: Preprocess) -> NDArray[np.uint8] | None:
    """Return the inputs as people see them, `[inputs, height, width, 3]`; None where they are no images.

    The preprocessing is undone as far as levels and channels go; float arrays are spread over the range of levels.
    """
    planes = planes_of(named.x.shape)
    if planes is None:
        return None
    prepared = settings.for_input(spec)
    x = planes.last(named.x).astype(np.float64)
    if named.preprocessed and x.shape[-1] in (1, 3):
        x = x * np.asarray(prepared.std or 1.0) + np.asarray(prepared.mean or 0.0)
        x = x / (prepared.rescale or 1.0)
        x = x[..., ::-1] if prepared.channels is ChannelOrder.BGR else x
    else:
        x = x if x.shape[-1] in (1, 3) else x.mean(axis=-1, keepdims=True)
        low = x.min(axis=(1, 2, 3), keepdims=True)
        x = 255 * (x - low) / np.maximum(x.max(axis=(1, 2, 3), keepdims=True) - low, np.finfo(np.float64).tiny)
    return np.broadcast_to(np.clip(x.round(), 0, 255), (*x.shape[:3], 3)).astype(np.uint8)


def _part(
    path: Path, spec: InputSpec, settings: Preprocess, class_names: Sequence[str] | None, *, skip_bad: bool
) -> Named:
    """Return the inputs of one file or folder."""
    if path.suffix == ".npz" and path.is_file():
        return _arrays(path, spec, settings)
    files = _image_files(path) if path.is_dir() else [path]
    if not path.is_dir() and (not os.path.isfile(path) or path.suffix.lower() not in SUFFIXES):  # noqa: PTH113  # unlike Path, it takes any name
        raise SamplesError(
            "an input cannot be read",
            where=str(path),
            why="there is no such file" if not os.path.lexists(path) else "its kind is not known by its ending",
            remedy=f"name image files ({', '.join(sorted(SUFFIXES))}), folders of images, or an .npz file with x",
        )
    prepared = settings.for_input(spec)
    x, kept, unreadable = [], [], []
    for file in files:
        try:
            with without_warnings():
                image = read_prepared(file, lambda levels: image_to_input(levels, prepared), prepared.most_pixels)
            x.append(fit_to_input(image[None], spec, file.name)[0])
            kept.append(file)
        except SamplesError as error:
            if not skip_bad or error.what != "an image cannot be read":
                raise
            unreadable.append(as_text(file))
    sizes = {image.shape for image in x}
    if len(sizes) > 1:
        raise SamplesError(
            "the images have different sizes",
            where=f"{path} against input {spec}",
            why=f"after preprocessing: {', '.join(str(list(size)) for size in sorted(sizes)[:3])}",
            remedy="set [preprocess] resize and center_crop so that every image fits the model's input",
        )
    names = tuple(as_text(file.relative_to(path) if path.is_dir() else Path(file.name)) for file in kept)
    by_folder = _classes_of({file.parent.name for file in kept}, class_names)
    labels = np.array([by_folder[file.parent.name] for file in kept], np.int64)
    inputs = np.stack(x) if x else np.empty((0,), np.float32)
    return Named(inputs, names, labels, preprocessed=True, unreadable=tuple(unreadable))


def _arrays(path: Path, spec: InputSpec, settings: Preprocess) -> Named:
    """Return the inputs of an `.npz` file."""
    try:
        x, y = read_npz(path)
    except SamplesError:
        x, y = read_npz(path, labelled=False)
    if x.ndim == 0:
        raise SamplesError(
            "the data holds a single number",
            where=f"{path.name}, x",
            why="inputs stand one after the other along the first axis",
            remedy="store them as x [samples, ...]",
        )
    samples = array_samples(x, None, spec, settings, source=path.name)
    labels = np.full(len(x), UNKNOWN)
    if y is not None and y.ndim == 1:
        labels = array_samples(x, y, spec, settings, source=path.name).labels.astype(np.int64)
    found = samples.read(np.arange(len(x))).x
    names = tuple(f"{path.name}[{number}]" for number in range(len(x)))
    return Named(found, names, labels, preprocessed=samples.preprocessed)


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _classes_of(folders: Iterable[str], class_names: Sequence[str] | None) -> dict[str, int]:
    """Return the class that each folder is named after: a name, the first word of one or an index.

    Where some numbers are names of other classes, those that are no names are no indices either.
    """
    find = finder(class_names or ())
    named = {folder: find(folder) for folder in folders}
    numbers = {folder: number for folder in named if (number := number_of(folder)) is not None}
    by_name = any(named[folder] and named[folder] != [number] for folder, number in numbers.items())
    return {
        folder: found[0] if len(found) == 1 else UNKNOWN if by_name or found else numbers.get(folder, UNKNOWN)
        for folder, found in named.items()
    }
