"""IDX files: images and labels as MNIST and its kin are published, gzipped or not."""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import SamplesError
from onnxcausal.filesystem.archives import MOST_AXES, MOST_UNPACKED, PART, TIMES
from onnxcausal.filesystem.reading import plain_file

IDX_UBYTE = 0x08
"""Type code of unsigned bytes in an IDX header (LeCun, The MNIST database)."""


def read_idx_pair(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Return images and labels of an IDX pair, gzipped or not; `path` is either of the two files.

    The other file is the one whose name has `labels` for `images` and `idx1` for `idx3`, or the reverse.

    Raises:
        SamplesError: a file is missing or is no IDX file.
    """
    images = path.with_name(path.name.replace("labels", "images").replace("idx1", "idx3"))
    labels = path.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    for part in (images, labels):
        if not part.is_file():
            raise SamplesError(
                "half of an IDX pair is missing",
                where=str(part),
                why="images and labels stand in two files, named like train-images-idx3-ubyte and "
                "train-labels-idx1-ubyte",
                remedy="put both into one folder",
            )
    return _read_idx(images), _read_idx(labels)


def _read_idx(path: Path) -> NDArray[np.generic]:
    """Return the array in a file.

    Raises:
        SamplesError: it is no IDX file, or cut short.
    """
    try:
        with plain_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if path.suffix != ".gz":
                return _array(file, size)
            with gzip.GzipFile(fileobj=file) as content:
                return _array(content, max(TIMES * size, MOST_UNPACKED))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SamplesError(
            "an IDX file cannot be read",
            where=str(path),
            why=f"it is damaged or cut short ({error})",
            remedy="supply the file as published, gzipped or not",
        ) from error


def _array(content: IO[bytes] | gzip.GzipFile, most: int) -> NDArray[np.generic]:
    """Return the array that a text of at most so many bytes holds.

    Raises:
        ValueError: it holds none.
    """
    head = content.read(4)
    axes = head[3] if head[:3] == bytes([0, 0, IDX_UBYTE]) and len(head) == 4 else 0  # noqa: PLR2004
    if not 0 < axes <= MOST_AXES:
        raise ValueError("its header is not that of an IDX file of unsigned bytes")
    sizes = [int(size) for size in np.frombuffer(content.read(4 * axes), ">u4", count=axes)]
    count = math.prod(sizes)
    if count > most:
        raise ValueError(f"its header tells of {count:,} bytes")
    values, filled = np.empty(count, np.uint8), 0
    while filled < count:
        part = content.read(min(PART, count - filled))
        if not part:
            raise ValueError(f"it ends after {filled:,} bytes of {count:,}")
        values[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    content.read(1)  # at its end a gzipped file is held against its checksum
    return values.reshape(sizes)
