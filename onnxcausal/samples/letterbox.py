"""Letterboxes: images resized in proportion and padded to a size, as detectors take them."""

import re

import numpy as np
from numpy.typing import NDArray

from onnxcausal.samples.resize import resize

LETTERBOX = "letterbox"
"""How the size of an image is set where it is to fill a letterbox of the size of the model's input."""
WRITTEN = re.compile(rf"{LETTERBOX}(?::([1-9][0-9]{{0,7}})(?:x([1-9][0-9]{{0,7}}))?)?")
"""How it is written: alone, with a side, or with height and width."""
GREY = 114
"""Level of what is padded."""
LEAN = 0.1
"""By which an odd row or column of padding leans to the end."""


def is_letterbox(text: str) -> bool:
    """Whether a text says that images are to fill a letterbox.

    >>> is_letterbox("letterbox"), is_letterbox("letterbox:640"), is_letterbox("letterbox:0x5")
    (True, True, False)
    """
    return WRITTEN.fullmatch(text) is not None


def letterbox_of(height: int, width: int) -> str:
    """Return how a letterbox of a size is written."""
    return f"{LETTERBOX}:{height}x{width}"


def size_of(text: str) -> tuple[int, int] | None:
    """Return height and width of a letterbox, None where it has the size of the model's input.

    >>> size_of("letterbox:480x640"), size_of("letterbox:640"), size_of("letterbox")
    ((480, 640), (640, 640), None)
    """
    found = WRITTEN.fullmatch(text)
    assert found is not None, text
    height, width = found.groups()
    return None if height is None else (int(height), int(width or height))


def letterbox(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the image as large as it fits in proportion, in the middle of grey.

    Args:
        image: grey levels, `[height, width, channels]`; 1 or 3 channels.
        height: rows of the result.
        width: columns of the result.

    Raises:
        SamplesError: it has too many pixels.

    >>> letterbox(np.zeros((1, 2, 1), np.uint8), 4, 4)[:, :, 0].tolist()
    [[114, 114, 114, 114], [0, 0, 0, 0], [0, 0, 0, 0], [114, 114, 114, 114]]
    """
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = [max(1, round(side * scale)) for side in image.shape[:2]]
    image = resize(image, *inner)
    borders = []
    for outer, side in zip((height, width), inner, strict=True):
        half = (outer - side) / 2
        before = max(0, round(half - LEAN))
        borders.append((before, outer - side - before))
    return np.pad(image, [*borders, (0, 0)], constant_values=GREY) if np.any(borders) else image
