"""Where rows, columns and channels of an image stand in an input, whatever layout the model takes."""

from dataclasses import dataclass

import numpy as np

from onnxcausal.samples.source import Inputs

FEW_CHANNELS = 16
"""An input of two axes is an image without channels if both are longer than this, else a sequence."""


@dataclass(frozen=True, slots=True)
class Planes:
    """Where rows, columns and channels stand in an input.

    Attributes:
        channels: axis of the channels; None where there is none.
    """

    channels: int | None

    def last(self, x: Inputs) -> Inputs:
        """Return inputs as `[samples, height, width, channels]`."""
        return x[..., None] if self.channels is None else np.moveaxis(x, self.channels, -1)

    def back(self, x: Inputs) -> Inputs:
        """Return inputs `[samples, height, width, channels]` in the model's layout."""
        return x[..., 0] if self.channels is None else np.ascontiguousarray(np.moveaxis(x, -1, self.channels))


def planes_of(shape: tuple[int, ...]) -> Planes | None:
    """Return where the planes of an image input stand; None where it is no image.

    Args:
        shape: of inputs, samples first.

    >>> planes_of((8, 3, 32, 32)), planes_of((8, 28, 28, 1)), planes_of((8, 28, 28)), planes_of((8, 784))
    (Planes(channels=1), Planes(channels=3), Planes(channels=None), None)
    """
    few = (1, 3)
    match shape:
        case (_, channels, _, last):
            return Planes(3 if last in few and channels not in few else 1)
        case (_, height, width) if min(height, width) > FEW_CHANNELS:
            return Planes(None)
        case _:
            return None


def spaces_of(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return what the places of an input may be, the likeliest first: an image's rows and columns, or one axis.

    Inputs with two axes beside the samples are images without channels, sequences with the channels first (as
    convolutions take them) or last, or tables of that many values.

    >>> spaces_of((1, 3, 8, 9)), spaces_of((1, 8, 9, 3)), spaces_of((1, 30))
    ([(8, 9)], [(8, 9)], [(30,)])
    >>> spaces_of((1, 2, 50)), spaces_of((1, 20, 30))
    ([(50,), (2,), (100,)], [(20, 30), (30,), (20,), (600,)])
    """
    planes = planes_of(shape)
    found = []
    if planes is not None:
        found.append(tuple(size for axis, size in enumerate(shape) if axis not in (0, planes.channels)))
    if len(shape) in (2, 3):
        found += [(size,) for size in reversed(shape[1:])]
    if len(shape) == 3:  # noqa: PLR2004
        found.append((shape[1] * shape[2],))
    return list(dict.fromkeys(found))
