"""Writing files: whole or not at all, never through a link. Nothing in this project writes in another way.

Where a file goes is the user's word, so folders on the way to it are taken as they are. What was named itself, and
what stands in a folder that is written to, may have come with a model: a symbolic link there leads anywhere, and a
file may be another user's or no file at all. Such a place is refused. A new file is made under a name that nobody can
know, exclusively, and moved to its place; moving never follows a link. The folder is held open meanwhile, so that
none can be put in its stead.
"""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

BY_HANDLE = {os.open, os.mkdir, os.stat, os.unlink, os.rmdir, os.rename} <= os.supports_dir_fd
"""Whether files are reached by a folder that is held open (not on Windows, where they are by their paths)."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
MORE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
BINARY = getattr(os, "O_BINARY", 0)
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
UNGUESSABLE = 8
"""Random bytes in the name of a file that is not yet in its place."""
WAITING = re.compile(r"\.onnxcausal-[0-9a-f]{16}\.new")
"""Names of such files."""
DAY = 86400.0
"""Seconds after which nobody will move such a file to its place: whoever wrote it was killed."""
READABLE, OWN_ALONE = 0o666, 0o600
"""Who may read a file, before the user's mask."""


class PlaceError(OSError):
    """What stands in the place of a file is not to be replaced: a link, no plain file, or another user's."""


class OpenFolder(AbstractContextManager["OpenFolder"]):
    """A folder held open, and files that are to take their places in it together.

    Leaving the block removes what did not take its place, and the folder if it was made for that and stayed empty.
    """

    def __init__(self, folder: Path, *, follow: bool = False, make: bool = False) -> None:
        """Open a folder.

        Args:
            folder: the folder.
            follow: whether it may be a link to one: where it only says where something named goes.
            make: make it, and the folders on the way, where it is missing.

        Raises:
            OSError: it is a link that is not followed, or no folder, or cannot be opened.
        """
        self.path = folder
        self.is_new = make and not os.path.lexists(folder)
        if self.is_new:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
        if not follow and folder.is_symlink():
            raise _link(folder)
        nofollow = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
        self._number = os.open(folder, FOLDER | nofollow) if BY_HANDLE else None
        self._waiting: dict[str, str] = {}

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Remove what waits, and close the folder."""
        with suppress(OSError):  # what went wrong first is told
            for waiting in self._waiting.values():
                self._unlink(waiting)
            if self.is_new and not self.names():
                self.path.rmdir()
        if self._number is not None:
            os.close(self._number)

    def names(self) -> list[str]:
        """Return the names of what stands in it."""
        return os.listdir(self.path if self._number is None else self._number)  # noqa: PTH208  # by its handle

    def check(self, name: str, *, in_place: bool = False) -> None:
        """Refuse a place that does not hold a file of this user, or nothing.

        Args:
            name: the place.
            in_place: the file is to be written where it is, not replaced, so that it may have no other name.

        Raises:
            PlaceError: it is a link, no plain file, or of another user.
        """
        try:
            found = os.stat(self._at(name), dir_fd=self._number, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            raise _link(self.path / name)
        if not stat.S_ISREG(found.st_mode):
            raise PlaceError(errno.EEXIST, "what stands there is no plain file", str(self.path / name))
        if in_place and found.st_nlink > 1:
            raise PlaceError(errno.EMLINK, "it is a hard link to a file that has other names", str(self.path / name))
        if not _is_ours(found):
            raise PlaceError(errno.EPERM, "what stands there belongs to another user", str(self.path / name))

    def add(self, name: str, chunks: Iterable[bytes], *, mode: int = READABLE) -> None:
        """Write a file beside its place.

        Args:
            name: the place.
            chunks: the content.
            mode: who may read it.

        Raises:
            OSError: it cannot be written, or the place is refused.
        """
        if name:
            self.check(name)
        waiting = f".onnxcausal-{secrets.token_hex(UNGUESSABLE)}.new"
        number = os.open(self._at(waiting), NEW | BINARY, mode, dir_fd=self._number)
        self._waiting[name] = waiting
        with os.fdopen(number, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())

    def place(self) -> None:
        """Move all files to their places, in the order in which they were added.

        Raises:
            OSError: one cannot be moved, or its place is refused.
        """
        for name in self._waiting:
            self.check(name)
        for name, waiting in list(self._waiting.items()):
            os.replace(self._at(waiting), self._at(name), src_dir_fd=self._number, dst_dir_fd=self._number)
            del self._waiting[name]
        self._tidy()

    def place_new(self) -> None:
        """Give all files their places where nothing stands there, at once and whole.

        Raises:
            OSError: the system cannot do it.
        """
        for name, waiting in self._waiting.items():
            with suppress(FileExistsError):
                os.link(self._at(waiting), self._at(name), src_dir_fd=self._number, dst_dir_fd=self._number)

    def remove(self, name: str) -> None:
        """Remove a file, or a link in its place and not what that leads to; nothing if there is none."""
        self._unlink(name)

    def probe(self) -> None:
        """Make sure that files can be made in it; leave no trace.

        Raises:
            OSError: they cannot.
        """
        self.add("", [])
        self._unlink(self._waiting.pop(""))

    def inner(self, name: str) -> "OpenFolder":
        """Return a folder in it, made where it is missing.

        Raises:
            OSError: it is a link or no folder, or cannot be made.
        """
        with suppress(FileExistsError):
            os.mkdir(self._at(name), dir_fd=self._number)
        return OpenFolder(self.path / name) if self._number is None else _Inner(self, name)

    def _tidy(self) -> None:
        """Remove what processes that were killed left here, where nothing hinders that."""
        with suppress(OSError):
            for name in filter(WAITING.fullmatch, self.names()):
                found = os.stat(self._at(name), dir_fd=self._number, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and _is_ours(found) and found.st_mtime < time.time() - DAY:
                    self._unlink(name)

    def _at(self, name: str) -> str | Path:
        return self.path / name if self._number is None else name

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._number)


class _Inner(OpenFolder):
    """A folder that is opened by the one it stands in."""

    def __init__(self, outer: OpenFolder, name: str) -> None:
        self.path = outer.path / name
        self.is_new = False
        self._waiting = {}
        self._number = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=outer._number)  # noqa: SLF001  # of its own kind


def write_whole(path: Path, chunks: Iterable[bytes], *, mode: int = READABLE) -> None:
    """Write one file, whole or not at all.

    Args:
        path: the file; its folder must be there, and may be behind a link.
        chunks: the content.
        mode: who may read it.

    Raises:
        OSError: it cannot be written, or what stands there is a link, no plain file, or of another user.
    """
    with OpenFolder(path.parent, follow=True) as folder:
        folder.add(path.name, chunks, mode=mode)
        folder.place()


def write_inside(path: Path, location: str, chunks: Iterable[bytes]) -> None:
    """Write one file below a folder, making the folders between; none of these may be a link.

    Args:
        path: the folder, which may be behind a link.
        location: names on the way, with `/` between, and of the file.
        chunks: the content.

    Raises:
        OSError: as `write_whole` says.
    """
    *way, name = location.split("/")
    with OpenFolder(path, follow=True) as top:
        _write_below(top, way, name, chunks)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, made where it is missing.

    Raises:
        OSError: it is a link, no plain file, or cannot be written.
    """
    number = os.open(path, MORE | BINARY, READABLE)
    with os.fdopen(number, "ab") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        file.write(content)


def make_own(path: Path, content: bytes) -> None:
    """Make a file that this user alone may read, and the folders on the way; leave it as it is if it is there.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with OpenFolder(path.parent, follow=True) as folder:
        folder.add(path.name, [content], mode=OWN_ALONE)
        folder.place_new()


def _write_below(folder: OpenFolder, way: list[str], name: str, chunks: Iterable[bytes]) -> None:
    if way:
        with folder.inner(way[0]) as inner:
            _write_below(inner, way[1:], name, chunks)
        return
    folder.add(name, chunks)
    folder.place()


def _is_ours(found: os.stat_result) -> bool:
    """Whether a file is of this user; the system's own user may write everything."""
    return not hasattr(os, "geteuid") or os.geteuid() in (0, found.st_uid)


def _link(path: Path) -> PlaceError:
    why = "it is a symbolic link, which may lead anywhere and is not written through"
    return PlaceError(errno.ELOOP, why, str(path))
