"""Reading files that somebody else laid there: plain files alone, no more of them than was said.

A pipe is never waited for, a device never read. What may be as large as it likes is read by whoever opens it here;
what is read whole has a bound.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

PLAINLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""How files are opened: a pipe that stands in a file's place is not waited for."""
OWN_FORMAT = 2**28
"""Bytes that a file of one of this tool's own formats may have, where it holds records: far more than any has."""


@contextmanager
def plain_file(path: Path, most: int | None = None, *, follow_links: bool = True) -> Iterator[BufferedReader]:
    """Give a plain file, open for reading.

    Args:
        path: the file.
        most: bytes it may have; None sets no bound.
        follow_links: read what a symbolic link leads to, where that is a plain file.

    Raises:
        OSError: it cannot be opened, is no plain file, or has more bytes.
    """
    number = os.open(path, PLAINLY | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0)))
    with os.fdopen(number, "rb") as content:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        if most is not None and found.st_size > most:
            raise _too_large(path, most)
        yield content


def read_plain(path: Path, most: int, *, follow_links: bool = True) -> bytes:
    """Return what a plain file holds.

    Args:
        path: the file.
        most: bytes it may have.
        follow_links: read what a symbolic link leads to, where that is a plain file.

    Raises:
        OSError: it cannot be read, is no plain file, or has more bytes.
    """
    with plain_file(path, most, follow_links=follow_links) as content:
        held = content.read(most + 1)
    if len(held) > most:
        raise _too_large(path, most)
    return held


def why_unread(error: OSError | ValueError) -> str:
    """Return in one line why a file could not be read.

    >>> why_unread(FileNotFoundError(2, "No such file or directory", "a.npz"))
    'No such file or directory'
    """
    lines = ((error.strerror if isinstance(error, OSError) else None) or str(error)).splitlines()
    return lines[0] if lines else type(error).__name__


def _too_large(path: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
