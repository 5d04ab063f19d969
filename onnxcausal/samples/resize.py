"""Resizing and cropping of images.

Shrinking averages over all pixels it leaves out, as training pipelines do: OpenCV's bilinear resize skips them, so that
a network trained on antialiased images would see another input.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxcausal.errors import SamplesError

MOST_PIXELS = 2**28 // 3
"""Pixels that an image may have: a quarter of a GiB in colours, as Pillow has it."""
LONGEST_SIDE = 2**16 - 1
"""Pixels that a side of an image may have, as JPEG has it: what shrinks it takes memory by its sides."""
MOST_MADE = 2**24
"""Pixels to which an image may be enlarged, and with which it may go into a model."""


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the image at another size by Pillow's antialiased bilinear interpolation.

    *Note*: Pillow rounds between its two passes, and releases after 11 may choose the other side first; where the sides
    change in different proportions, levels then differ by one from those of Pillow 11.

    Args:
        image: grey levels, `[height, width, channels]`; 1 or 3 channels.
        height: rows of the result.
        width: columns of the result.

    Raises:
        SamplesError: it would be enlarged to too many pixels.

    >>> resize(np.array([[[0], [200]]], np.uint8), 1, 1).item()
    100
    """
    if image.shape[:2] == (height, width):
        return image
    check_size(height, width, max(MOST_MADE, image.shape[0] * image.shape[1]))
    whole = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resized = np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR))
    return resized.reshape(height, width, image.shape[2])


def resize_shorter_side(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the image with its shorter side at `side`, the other in proportion (rounded down, as torchvision)."""
    height, width = image.shape[:2]
    if height <= width:
        return resize(image, side, int(side * width / height))
    return resize(image, int(side * height / width), side)


def center_crop(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the middle of the image; black is added where it is smaller than the crop."""
    top, left = (max(0, round((have - want) / 2)) for want, have in zip((height, width), image.shape[:2], strict=True))
    image = image[top : top + height, left : left + width]
    missing = [want - have for want, have in zip((height, width), image.shape[:2], strict=True)]
    if any(missing):
        borders = [(short // 2, short - short // 2) for short in missing]
        image = np.pad(image, [*borders, (0, 0)])
    return image


def why_too_large(height: int, width: int, most: int) -> str:
    """Return why an image is too large to be read, of at most so many pixels; nothing where it is not.

    >>> why_too_large(1, 70_000, MOST_PIXELS)
    'a side of it has 70,000 pixels, of at most 65,535'
    """
    if height * width > most:
        return f"it has {height * width:,} pixels, of at most {most:,}"
    if max(height, width) > LONGEST_SIDE:
        return f"a side of it has {max(height, width):,} pixels, of at most {LONGEST_SIDE:,}"
    return ""


def check_size(height: int, width: int, most: int = MOST_MADE) -> None:
    """Refuse an image of too many pixels before it is made.

    Raises:
        SamplesError: it has more than so many.
    """
    if height * width > most:
        raise SamplesError(
            "an image is too large",
            where="[preprocess] resize, center_crop",
            why=f"it would be made {height:,} x {width:,} pixels, of at most {most:,}",
            remedy="set resize or center_crop to fewer",
        )
