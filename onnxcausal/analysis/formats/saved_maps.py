"""Attributions of inputs, read back from `attributions.npz`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.archives import ArrayArchive, open_archive
from onnxcausal.filesystem.reading import why_unread

OF_CLASS = re.compile("inputs/([0-9]{1,18})")
"""Name of the array by which a class is known to be there."""
Number = TypeVar("Number", np.int64, np.uint8, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SavedClass:
    """Attributions for one class.

    Attributes:
        inputs: positions of the inputs.
        maps: one map per input, 0 to 1, `[inputs, height, width]` or `[inputs, length]`.
        node_layer: the layer whose children are shown on their own.
        nodes: those children, those that respond most first.
        node_maps: signed response of each, `[inputs, nodes, ...]`.
        necessary: necessary nodes of the graph that they are of, `[nodes, 2]`; None where that is not known.
    """

    inputs: NDArray[np.int64]
    maps: NDArray[np.float32]
    node_layer: str
    nodes: NDArray[np.int64]
    node_maps: NDArray[np.float32]
    necessary: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SavedMaps:
    """What `onnxcausal explain` found.

    Attributes:
        model_sha256: hash of the model.
        names: name of each input.
        predicted: class the model decides.
        labels: class of each, negative where it is not known.
        pictures: the inputs as people see them, `[inputs, height, width, 3]`; None where they are no images.
        classes: attributions by class.
    """

    model_sha256: str
    names: tuple[str, ...]
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]
    pictures: NDArray[np.uint8] | None
    classes: Mapping[int, SavedClass]


def read_maps(path: Path) -> SavedMaps:
    """Return the attributions in a file.

    Raises:
        ConfigError: it cannot be read, or its arrays do not fit together.
    """
    try:
        with open_archive(path) as held:
            found = _saved(held)
        _check(found)
    except (OSError, ValueError) as error:
        raise _damaged(path, why_unread(error)) from error
    return found


def _saved(held: ArrayArchive) -> SavedMaps:
    """Return what an archive holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: an array is missing, damaged, or holds something else.
    """
    keys = [found[1] for name in held.names if (found := OF_CLASS.fullmatch(name))]
    return SavedMaps(
        model_sha256=_texts(held, "model_sha256", 0)[0],
        names=_texts(held, "names", 1),
        predicted=_numbers(held, "predicted", np.int64),
        labels=_numbers(held, "labels", np.int64),
        pictures=_numbers(held, "pictures", np.uint8) if "pictures" in held else None,
        classes={
            int(key): SavedClass(
                inputs=_numbers(held, f"inputs/{key}", np.int64),
                maps=_numbers(held, f"map/{key}", np.float32),
                node_layer=_texts(held, f"node_layer/{key}", 0)[0],
                nodes=_numbers(held, f"nodes/{key}", np.int64),
                node_maps=_numbers(held, f"node_maps/{key}", np.float32),
                necessary=_numbers(held, f"necessary/{key}", np.int64) if f"necessary/{key}" in held else None,
            )
            for key in sorted(keys, key=int)
        },
    )


def _texts(held: ArrayArchive, name: str, axes: int) -> tuple[str, ...]:
    """Return the texts in an array of so many axes.

    Raises:
        ValueError: it holds something else, or letters that no text can hold.
    """
    found = held.read(name)
    if found.dtype.kind != "U" or found.ndim != axes:
        raise ValueError(f"{name} is no text: {found.dtype} {list(found.shape)}")
    texts = tuple(map(str, found.reshape(-1)))
    for text in texts:
        text.encode("utf-8")
    return texts


def _numbers(held: ArrayArchive, name: str, kind: type[Number]) -> NDArray[Number]:
    """Return the numbers in an array, as another type that holds them.

    Raises:
        ValueError: it holds something else.
    """
    found = held.read(name)
    whole = np.issubdtype(kind, np.integer)
    if found.dtype.kind not in ("iub" if whole else "iubf"):
        raise ValueError(f"{name} holds no {'whole ' if whole else ''}numbers: {found.dtype}")
    with np.errstate(over="ignore"):
        converted = found.astype(kind)
    if whole and not np.array_equal(converted, found):
        raise ValueError(f"{name} holds numbers beyond {np.dtype(kind)}")
    return converted


def _check(found: SavedMaps) -> None:
    """Make sure that the arrays fit together.

    Raises:
        ValueError: they do not.
    """
    count = len(found.names)
    whole = [found.predicted.shape == (count,), found.labels.shape == (count,)]
    if found.pictures is not None:
        whole.append(found.pictures.shape[:1] == (count,) and found.pictures.ndim == 4 and found.pictures.shape[3] == 3)  # noqa: PLR2004
    for held in found.classes.values():
        whole += [
            held.nodes.ndim == 1 and held.inputs.ndim == 1 and bool(((held.inputs >= 0) & (held.inputs < count)).all()),
            held.maps.ndim in (2, 3) and held.maps.shape[:1] == held.inputs.shape,
            held.node_maps.ndim >= 2 and held.node_maps.shape[:2] == (*held.inputs.shape, *held.nodes.shape),  # noqa: PLR2004
            held.necessary is None or (held.necessary.ndim == 2 and held.necessary.shape[1] == 2),  # noqa: PLR2004
            bool(np.isfinite(held.maps).all() and np.isfinite(held.node_maps).all()),
        ]
    if not all(whole):
        raise ValueError("its arrays do not fit together")


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "the attributions cannot be read",
        where=str(path),
        why=why,
        remedy="run onnxcausal explain again, or leave its folder out",
    )
