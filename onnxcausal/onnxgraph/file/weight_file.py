"""A file of weights: checked before it is opened, opened without following links, known again by what it is.

What was checked, what is hashed and what is mapped later is one file: each time it is opened, device, inode, size and
times of the open file are compared. What somebody writes into a file while it is mapped is seen when it is opened next,
at the end of an analysis at the latest.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from onnxcausal.errors import ModelError
from onnxcausal.filesystem.reading import PLAINLY

CHUNK = 2**20
"""Bytes hashed at once."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a file from any other, and from itself once it was written to.

    Attributes:
        device: where it is.
        inode: its number there.
        size: in bytes.
        written: time of the last change of its content, in nanoseconds.
        changed: the same as the system keeps it, which nobody can set (on Windows, when it was made).
    """

    device: int
    inode: int
    size: int
    written: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Identity":
        """Return the identity of a file in a state."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    @classmethod
    def parse(cls, text: str) -> "Identity":
        """Return the identity that `str` wrote."""
        return cls(*map(int, text.split(":")))

    def __str__(self) -> str:
        """Return it as text without spaces."""
        return f"{self.device}:{self.inode}:{self.size}:{self.written}:{self.changed}"


def check_file(folder: Path, parts: Sequence[str], *, follow_links: bool) -> Identity:
    """Return what a file inside a folder is, having refused what is no plain file of its own.

    Args:
        folder: the model's folder.
        parts: names of folders on the way, and of the file.
        follow_links: allow symbolic and hard links.

    Raises:
        ModelError: it is a link, no plain file, or not there.
    """
    file = folder.joinpath(*parts)
    try:
        step = folder
        for part in parts:
            step = step / part
            if step.is_symlink() and not follow_links:
                raise unreadable(step, "it is a symbolic link, which is not followed: it may lead anywhere", link=True)
        found = file.stat()
    except OSError as error:
        raise unreadable(file, error.strerror or str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise unreadable(file, "it is no plain file")
    if found.st_nlink > 1 and not follow_links:
        raise unreadable(file, "it is a hard link to a file that has other names", link=True)
    return Identity.of(found)


@contextmanager
def opened(folder: Path, parts: Sequence[str], identity: Identity, *, follow_links: bool) -> Iterator[BinaryIO]:
    """Give a file that was checked, open for reading, and make sure that it stayed the same to the end.

    Args:
        folder: the model's folder.
        parts: names of folders on the way, and of the file.
        identity: what was checked.
        follow_links: allow symbolic links.

    Raises:
        ModelError: it is another file, or was written to.
    """
    file = folder.joinpath(*parts)
    try:
        number = os.open(file, PLAINLY) if follow_links else _opened_inside(folder, parts)
    except OSError as error:
        raise unreadable(file, error.strerror or str(error)) from error
    with os.fdopen(number, "rb") as content:
        check_same(content, identity, file)
        yield content
        check_same(content, identity, file)


@contextmanager
def opened_again(file: Path, identity: Identity) -> Iterator[BinaryIO]:
    """Give a file that was checked and opened before, by where it is.

    Raises:
        ModelError: it is another file, or was written to.
    """
    try:
        number = os.open(file, PLAINLY)
    except OSError as error:
        raise unreadable(file, error.strerror or str(error)) from error
    with os.fdopen(number, "rb") as content:
        check_same(content, identity, file)
        yield content


def check_same(content: BinaryIO, identity: Identity, file: Path) -> None:
    """Refuse an open file that is not the one that was checked.

    Raises:
        ModelError: it is another file, or was written to.
    """
    if Identity.of(os.fstat(content.fileno())) != identity:
        raise ModelError(
            "the model's weights changed while they were in use",
            where=str(file),
            why="the file is not the one that was checked, or was written to since",
            remedy="leave the model's files alone until the run has ended, and run again",
        )


def _opened_inside(folder: Path, parts: Sequence[str]) -> int:
    """Open a file step by step, so that no link that was put on the way is followed; return its descriptor."""
    if os.open not in os.supports_dir_fd:
        return os.open(folder.joinpath(*parts), PLAINLY)
    step = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=step)
            os.close(step)
            step = inner
        return os.open(parts[-1], PLAINLY | os.O_NOFOLLOW, dir_fd=step)
    finally:
        os.close(step)


def unreadable(file: Path, why: str, *, link: bool = False) -> ModelError:
    """Return the error for weights that cannot be used."""
    return ModelError(
        "the model's weights stand in a file that cannot be used",
        where=str(file),
        why=why,
        remedy="where this is your own model store, which keeps files behind links, pass --follow-links; else copy the "
        "real file to its place"
        if link
        else "put the external data file beside the model, under the name the model gives",
    )
