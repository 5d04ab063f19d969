"""The output folder: written whole or not at all, never over another model's analysis."""

import errno
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from onnxcausal.analysis.formats.analysis_file import EARLIER, FORMAT, to_json
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import OutputError
from onnxcausal.filesystem.json_text import read_json
from onnxcausal.filesystem.writing import OpenFolder, PlaceError, write_inside, write_whole

ANALYSIS_FILE = "analysis.json"
EFFECTS_FILE = "effects.npz"
FORMATS = (FORMAT, *EARLIER)
"""Formats of an analysis that may be replaced by a new one of the same model."""
WRITTEN = frozenset([ANALYSIS_FILE, EFFECTS_FILE])
PER_TARGET = re.compile(r"(graph|ate)-(\d+)\.(graphml|png)")
"""Files that belong to one class; those of classes that an earlier analysis had are removed."""


def check_folder(folder: Path, model_sha256: str, *, force: bool) -> None:
    """Make sure, before any work, that the folder can take the analysis of a model; leave no trace.

    Raises:
        OutputError: the folder cannot be written, or holds another model's analysis and `force` is not given.
    """
    check_writable(folder)
    if not folder.is_dir():
        return
    entries = [path.name for path in folder.iterdir()]
    _check_entries(folder, [name for name in entries if name in WRITTEN or PER_TARGET.fullmatch(name)])
    if force:
        return
    held = _model_of(folder / ANALYSIS_FILE)
    ours = [name for name in entries if name in WRITTEN or PER_TARGET.fullmatch(name)]
    if ours and not held:
        raise OutputError(
            "the output folder holds files of the same names that this tool did not write",
            where=str(folder),
            why=f"they would be lost: {', '.join(sorted(ours)[:3])}",
            remedy="choose another folder with --out, or pass --force to replace them",
        )
    if held and held != model_sha256:
        raise OutputError(
            "the output folder holds the analysis of another model",
            where=str(folder),
            why=f"its model has the hash {held[:12]}, this one {model_sha256[:12]}",
            remedy="choose another folder with --out, or pass --force to replace it",
        )


def check_writable(folder: Path) -> None:
    """Make sure, before any work, that a folder can be written; leave no trace.

    Raises:
        OutputError: it cannot.
    """
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file or a broken link, not a folder")
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with OpenFolder(nearest, follow=nearest != folder) as opened:
            opened.probe()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def save(analysis: Analysis, folder: Path, extra: Mapping[str, bytes]) -> None:
    """Write the analysis: `effects.npz`, the extra files, and `analysis.json` last.

    Each file is written beside its place and moved there, so that an interrupted or failed write leaves what was
    there before.

    Args:
        analysis: the result.
        folder: the output folder; made if it does not exist.
        extra: content of further files, by name.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    files = {EFFECTS_FILE: effects_archive(analysis), **extra, ANALYSIS_FILE: to_json(analysis).encode()}
    earlier = _targets_of(folder / ANALYSIS_FILE)

    def is_left_over(name: str) -> bool:
        match = PER_TARGET.fullmatch(name)
        return match is not None and int(match[2]) in earlier

    save_files(folder, files, is_left_over)


def save_files(folder: Path, files: Mapping[str, bytes], is_left_over: Callable[[str], bool] | None = None) -> None:
    """Write files into a folder: all of them beside their places first, then all moved there.

    Args:
        folder: the folder; made if it does not exist.
        files: content by name, in the order in which they take their places.
        is_left_over: which other files in the folder an earlier run left, to be removed.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    try:
        with OpenFolder(folder, make=True) as opened:
            for name, content in files.items():
                opened.add(name, [content])
            opened.place()
            for old in opened.names():
                if is_left_over is not None and is_left_over(old) and old not in files:
                    opened.remove(old)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def check_own_files(folder: Path, files: Iterable[str], is_ours: Callable[[], bool], *, force: bool) -> None:
    """Refuse to replace files that this tool did not write for the same model.

    Args:
        folder: the output folder.
        files: names of what is to be written.
        is_ours: whether what an earlier run left in the folder is of this tool and model.
        force: replace them all the same.

    Raises:
        OutputError: there are such files.
    """
    there = [name for name in files if os.path.lexists(folder / name)]
    if there:
        _check_entries(folder, there)
    if there and not force and not is_ours():
        raise OutputError(
            "the output folder holds files of the same names that belong to something else",
            where=str(folder),
            why=f"they would be lost: {', '.join(sorted(there)[:3])}",
            remedy="choose another folder with --out, or pass --force to replace them",
        )


def _check_entries(folder: Path, names: Iterable[str]) -> None:
    """Refuse places that hold a link, no plain file, or another user's."""
    try:
        with OpenFolder(folder) as opened:
            for name in names:
                opened.check(name)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def write_file(path: Path, content: bytes) -> None:
    """Write one file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_chunks(path, [content])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write one file whole or not at all, part by part.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        write_whole(path, chunks)
    except OSError as error:
        raise _cannot_write(path, error) from error


def remove_file(path: Path) -> None:
    """Remove a file that this tool wrote earlier, or a link in its place and not what that leads to, if there is one.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        with OpenFolder(path.parent, follow=True) as folder:
            folder.remove(path.name)
    except OSError as error:
        raise _cannot_write(path, error) from error


def check_output(path: Path) -> None:
    """Make sure, before any work, that a file can take its place; leave no trace.

    Raises:
        OutputError: it cannot: its folder cannot be written, or what stands there is a link, no plain file, or another
            user's.
    """
    try:
        with OpenFolder(path.parent, follow=True) as folder:
            folder.check(path.name)
            folder.probe()
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_weights(folder: Path, location: str, chunks: Iterable[bytes]) -> None:
    """Write a file of weights below the folder of a model file.

    Args:
        folder: the folder.
        location: the file in it, as the model names it; folders on the way are made.
        chunks: the content.

    Raises:
        OutputError: it cannot be written, or a folder on the way is a link.
    """
    try:
        write_inside(folder, location, chunks)
    except OSError as error:
        raise _cannot_write(folder / location, error) from error


def effects_archive(analysis: Analysis) -> bytes:
    """Return `effects.npz`: TE `[parents, samples]` under `TARGET/POSITION`, the layer's position in `layers`.

    `TARGET/observed` holds the outcome without intervention, `[samples]`. Positions stand in for layer names, which
    come from the model and may hold anything. Layers that no route leads to have no entry. `data` names the data the
    effects were measured on.
    """
    arrays = {"data": np.array(analysis.data_source)}
    for graph in analysis.graphs:
        arrays[f"{graph.target}/observed"] = graph.observed
        for position, layer in enumerate(graph.layers):
            if layer.effects is not None:
                arrays[f"{graph.target}/{position}"] = layer.effects.te
    content = io.BytesIO()
    # numpy dates the entries of an archive alike, so that the same effects give the same bytes.
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _model_of(path: Path) -> str:
    """Return the hash of the model whose analysis a file holds; empty where it is none."""
    try:
        held = read_json(path)
        return str(held["model"]["sha256"]) if held["format"] in FORMATS else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _targets_of(path: Path) -> set[int]:
    """Return the classes that an earlier analysis in the folder had."""
    try:
        held = read_json(path)
        return {int(graph["target"]) for graph in held["graphs"]} if held["format"] in FORMATS else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _cannot_write(path: Path, error: OSError) -> OutputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OutputError(
        "the disk is full" if full else "the output cannot be written",
        where=str(error.filename if isinstance(error, PlaceError) else path),
        why=error.strerror or str(error),
        remedy="free some space; what was there before is unchanged" if full else "choose another place",
    )
