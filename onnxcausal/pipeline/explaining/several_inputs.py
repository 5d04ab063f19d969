"""Inputs of models that take several: an array for each in an `.npz` file, laid side by side as the analysis does."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onnxcausal.errors import SamplesError
from onnxcausal.onnxgraph.network.feeds import SampleShapes, open_inputs, sample_axes
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.inputs import UNKNOWN, Named
from onnxcausal.samples.joined import joined, read_parts, samples_first
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec

SUFFIX = ".npz"
"""Files that hold an array for each input."""


def read_several(paths: Sequence[Path], cut: CutModel, reading: Reading) -> tuple[Named, SampleShapes]:
    """Return inputs side by side, `[inputs, values]`, and the shape of one sample of each of them.

    Args:
        paths: `.npz` files with an array for every input of the model, and `y` where the classes are known.
        cut: the model, cut at its scores.
        reading: which inputs have a fixed value.

    Raises:
        SamplesError: a file is no such file, or has nothing for an input.
    """
    names = [spec.name for spec in open_inputs(cut.proto, reading)]
    axes = sample_axes(cut.proto, reading)
    x, labels, told, shapes = [], [], list[str](), dict[str, tuple[int, ...]]()
    for path in paths:
        if path.suffix != SUFFIX:
            raise _no_arrays(path, names)
        held, y = read_parts(path, names)
        parts = samples_first(held, axes, None if y is None else len(y))
        found = {name: parts[name].shape[1:] for name in names}
        if shapes and found != shapes:
            raise _other_shapes(path, names)
        shapes = found
        rows = joined(parts, names, path.name)
        spec = InputSpec("samples", (None, rows.shape[1]))
        samples = array_samples(rows, y, spec, Preprocess(), source=path.name)  # it refuses what are no labels
        x.append(rows)
        labels.append(np.full(len(rows), UNKNOWN) if y is None or samples.labels.ndim > 1 else samples.labels)
        told += [f"{path.name}[{number}]" for number in range(len(rows))]
    return Named(np.concatenate(x), tuple(told), np.concatenate(labels).astype(np.int64), preprocessed=False), shapes


def _no_arrays(path: Path, names: Sequence[str]) -> SamplesError:
    return SamplesError(
        "an input cannot be read",
        where=str(path),
        why=f"the model takes the inputs {', '.join(names)}, and an image or array fills one",
        remedy="name an .npz file with an array for each of them; or give the others one value each: --set NAME=VALUE",
    )


def _other_shapes(path: Path, names: Sequence[str]) -> SamplesError:
    return SamplesError(
        "the inputs have different shapes",
        where=str(path),
        why=f"a sample of {', '.join(names)} has another shape here than in the files before",
        remedy="explain them one after the other",
    )
