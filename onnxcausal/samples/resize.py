"""Resizing and cropping of images, with the numbers of Pillow's bilinear filter.

OpenCV's bilinear resize skips pixels when it shrinks, so that a network trained on antialiased images sees another
input; its area filter is a box, not a triangle. Both axes are therefore resampled with explicit weights, which are
multiples of a power of two, as Pillow's are: sums of them are exact, and the same on every processor.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STEP = 2.0**-22
"""Pillow's weights are multiples of this."""


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the image at another size by antialiased bilinear interpolation.

    Args:
        image: grey levels, `[height, width, channels]`.
        height: rows of the result.
        width: columns of the result.

    >>> resize(np.array([[[0], [200]]], np.uint8), 1, 1).item()
    100
    """
    if image.shape[:2] == (height, width):
        return image
    # Rounded between the passes, as Pillow does, which resamples rows first.
    rows = _round(np.einsum("oi,hic->hoc", _weights(image.shape[1], width), image, optimize=True))
    return _round(np.einsum("oi,iwc->owc", _weights(image.shape[0], height), rows, optimize=True))


def resize_shorter_side(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the image with its shorter side at `side`, the other in proportion (rounded down, as torchvision)."""
    height, width = image.shape[:2]
    if height <= width:
        return resize(image, side, int(side * width / height))
    return resize(image, int(side * height / width), side)


def center_crop(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the middle of the image; black is added where it is smaller than the crop."""
    missing = [max(0, want - have) for want, have in zip((height, width), image.shape[:2], strict=True)]
    if any(missing):
        borders = [(short // 2, short - short // 2) for short in missing]
        image = np.pad(image, [*borders, (0, 0)])
    top = round((image.shape[0] - height) / 2)
    left = round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]


@lru_cache(maxsize=64)
def _weights(size: int, wanted: int) -> NDArray[np.float64]:
    """Return the triangle filter's weights, `[wanted, size]`; wider than one pixel only when shrinking."""
    scale = size / wanted
    support = max(scale, 1.0)
    centres = (np.arange(wanted) + 0.5) * scale
    # Pillow cuts the filter at whole pixels before it normalises.
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), size)
    pixels = np.arange(size)
    distance = np.abs(pixels[None, :] + 0.5 - centres[:, None]) / support
    weights = np.clip(1.0 - distance, 0.0, None)
    weights[(pixels[None, :] < first[:, None]) | (pixels[None, :] >= last[:, None])] = 0.0
    normalised = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray(np.floor(normalised / STEP + 0.5) * STEP)


def _round(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.floor(values + 0.5), 0, 255), np.uint8)
