"""Data that bite: by what is wrong with it, what writes it into a folder and returns what to load."""

import gzip
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.hostile_archives import ARCHIVES, GOOD, LABELS, write
from tests.support.hostile_texts import PLACES

Write = Callable[[Path], Path]
COLUMNS = "a,b,c,d,label\n"


def png(height: int, width: int, rows: int) -> bytes:
    """Return a grey picture that says so many rows, and has `rows` of zeros."""

    def chunk(kind: bytes, held: bytes) -> bytes:
        return struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)  # a bit a pixel
    line = bytes(1 + (width + 7) // 8)
    packing = zlib.compressobj(9)
    content = b"".join(packing.compress(line) for _ in range(rows)) + packing.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def scanned(times: int) -> bytes:
    """Return a large grey JPEG file of which the last scan is there so often."""
    held = io.BytesIO()
    Image.new("L", (4000, 4000)).save(held, "JPEG", progressive=True)
    whole = held.getvalue()
    last, end = whole.rindex(b"\xff\xda"), whole.rindex(b"\xff\xd9")
    return whole[:last] + whole[last:end] * times + whole[end:]


def lossless(side: int) -> bytes:
    """Return a WebP file that tells of a square picture, of which nothing is there."""
    head = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes(100)
    part = b"VP8L" + struct.pack("<I", len(head)) + head + bytes(len(head) % 2)
    return b"RIFF" + struct.pack("<I", len(part) + 4) + b"WEBP" + part


def pictures(folder: Path) -> Path:
    """Write an honest folder of pictures of three classes, and return it."""
    for number in range(6):
        place = folder / "data" / str(number % 3)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 2), 9 * number, np.uint8)).save(place / f"{number}.png")
    return folder / "data"


def _picture(write_it: Callable[[Path], object], name: str = "1/0.png") -> Write:
    """Return what writes a folder of pictures with one that bites."""

    def written(folder: Path) -> Path:
        data = pictures(folder)
        write_it(data / name)
        return data

    return written


def _class(name: bytes) -> Write:
    """Return what writes a folder of pictures with a class of a name that bites."""

    def written(folder: Path) -> Path:
        data = pictures(folder)
        place = os.path.join(os.fsencode(data), name)  # noqa: PTH118  # a Path takes no bytes
        os.mkdir(place)  # noqa: PTH102  # as above
        with open(os.path.join(place, b"a.png"), "wb") as file:  # noqa: PTH118, PTH123  # as above
            file.write((data / "0" / "0.png").read_bytes())
        return data

    return written


def _names(write_it: Callable[[Path], object]) -> Write:
    """Return what writes sound data, and a file of class names that bites."""
    return _picture(write_it, "labels.txt")


def _table(text: str | bytes) -> Write:
    def written(folder: Path) -> Path:
        path = folder / "data.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def _labels(labels: np.ndarray, x: np.ndarray = GOOD) -> Write:
    def written(folder: Path) -> Path:
        np.savez(folder / "data.npz", x=x, y=labels)
        return folder / "data.npz"

    return written


def _idx(head: bytes, ending: str = "") -> Write:
    """Return what writes a pair of IDX files of which the images are what is given."""

    def written(folder: Path) -> Path:
        path = folder / f"t-images-idx3-ubyte{ending}"
        path.write_bytes(head)
        labels = b"\0\0\x08\x01" + struct.pack(">I", 6) + bytes(6)
        (folder / f"t-labels-idx1-ubyte{ending}").write_bytes(gzip.compress(labels) if ending else labels)
        return path

    return written


def _place(name: str, file: str) -> Write:
    def written(folder: Path) -> Path:
        PLACES[name](folder / file)
        return folder / file

    return written


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


IDX = b"\0\0\x08\x03"
SAMPLES: dict[str, Write] = {
    **{f"archive: {name}": lambda folder, name=name: write(folder, name) for name in ARCHIVES},  # type: ignore[misc]
    **{f"archive: a {place}": _place(place, "data.npz") for place in PLACES if place != "folder"},
    **{f"table: a {place}": _place(place, "data.csv") for place in PLACES if place != "folder"},
    **{f"picture: a {place}": _picture(PLACES[place]) for place in PLACES if place != "folder"},
    **{f"class names: a {place}": _names(PLACES[place]) for place in PLACES if place != "folder"},
    "labels of 2 to the 63": _labels(LABELS.astype(np.uint64) + np.uint64(2**63)),
    "labels below 64 bits": _labels(LABELS.astype(np.float64) - 1e300),
    "labels of 1e300": _labels(LABELS * 1e300),
    "labels without end": _labels(LABELS + np.inf),
    "labels that are no numbers": _labels(LABELS + np.nan),
    "labels beyond every float": _labels(LABELS.astype(np.longdouble) * (np.finfo(np.longdouble).max / 2)),
    "values of 1e300": _labels(LABELS, GOOD.astype(np.float64) + 1e300),
    "values beyond every float": _labels(LABELS, GOOD.astype(np.longdouble) + np.finfo(np.longdouble).max),
    "table: label of 20 digits": _table(COLUMNS + ("1,2,3,4," + "9" * 20 + "\n") * 3),
    "table: label of 5,000 digits": _table(COLUMNS + ("1,2,3,4," + "9" * 5000 + "\n") * 3),
    "table: label of 1e308": _table(COLUMNS + "1,2,3,4,1e308\n" * 3),
    "table: value of 5,000 digits": _table(COLUMNS + ("9" * 5000 + ",2,3,4,1\n") * 3),
    "table: value of 1e300": _table(COLUMNS + "1e300,2,3,4,1\n" * 3),
    "table: zero bytes": _table(bytes(10**6)),
    "table: zero byte in a value": _table(COLUMNS.encode() + b"1\x00,2,3,4,1\n"),
    "table: line without end": _table("0" * (2**24 + 10)),
    "table: quote without end": _table(COLUMNS + '"1,2,3,4,1\n' + "1,2,3,4,1\n" * 20000),
    "table: binary": _table(bytes(range(256)) * 10),
    "table: terminal codes": _table(COLUMNS + "1,2,3,\x1b]0;title\x07,1\n"),
    "IDX: claims 2 to the 93": _idx(IDX + b"\xff" * 12),
    "IDX: claims more than is there": _idx(IDX + struct.pack(">III", 6, 2, 2) + bytes(23)),
    "IDX: 255 axes": _idx(b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + bytes(6)),
    "IDX: no axes": _idx(b"\0\0\x08\0" + bytes(6)),
    "IDX: header cut short": _idx(IDX + b"\0\0"),
    "IDX: nothing": _idx(b""),
    "IDX: floats": _idx(b"\0\0\x0d\x03" + bytes(100)),
    "IDX, gzipped: claims 4 GB": _idx(gzip.compress(IDX + struct.pack(">III", 1000, 2000, 2000)), ".gz"),
    "IDX, gzipped: cut short": _idx(gzip.compress(IDX + struct.pack(">III", 6, 2, 2) + bytes(24))[:-10], ".gz"),
    "IDX, gzipped: wrong checksum": _idx(
        gzip.compress(IDX + struct.pack(">III", 6, 2, 2) + bytes(24))[:-8] + bytes(8), ".gz"
    ),
    "IDX, gzipped: no archive": _idx(b"\x1f\x8b" + bytes(100), ".gz"),
    "picture: 60,000 x 60,000 of which a row is there": _picture(_bytes(png(60_000, 60_000, 1))),
    "picture: 30,000 x 30,000": _picture(_bytes(png(30_000, 30_000, 30_000))),
    "picture: 5,000 x 5,000 that nothing shrinks": _picture(_bytes(png(5000, 5000, 5000))),
    "picture: 1 x 30,000,000": _picture(_bytes(png(1, 30_000_000, 1))),
    "picture: a side of 70,000": _picture(_bytes(png(70_000, 2, 1))),
    "picture: JPEG of 4,000 scans": _picture(_bytes(scanned(4000))),
    "picture: a script": _picture(_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")),
    "picture: PostScript": _picture(_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n")),
    "picture: another size": _picture(lambda path: Image.new("L", (3, 2)).save(path)),
    "class of 200 digits": _class(b"9" * 200),
    "class of Arabic digits": _class("\u0663".encode()),
    "class that is no text": _class(b"\xff\x1b[31m"),
    "class names: binary": _names(_bytes(bytes(range(256)))),
    "class names: zeros": _names(_bytes(bytes(100))),
    "class names: UTF-16": _names(_bytes("a\nb\nc\n".encode("utf-16"))),
    "class names: nothing": _names(_bytes(b"\n \n")),
    "class names: a million lines": _names(_bytes(b"a\n" * 10**6)),
}
"""What is refused, whatever the model takes."""
