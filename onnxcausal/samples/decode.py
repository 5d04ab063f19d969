"""From an image file to grey levels."""

import warnings
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from onnxcausal.errors import SamplesError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "SUN", "AVIF")
"""What is decoded, whatever the file's ending says.

Of Pillow's other formats some start programs, and of JPEG 2000 it wraps white in 16-bit colours around to black.
"""
SIXTEEN_BITS = 2**16 - 1
OPENING = Lock()
"""Held while warnings are errors, which is so for the whole process."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image's grey levels, `[height, width, 1 or 3]`, red first, upright.

    EXIF rotation is applied, alpha dropped, palettes expanded, 16-bit levels divided by 257 (the full range stays
    the full range). Images that are grey in the file come back with one channel.

    *Note*: Pillow gives the upper eight bits of 16-bit colours, at most one level from the division.

    Raises:
        SamplesError: the file is no image, is damaged, or is too large to be decoded.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if not encoded:
        raise unreadable(path, "the file is empty")
    try:
        return _levels(_opened(encoded), path)
    except SamplesError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise unreadable(path, f"it has too many pixels: {error}", "shrink") from error
    except Exception as error:  # a damaged file may raise anything
        raise unreadable(path, "it is damaged, cut short or of an unknown format") from error


def unreadable(path: Path, why: str, mend: str = "repair") -> SamplesError:
    """Return the error of an image that cannot be read, and what would mend it."""
    return SamplesError(
        "an image cannot be read",
        where=str(path),
        why=why,
        remedy=f"{mend} or remove the file, or pass --skip-bad to leave such images out",
    )


def _opened(encoded: bytes) -> Image.Image:
    """Return an image of which the head is read, having made sure that it does not fill the memory."""
    with OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(BytesIO(encoded), formats=FORMATS)


def _levels(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return the grey levels of an opened image, `[height, width, 1 or 3]`, upright."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.int64)
        if not 0 <= levels.min() <= levels.max() <= SIXTEEN_BITS:
            raise unreadable(path, "its levels have more than 16 bits", "convert")
        return np.asarray((levels + 128) // 257, np.uint8)[:, :, None]
    if image.mode == "F":
        raise unreadable(path, "its levels are fractions, of which no range is known", "convert")
    image.info.pop("transparency", None)  # of a palette, which is dropped
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))[:, :, None]
    return np.asarray(image.convert("RGB"))
