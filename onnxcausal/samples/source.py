"""Samples: labelled inputs that are read when they are needed, not before."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError

Indices: TypeAlias = NDArray[np.int64]
Inputs: TypeAlias = NDArray[np.float32]


FEATURE_AXES = 2
"""Axes of a table of features: samples and features."""
AS_THEY_ARE = "the data are floats, taken as they are: the preprocessing that is set is not applied"
NOT_RESCALED = "no rescale is set: grey levels enter the model as 0..255"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the model's input takes.

    Attributes:
        name: the input's name.
        shape: sizes, None where any size fits; the first is the batch. Empty where the model does not say.
        is_integer: whether the tensor's type is an integer one.
    """

    name: str
    shape: tuple[int | None, ...]
    is_integer: bool = False

    def __str__(self) -> str:
        """Return the name and shape as a reader of error messages expects them."""
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name} [{sizes or 'any shape'}]"


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some samples, read.

    Attributes:
        x: inputs as the model takes them, `[samples, ...]`.
        indices: position of each in the source; fewer than were asked for where some could not be read.
        unreadable: names of those that could not be read and were left out.
    """

    x: Inputs
    indices: Indices
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A labelled source of inputs.

    Attributes:
        source: the source's name without its folder, as recorded in results.
        labels: class index of every sample, `[samples]`; or of every sample whether it is of each class, as booleans
            `[samples, classes]`.
        class_names: name of each class, if the source knows them.
        names_from: where the class names come from, for messages.
        preprocessed: whether the inputs go through the preprocessing; float arrays do not.
        notes: what a reader must know of how the source was read, one sentence each.
        synthetic: whether the inputs are made up and labelled by the model itself.
        read: reads the samples at the given positions.
        digest: computes the SHA-256 of the source's content (hexadecimal).
    """

    source: str
    labels: NDArray[np.int64] | NDArray[np.bool_]
    read: Callable[[Indices], Batch] = field(repr=False)
    digest: Callable[[], str] = field(repr=False)
    class_names: tuple[str, ...] | None = None
    names_from: str = ""
    preprocessed: bool = False
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    @property
    def present(self) -> Indices:
        """Classes that have samples, ascending."""
        found = np.flatnonzero(self.labels.any(axis=0)) if self.labels.ndim > 1 else np.unique(self.labels)
        return found.astype(np.int64)

    def of_class(self, target: int) -> Indices:
        """Return the positions of the samples of a class."""
        return np.flatnonzero(self.labels[:, target] if self.labels.ndim > 1 else self.labels == target)


def fit_to_input(x: Inputs, spec: InputSpec, source: str) -> Inputs:
    """Return the inputs in the shape of the model's input.

    A sample with as many values as the input takes is reshaped row by row (an image for a flat input); any other
    mismatch is refused.

    Args:
        x: inputs, `[samples, ...]`.
        spec: the model's input.
        source: where the inputs come from, for the error.

    Raises:
        SamplesError: the shape does not fit, or a value is not finite.
    """
    if not np.isfinite(x).all():
        first = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        raise SamplesError(
            "the data holds NaN or infinity",
            where=f"{source}, in sample {first} of the batch just read",
            why="an outcome computed from it means nothing",
            remedy="remove or repair such samples",
        )
    if not spec.shape:  # the model does not say
        return x
    wanted = spec.shape[1:]
    if len(wanted) == x.ndim - 1 and all(want in (None, have) for want, have in zip(wanted, x.shape[1:], strict=True)):
        return x
    fixed = [size for size in wanted if size is not None]
    if (
        len(fixed) == len(wanted)
        and int(np.prod(fixed)) == int(np.prod(x.shape[1:]))
        and _only_layout_differs(x, fixed)
    ):
        return x.reshape(len(x), *fixed)
    raise SamplesError(
        "the data's shape does not fit the model's input",
        where=f"{source} against input {spec}",
        why=f"after preprocessing one sample is {list(x.shape[1:])}",
        remedy="set [preprocess] resize, center_crop, channels or layout, or supply arrays of the input's shape"
        if x.ndim > FEATURE_AXES
        else "supply as many features (columns) as the input takes, in its order",
    )


def as_floats(values: NDArray[np.generic]) -> Inputs:
    """Return numbers as the model takes them; what float32 does not hold becomes infinite, and is refused as that."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def fits(shape: Sequence[int], spec: InputSpec) -> bool:
    """Whether one sample of a shape has as many values as the input takes, as far as that is fixed."""
    fixed = [size for size in spec.shape[1:] if size is not None]
    return len(fixed) < len(spec.shape[1:]) or not spec.shape or math.prod(shape) == math.prod(fixed)


def _only_layout_differs(x: Inputs, wanted: Sequence[int]) -> bool:
    """Whether reshaping keeps the order of values: flattening, or axes of size 1 more or fewer."""
    have = [size for size in x.shape[1:] if size != 1]
    want = [size for size in wanted if size != 1]
    return have == want or len(want) <= 1 or len(have) <= 1
