"""Images with boxes: `images/*.jpg` and, beside them, `labels/*.txt` with a line for each box, as YOLO has it.

Of a box only its class is used: which classes an image has.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onnxcausal.errors import SamplesError
from onnxcausal.filesystem.reading import read_plain, why_unread
from onnxcausal.samples.images import Pictures, as_text, image_files

IMAGES, LABELS, SUFFIX = "images", "labels", ".txt"
"""Folders of the images and of what is in them, and how files of the latter end."""
LONGEST_FILE = 2**20
"""Bytes of a file of boxes, at most."""
MOST_CLASSES = 100_000
"""Classes that boxes may be of."""
MOST_FLAGS = 2**30
"""Images times classes, at most."""
BOX = 5
"""Numbers of a line: the class, and four of a box; corners of a polygon are two each."""
FEWEST_CORNERS = 3
BEYOND = 1.001
"""Largest place or size, in the image's own: rounding may leave it by a little."""
NUMBER = re.compile(r"(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
"""How a place or size is written: it is never negative."""
INDEX = re.compile("[0-9]{1,6}")
"""How a class is written."""
SHOWN = 40
"""Letters of a line that are shown."""


def holds_boxes(folder: Path) -> bool:
    """Whether a folder is one of images and one of label files, and not one of classes of those names."""
    parts = folder / IMAGES, folder / LABELS
    return all(map(os.path.isdir, parts)) and not image_files(parts[1])


def boxed_images(
    folder: Path, class_names: Sequence[str] | None, names_from: str, classes: int | None = None
) -> Pictures:
    """Return the images of a folder, and which classes each has; one without a label file has none.

    Args:
        folder: holds `images` and `labels`, with files of the same names at the same depth.
        class_names: name of each class index, if known.
        names_from: where they come from, for messages.
        classes: number of the model's classes, if known; default: as many as have names, or as boxes are of.

    Raises:
        SamplesError: there is no image, no label file of any, or one that cannot be read as boxes.
    """
    paths = image_files(folder / IMAGES)
    beside = [folder / LABELS / path.relative_to(folder / IMAGES).with_suffix(SUFFIX) for path in paths]
    files = [file if os.path.lexists(file) else None for file in beside]
    labelled = [file for file in files if file is not None]
    if not labelled:
        raise SamplesError(
            "the images have no labels",
            where=str(folder),
            why=f"there are {len(paths)} images, and for none of them a label file, like {beside[0]}"
            if beside
            else f"{folder / IMAGES} holds no image",
            remedy=f"arrange the files as {IMAGES}/NAME.jpg and {LABELS}/NAME{SUFFIX}",
        )
    given = classes or (len(class_names) if class_names else None)
    found = [frozenset() if file is None else _classes_in(file, given) for file in files]
    width = given or 1 + max((max(held) for held in found if held), default=0)
    if width * len(found) > MOST_FLAGS:
        raise SamplesError(
            "there are too many images and classes",
            where=str(folder),
            why=f"{len(found):,} images times {width:,} classes are more than {MOST_FLAGS:,}",
            remedy="supply fewer images: of each class only some are used",
        )
    flags = np.zeros((len(found), width), np.bool_)
    for row, held in zip(flags, found, strict=True):
        row[list(held)] = True
    empty = len(paths) - len(labelled)
    notes = (f"{empty} of {len(paths)} images have no label file: they count as having no class",) if empty else ()
    names = tuple(class_names) if class_names else None
    return Pictures(folder, paths, flags, names, names_from if names else "", list(dict.fromkeys(labelled)), notes)


def _classes_in(path: Path, classes: int | None) -> frozenset[int]:
    """Return the classes of the boxes in a label file.

    Raises:
        SamplesError: it cannot be read, or is none.
    """
    try:
        content = read_plain(path, LONGEST_FILE)
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise _not_read(path, why_unread(error)) from error
    return frozenset(
        _class_of(line.split(), f"{as_text(path)}, line {number}", classes)
        for number, line in enumerate(lines, 1)
        if line.strip()
    )


def _class_of(parts: Sequence[str], where: str, classes: int | None) -> int:
    """Return the class of a box, having made sure that the line is one."""
    corners, odd = divmod(len(parts) - 1, 2)
    if len(parts) != BOX and (odd or corners < FEWEST_CORNERS):
        raise _no_box(where, f"it has {len(parts)} parts")
    strange = [part for part in parts[1:] if not NUMBER.fullmatch(part) or float(part) > BEYOND]
    if strange:
        raise _no_box(where, f"{strange[0][:SHOWN]!r} is no number between 0 and 1")
    if not INDEX.fullmatch(parts[0]):
        raise _no_box(where, f"{parts[0][:SHOWN]!r} is no class index")
    most = MOST_CLASSES if classes is None else classes
    if int(parts[0]) >= most:
        raise _no_box(where, f"class {int(parts[0])} is beyond the {most:,} that there are, counted from 0")
    return int(parts[0])


def _no_box(where: str, why: str) -> SamplesError:
    return SamplesError(
        "a line of a label file is no box",
        where=where,
        why=why,
        remedy="write `class cx cy w h` in each line: a class index of the model, and shares of width and height",
    )


def _not_read(path: Path, why: str) -> SamplesError:
    return SamplesError(
        "a label file cannot be read",
        where=as_text(path),
        why=why,
        remedy="repair the file, or remove it together with its image",
    )
