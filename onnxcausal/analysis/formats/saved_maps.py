"""Attributions of inputs, read back from `attributions.npz`."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError


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
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files if name != "map"}
        found = _saved(arrays)
        _check(found)
    except KeyError as error:
        raise _damaged(path, f"it holds no {error}") from error
    except (OSError, ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    return found


def _saved(arrays: Mapping[str, NDArray[np.generic]]) -> SavedMaps:
    targets = sorted(int(name.partition("/")[2]) for name in arrays if name.startswith("inputs/"))
    return SavedMaps(
        model_sha256=str(arrays["model_sha256"]),
        names=tuple(map(str, arrays["names"])),
        predicted=arrays["predicted"].astype(np.int64),
        labels=arrays["labels"].astype(np.int64),
        pictures=arrays["pictures"].astype(np.uint8) if "pictures" in arrays else None,
        classes={
            target: SavedClass(
                inputs=arrays[f"inputs/{target}"].astype(np.int64),
                maps=arrays[f"map/{target}"].astype(np.float32),
                node_layer=str(arrays[f"node_layer/{target}"]),
                nodes=arrays[f"nodes/{target}"].astype(np.int64),
                node_maps=arrays[f"node_maps/{target}"].astype(np.float32),
                necessary=arrays[f"necessary/{target}"].astype(np.int64) if f"necessary/{target}" in arrays else None,
            )
            for target in targets
        },
    )


def _check(found: SavedMaps) -> None:
    """Make sure that the arrays fit together.

    Raises:
        ValueError: they do not.
    """
    count = len(found.names)
    whole = [found.predicted.shape == (count,), found.labels.shape == (count,)]
    if found.pictures is not None:
        whole.append(len(found.pictures) == count and found.pictures.ndim == 4 and found.pictures.shape[3] == 3)  # noqa: PLR2004
    for held in found.classes.values():
        inputs = len(held.inputs)
        whole += [
            held.inputs.ndim == 1 and bool(((held.inputs >= 0) & (held.inputs < count)).all()),
            held.maps.ndim in (2, 3) and len(held.maps) == inputs,
            held.node_maps.ndim >= 2 and held.node_maps.shape[:2] == (inputs, len(held.nodes)),  # noqa: PLR2004
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
