"""From an image file to grey levels."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from threading import Condition, Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from onnxcausal.errors import SamplesError
from onnxcausal.filesystem.reading import plain_file, why_unread
from onnxcausal.samples.resize import MOST_PIXELS, why_too_large
from onnxcausal.samples.scans import START, scans_of

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "SUN", "AVIF")
"""What is decoded, whatever the file's ending says.

Of Pillow's other formats some start programs, and of JPEG 2000 it wraps white in 16-bit colours around to black.
"""
SIXTEEN_BITS = 2**16 - 1
MOST_BYTES = 2**29
"""Bytes that an image's file may have."""
READ_WHOLE = 2**24
"""Bytes of a file that is read before it is opened, as all but the largest are."""
DEAREST = "WEBP"
"""The format that Pillow decodes in twice the memory of any other."""
MOST_SCANNED = 20 * MOST_PIXELS
"""Pixels times scans that a JPEG file may have: the most pixels in the 18 scans that inks take."""
STRIP = 2**22
"""Pixels of an image whose levels are taken at once: beside a large image there is no second one in memory."""
LEAST_PART = 2**21
"""Pixels that every image counts for at least, of those in memory at once."""
BLOCK = 2**26
"""Bytes that Pillow asks for at once: smaller blocks of large images stay with the thread that decoded them."""
OPENING = Lock()
"""Held while warnings are errors, which is so for the whole process."""

Image.core.set_block_size(BLOCK)  # type: ignore[attr-defined]  # documented, and not declared

Kind = TypeVar("Kind", np.uint8, np.float32)


class _Room:
    """What threads share: each takes a part of it, and waits until there is as much."""

    def __init__(self, whole: int) -> None:
        self._whole = self._free = whole
        self._changed = Condition()

    @contextmanager
    def part(self, asked: int) -> Iterator[None]:
        """Take a part while inside."""
        taken = min(max(asked, LEAST_PART), self._whole)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()


PIXELS = _Room(MOST_PIXELS)
"""Pixels that are in memory at once, of all threads: as many small images as there are threads, one of the largest."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image's grey levels, `[height, width, 1 or 3]`, red first, upright.

    EXIF rotation is applied, alpha dropped, palettes expanded, 16-bit levels divided by 257 (the full range stays
    the full range). Images that are grey in the file come back with one channel.

    *Note*: Pillow gives the upper eight bits of 16-bit colours, at most one level from the division.

    Raises:
        SamplesError: the file is no plain file, no image, is damaged, or is too large to be decoded.
    """
    return read_prepared(path, lambda levels: levels)


def read_prepared(
    path: Path, prepare: Callable[[NDArray[np.uint8]], NDArray[Kind]], most: int = MOST_PIXELS
) -> NDArray[Kind]:
    """Return what is made of an image's grey levels, which are gone from memory before another large image is read.

    Args:
        path: the file.
        prepare: takes the levels, `[height, width, 1 or 3]`.
        most: pixels that the image may have.

    Raises:
        SamplesError: as for `read_image`, or what is made of it is too large.
    """
    try:
        with plain_file(path, MOST_BYTES) as file:
            return _read(file, path, prepare, min(most, MOST_PIXELS))
    except OSError as error:
        raise unreadable(path, why_unread(error)) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep back what Pillow warns of, which is of no use to whoever gets an image or an error.

    Around all threads that read images: warnings are those of the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unreadable(path: Path, why: str, mend: str = "repair") -> SamplesError:
    """Return the error of an image that cannot be read, and what would mend it."""
    return SamplesError(
        "an image cannot be read",
        where=str(path),
        why=why,
        remedy=f"{mend} or remove the file, or pass --skip-bad to leave such images out",
    )


def _read(
    file: BufferedReader, path: Path, prepare: Callable[[NDArray[np.uint8]], NDArray[Kind]], most: int
) -> NDArray[Kind]:
    """Return what is made of an open image."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise unreadable(path, "the file is empty")
    scans = _scans(file)
    try:
        image = _opened(BytesIO(file.read()) if size <= READ_WHOLE else file)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise unreadable(path, f"it has too many pixels: {error}", "shrink") from error
    except Exception as error:  # a damaged file may raise anything
        raise _damaged(path) from error
    pixels = image.width * image.height
    if why := why_too_large(image.height, image.width, min(most, MOST_PIXELS // (1 + (image.format == DEAREST)))):
        raise unreadable(path, why, "shrink")
    if scans * pixels > MOST_SCANNED:
        raise unreadable(path, f"its {pixels:,} pixels are scanned {scans:,} times")
    with PIXELS.part(pixels):
        try:
            levels = _levels(image, path)
        except SamplesError:
            raise
        except Exception as error:  # as above
            raise _damaged(path) from error
        del image
        try:
            return prepare(levels)
        except SamplesError as error:
            raise unreadable(path, error.why, "shrink") from error


def _scans(file: BufferedReader) -> int:
    """Return how often a file goes over its picture, and leave it at its beginning."""
    scans = scans_of(file.read()) if file.peek(len(START)).startswith(START) else 0
    file.seek(0)
    return scans


def _damaged(path: Path) -> SamplesError:
    return unreadable(path, "it is damaged, cut short or of an unknown format")


def _opened(source: BytesIO | BufferedReader) -> Image.Image:
    """Return an image of which the head is read, having made sure that it does not fill the memory."""
    with OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(source, formats=FORMATS)


def _levels(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return the grey levels of an opened image, `[height, width, 1 or 3]`, upright; of a large one strip by strip."""
    ImageOps.exif_transpose(image, in_place=True)
    image.load()
    image.info.pop("transparency", None)  # of a palette, which is dropped
    rows = max(1, STRIP // image.width)
    if rows >= image.height:
        return _of_strip(image, path)
    levels = np.empty((0, 0, 0), np.uint8)
    for top in range(0, image.height, rows):
        strip = _of_strip(image.crop((0, top, image.width, min(top + rows, image.height))), path)
        if not top:
            levels = np.empty((image.height, *strip.shape[1:]), np.uint8)
        levels[top : top + rows] = strip
    return levels


def _of_strip(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return the grey levels of an image that is upright."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.int32)
        if not 0 <= levels.min() <= levels.max() <= SIXTEEN_BITS:
            raise unreadable(path, "its levels have more than 16 bits", "convert")
        levels += 128
        levels //= 257
        return levels.astype(np.uint8)[:, :, None]
    if image.mode == "F":
        raise unreadable(path, "its levels are fractions, of which no range is known", "convert")
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image if image.mode == "L" else image.convert("L"))[:, :, None]
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
