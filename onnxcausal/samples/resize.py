"""Resizing and cropping of images.

Shrinking averages over all pixels it leaves out, as training pipelines do: OpenCV's bilinear resize skips them, so that
a network trained on antialiased images would see another input.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the image at another size by Pillow's antialiased bilinear interpolation.

    *Note*: Pillow rounds between its two passes, and releases after 11 may choose the other side first; where the sides
    change in different proportions, levels then differ by one from those of Pillow 11.

    Args:
        image: grey levels, `[height, width, channels]`; 1 or 3 channels.
        height: rows of the result.
        width: columns of the result.

    >>> resize(np.array([[[0], [200]]], np.uint8), 1, 1).item()
    100
    """
    if image.shape[:2] == (height, width):
        return image
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
    missing = [max(0, want - have) for want, have in zip((height, width), image.shape[:2], strict=True)]
    if any(missing):
        borders = [(short // 2, short - short // 2) for short in missing]
        image = np.pad(image, [*borders, (0, 0)])
    top = round((image.shape[0] - height) / 2)
    left = round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]
