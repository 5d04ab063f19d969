"""Archives of arrays that lie, bite or burst, made byte by byte: no library writes them so."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MEBIBYTE = 2**20
GOOD = np.zeros((6, 4), np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@dataclass(frozen=True)
class Member:
    """A member of an archive, as its headers tell of it.

    Attributes:
        name: with its ending.
        content: what it unpacks to; of a deflated one that is `packed` already, nothing.
        method: how it says that it is packed.
        packed: its bytes in the archive; None packs the content.
        size: how many bytes it says that it unpacks to; None tells the truth.
        flags: of the member.
        crc: its checksum; None tells the truth.
    """

    name: str
    content: bytes = b""
    method: int = zipfile.ZIP_DEFLATED
    packed: bytes | None = None
    size: int | None = None
    flags: int = 0
    crc: int | None = None


def array(values: np.ndarray) -> bytes:
    """Return the bytes of an array, objects pickled."""
    held = io.BytesIO()
    np.lib.format.write_array(held, values, allow_pickle=True)
    return held.getvalue()


def header(shape: str, descr: str = "'<f4'", fortran: str = "False") -> bytes:
    """Return the header of an array, of which every part is written as it is given."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(*members: Member) -> bytes:
    """Return an archive."""
    places, content, directory = [], b"", b""
    for member in members:
        packed = _packed(member)
        size = len(member.content) if member.size is None else member.size
        crc = zlib.crc32(member.content) if member.crc is None else member.crc
        name = member.name.encode()
        told = struct.pack("<HHHHLLLHH", member.flags, member.method, 0, 33, crc, len(packed), size, len(name), 0)
        places.append(len(content))
        content += b"PK\x03\x04" + struct.pack("<H", 20) + told + name + packed
        directory += b"PK\x01\x02" + struct.pack("<HH", 20, 20) + told
        directory += struct.pack("<HHHLL", 0, 0, 0, 0, places[-1]) + name
    end = struct.pack("<HHHHLLH", 0, 0, len(members), len(members), len(directory), len(content), 0)
    return content + directory + b"PK\x05\x06" + end


def zeros(mebibytes: int, before: bytes = b"") -> bytes:
    """Return what unpacks to some bytes and so many MiB of zeros, made in no time: one block, again and again."""
    first, block, last = (zlib.compressobj(9, zlib.DEFLATED, -15) for _ in range(3))
    head = first.compress(before) + first.flush(zlib.Z_FULL_FLUSH)
    repeated = block.compress(bytes(MEBIBYTE)) + block.flush(zlib.Z_FULL_FLUSH)
    return head + repeated * mebibytes + last.flush()


def bomb(name: str, mebibytes: int) -> Member:
    """Return a member of so many MiB of zeros, which tells the truth but for its checksum."""
    head = header(f"({mebibytes * MEBIBYTE // 4},)")
    size = len(head) + mebibytes * MEBIBYTE
    return Member(name, packed=zeros(mebibytes, head), size=size, crc=0)


def _packed(member: Member) -> bytes:
    if member.packed is not None:
        return member.packed
    if member.method != zipfile.ZIP_DEFLATED:
        return member.content
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packing.compress(member.content) + packing.flush()


BODY = bytes(96)
Y = Member("y.npy", array(LABELS))


class Marks:
    """Makes a file where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("unpickled", "w")


def _damaged(place: int) -> Callable[[bytes], bytes]:
    """Return what flips a byte of a file, counted from its beginning."""
    return lambda whole: whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]


def _x(content: bytes, **told: int) -> bytes:
    return archive(Member("x.npy", content, **told), Y)  # type: ignore[arg-type]  # numbers alone


ARCHIVES = {
    "claims 16 TB": (_x(header("(1000000000000, 4)") + BODY), "are there"),
    "claims more than 64 bits": (_x(header("(4611686018427387904, 4)") + BODY), "are there"),
    "claims a size of 300 digits": (_x(header("(" + "9" * 300 + ",)") + BODY), "numbers or text"),
    "negative size": (_x(header("(-6, 4)") + BODY), "numbers or text"),
    "fewer values than bytes": (_x(header("(5, 4)") + BODY), "are there"),
    "axes of no values beyond all bounds": (_x(header("(0, " + "9999999999999999999, " * 4 + ")")), "x"),
    "header of 1 GiB": (_x(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**30) + b"(" * 1000), "its header tells"),
    "nested header": (_x(b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000), "numbers or text"),
    "header that is no text": (_x(b"\x93NUMPY\x03\x00" + struct.pack("<I", 8) + b"\xff" * 8), "x"),
    "header cut short": (_x(b"\x93NUMPY\x01\x00\xff"), "numbers or text"),
    "unknown version of a header": (_x(b"\x93NUMPY\x09\x00" + BODY), "no array"),
    "no array": (_x(b"text"), "no array"),
    "70 axes": (_x(header("(6, " + "1, " * 70 + ")") + bytes(24)), "71 axes"),
    "no order": (_x(header("(6, 4)", fortran="'maybe'") + BODY), "numbers or text"),
    "shape that is no shape": (_x(header("True") + BODY), "axes"),
    "type that is not there": (_x(header("(6, 4)", "'<f3'") + BODY), "no type"),
    "values of no bytes": (_x(header("(6, 4)", "'<U0'")), "0 bytes"),
    "values of 4 GiB": (_x(header("(6, 4)", "'<U999999999'") + BODY), "x"),
    "records": (_x(array(np.zeros(6, [("a", "f4", (4,))]))), "numbers or text"),
    "objects": (_x(array(GOOD.astype(object))), "never unpickled"),
    "objects that do harm": (_x(array(np.array([Marks()], object))), "never unpickled"),
    "encrypted": (_x(array(GOOD), flags=1), "encrypted"),
    "strongly encrypted": (_x(array(GOOD), flags=0x41), "encrypted"),
    "patch": (_x(array(GOOD), flags=0x20), "encrypted"),
    "packed by no known method": (_x(array(GOOD), method=97), "method 97"),
    "packed by bzip2": (_x(array(GOOD), method=zipfile.ZIP_BZIP2), "method 12"),
    "packed by LZMA": (_x(array(GOOD), method=zipfile.ZIP_LZMA), "method 14"),
    "stored with two sizes": (_x(array(GOOD), method=0, size=10**6), "two sizes"),
    "wrong checksum": (_x(array(GOOD), crc=1), "damaged"),
    "damaged packing": (_damaged(60)(_x(array(np.random.default_rng(0).normal(size=(6, 4))))), "x"),
    "cut in its middle": (_x(array(GOOD))[:150], "no archive"),
    "another name inside": (_x(array(GOOD)).replace(b"x.npy", b"z.npy", 1), "damaged"),
    "twice the same name": (archive(Member("x.npy", array(GOOD)), Member("x.npy", array(GOOD)), Y), "twice"),
    "ends before its size": (_x(array(GOOD)[:-40], size=len(array(GOOD))), "x"),
    "bomb of 2 GiB": (archive(bomb("x.npy", 2048), Y), "unpacks to more"),
    "directory of 4 GB": (_x(array(GOOD))[:-10] + struct.pack("<LL", 2**32 - 2, 0) + b"\0\0", "no archive"),
    "single array": (array(GOOD), "single array"),
    "pickle": (b"\x80\x04\x95" + BODY, "no archive"),
    "nothing": (b"", "no archive"),
}
"""Content by what is wrong with it, and a part of why it is refused."""


def write(folder: Path, name: str) -> Path:
    """Write one of the archives, and return its place."""
    path = folder / "hostile.npz"
    path.write_bytes(ARCHIVES[name][0])
    return path
