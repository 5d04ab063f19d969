"""Archives of arrays (`.npz`) from anybody: nothing is unpickled, nothing read but what is asked for.

What a directory or a header says of sizes is held against the bytes that are there before anything is allocated. Large
archives are legitimate; what unpacks to a great many times its size is not.
"""

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray

from onnxcausal.filesystem.reading import plain_file

PACKINGS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
"""How members may be packed: as `numpy.savez` and `numpy.savez_compressed` do."""
MOST_DIRECTORY = 2**25
"""Bytes that the directory of an archive may have: some hundred thousand members."""
LONGEST_HEADER = 10_000
"""Bytes that the header of an array may have, as numpy has it."""
MOST_AXES = 32
"""Axes that an array may have."""
TIMES = 100
"""How many times its packed size a member may have without being counted."""
MOST_UNPACKED = 2**29
"""Bytes to which members that unpack to more than `TIMES` their size may come, all together."""
PART = 2**20
"""Bytes that are unpacked at once."""
MAGIC = b"\x93NUMPY"
"""What an array begins with."""
SEALED = 0x2061
"""Flags of a member that is encrypted, or a patch of another."""
ENDING = ".npy"
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    LookupError,
    OverflowError,
)
"""What reading a damaged archive may raise, beside OSError and ValueError."""
ENTRY = (
    r"['\"](descr|fortran_order|shape)['\"] ?: ?"
    r"('[^'\\]{1,32}'|\"[^\"\\]{1,32}\"|True|False|\((?:[0-9]{1,19}L?(?:, ?|(?=\))))*\)), ?"
)
HEADER = re.compile(r"\{ ?" + ENTRY * 2 + ENTRY.removesuffix(", ?") + r",? ?\}[ \n]*")
KINDS = re.compile(r"[<>|=]?(?:[biufcSUVmM][0-9]{1,9}(?:\[[A-Za-z0-9/]{1,12}\])?|\?)")


class ArrayArchive:
    """An open archive of arrays."""

    def __init__(self, packed: zipfile.ZipFile, size: int) -> None:
        """Take an archive whose directory is read.

        Args:
            packed: the archive.
            size: bytes of its file.
        """
        self._packed = packed
        self._size = size
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for member in packed.infolist():
            if member.filename.endswith(ENDING):
                self._members.setdefault(member.filename.removesuffix(ENDING), []).append(member)
        self._counted: dict[str, zipfile.ZipInfo] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays, in the order in which they stand."""
        return tuple(self._members)

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of a name."""
        return name in self._members

    def read(self, name: str, shape: tuple[int, ...] | None = None) -> NDArray[np.generic]:
        """Return an array.

        Args:
            name: one of `names`.
            shape: which it must have; None takes any.

        Raises:
            OSError: the file cannot be read.
            ValueError: there is no such array, it is damaged or of objects, or unpacks to far more than it may.
        """
        member = self._admitted(name)
        try:
            with self._packed.open(member) as content:
                return _array(content, member.file_size, shape)
        except DAMAGED as error:
            raise ValueError(f"{name} is damaged: {error}") from error
        except MemoryError as error:
            raise ValueError(f"{name} does not fit in the memory: {member.file_size:,} bytes") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _admitted(self, name: str) -> zipfile.ZipInfo:
        """Return the member of a name, having made sure that it may be unpacked.

        Raises:
            ValueError: it may not.
        """
        members = self._members.get(name, [])
        if len(members) != 1:
            raise ValueError(f"{name} is there twice" if members else f"it holds no {name}")
        member = members[0]
        if member.flag_bits & SEALED:
            raise ValueError(f"{name} is encrypted")
        if member.compress_type not in PACKINGS:
            raise ValueError(f"{name} is packed by method {member.compress_type}; it must be stored or deflated")
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise ValueError(f"{name} is stored, and has two sizes")
        self._counted[name] = member
        if sum(held.compress_size for held in self._counted.values()) > self._size:
            raise ValueError("its members have more bytes than the file")
        dense = sum(held.file_size for held in self._counted.values() if held.file_size > TIMES * held.compress_size)
        if dense > MOST_UNPACKED:
            raise ValueError(
                f"{name} unpacks to more than {TIMES} times its size, and that to more than {MOST_UNPACKED:,} bytes; "
                "store it unpacked"
            )
        return member


@contextmanager
def open_archive(path: Path) -> Iterator[ArrayArchive]:
    """Give an archive of arrays, open for reading.

    Args:
        path: an `.npz` file.

    Raises:
        OSError: it cannot be opened, or is no plain file.
        ValueError: it is no such archive, or damaged.
    """
    with plain_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(MAGIC)) == MAGIC:
            raise ValueError("it is a single array, no archive of named ones")
        try:
            packed = zipfile.ZipFile(_InParts(file))
        except DAMAGED as error:
            raise ValueError(f"it is no archive of arrays: {error}") from error
        with packed:
            yield ArrayArchive(packed, size)


class _InParts:
    """A file of which no more is read at once than a directory may have, whatever an archive says that it has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        held = self._file.read(size if 0 <= size <= MOST_DIRECTORY else MOST_DIRECTORY + 1)
        if len(held) > MOST_DIRECTORY:
            raise ValueError(f"its directory has more than {MOST_DIRECTORY:,} bytes")
        return held

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _array(content: IO[bytes], size: int, wanted: tuple[int, ...] | None) -> NDArray[np.generic]:
    """Return the array in a member of so many bytes.

    Raises:
        ValueError: it is none.
    """
    dtype, shape, fortran, length = _header(content)
    count = math.prod(shape)
    if wanted is not None and shape != wanted:
        raise ValueError(f"its shape is {list(shape)}, not {list(wanted)}")
    if length + count * dtype.itemsize != size:
        raise ValueError(f"its header tells of {count:,} values of {dtype.itemsize} bytes, {size - length:,} are there")
    whole = np.empty(count * dtype.itemsize, np.uint8)
    filled = 0
    while filled < len(whole):
        part = content.read(min(PART, len(whole) - filled))
        if not part:
            raise ValueError(f"it ends after {filled:,} bytes of {len(whole):,}")
        whole[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    values: NDArray[np.generic] = whole != 0 if dtype == np.bool_ else whole.view(dtype)
    return values.reshape(shape[::-1]).transpose() if fortran else values.reshape(shape)


def _header(content: IO[bytes]) -> tuple[np.dtype[np.generic], tuple[int, ...], bool, int]:
    """Return type and shape of an array, whether its columns come first, and the bytes of its header.

    Raises:
        ValueError: it is the header of no array of numbers or text.
    """
    magic = content.read(8)
    width = 2 if magic[6:7] == b"\x01" else 4
    if magic[:6] != MAGIC or magic[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise ValueError("it is no array")
    length = int.from_bytes(content.read(width), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header tells of itself that it has {length:,} bytes")
    found = HEADER.fullmatch(content.read(length).decode("utf-8"))
    told = dict(zip(found.groups()[::2], found.groups()[1::2], strict=True)) if found else {}
    form = told.get("descr", "")[1:-1]
    if len(told) < 3 or not KINDS.fullmatch(form) or told["fortran_order"] not in ("True", "False"):  # noqa: PLR2004
        raise ValueError("its header is not that of numbers or text; Python objects are never unpickled")
    shape = tuple(map(int, re.findall("[0-9]+", told["shape"])))
    try:
        dtype: np.dtype[np.generic] = np.dtype(form)
    except TypeError as error:
        raise ValueError(f"there is no type {form}") from error
    if told["shape"][0] != "(" or len(shape) > MOST_AXES or not dtype.itemsize:
        raise ValueError(f"its header tells of {len(shape)} axes, and values of {dtype.itemsize} bytes")
    return dtype, shape, told["fortran_order"] == "True", 8 + width + length
