"""Where a rewritten model file goes: whole or not at all, never over what it was made from.

Weights in other files stay there. Where the new file stands in the folder of the old one, both name the same files;
elsewhere those are copied under the same names, so that what the file says of them stays as it was.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from google.protobuf.message import Message

from onnxcausal.analysis.formats.output_folder import check_output, write_file, write_weights
from onnxcausal.errors import ModelError, OutputError
from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.original.external_bytes import hash_beside, locations_in, read_beside
from onnxcausal.onnxgraph.original.original import Original


def check_place(out: Path, sources: Iterable[Path], is_ours: Callable[[], bool], *, force: bool) -> None:
    """Refuse to write over what must stay.

    Args:
        out: the file to be written.
        sources: files it is made from.
        is_ours: whether what stands there is an earlier result of the same model.
        force: replace what stands there all the same; never a source.

    Raises:
        OutputError: it would be lost.
    """
    if not os.path.lexists(out):
        return
    for source in sources:
        if source.exists() and out.exists() and out.samefile(source):
            raise OutputError(
                "the output would replace what it is made from",
                where=str(out),
                why=f"it is the file {source}",
                remedy="name another file with -o",
            )
    if out.is_symlink():
        check_output(out)
    if out.is_dir() or not (force or is_ours()):
        raise OutputError(
            "there is another file in the output's place",
            where=str(out),
            why="it is a folder" if out.is_dir() else "it would be lost: it is no repair of this model",
            remedy="name another file with -o" + ("" if out.is_dir() else ", or pass --force to replace it"),
        )


def files_of(original: Original) -> list[Path]:
    """Return the model file and its files of weights."""
    return [original.path, *(original.path.parent / location for location in original.model.external)]


def has_content(path: Path, sha256: str) -> bool:
    """Whether there is a file with this hash."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def put(
    out: Path,
    proto: Message,
    original: Original,
    data: Mapping[str, bytes] | None = None,
    *,
    follow_links: bool = False,
) -> str:
    """Write a model file made from another, and the weights that stand in other files, which come first.

    Args:
        out: the file.
        proto: its message.
        original: the file it is made from.
        data: new files of weights by name; the name tells the content.
        follow_links: read weights behind links.

    Returns:
        The SHA-256 of the file.

    Raises:
        OutputError: a file cannot be written, or another one stands in the place of the weights.
        ModelError: the weights changed while they were copied, or the message is too large.
    """
    content = serialise(proto, out.name)
    for name, held in (data or {}).items():
        _put_weights(out.parent, name, [held], hashlib.sha256(held).hexdigest())
    if out.parent.is_dir() and not out.parent.samefile(original.path.parent):
        _copy_weights(out, original, locations_in(proto) - set(data or ()), follow_links=follow_links)
    write_file(out, content)
    return hashlib.sha256(content).hexdigest()


def _copy_weights(out: Path, original: Original, locations: Iterable[str], *, follow_links: bool) -> None:
    """Copy files of weights beside the output, under their names."""
    folder = out.parent
    for location in sorted(locations):
        if folder / location == out:
            raise OutputError(
                "the output has the name of the model's weights",
                where=str(out),
                why=f"the weights of {original.path.name} are copied beside it as {location}",
                remedy="name another file with -o",
            )
        digest = hash_beside(original, location, follow_links=follow_links)
        _put_weights(folder, location, read_beside(original, location, follow_links=follow_links), digest)
        if not has_content(folder / location, digest):
            raise ModelError(
                "the model's weights changed while they were copied",
                where=str(original.path.parent / location),
                why="the copy is not what was read a moment ago",
                remedy="leave the model's files alone until the run has ended, and run again",
            )


def _put_weights(folder: Path, location: str, chunks: Iterable[bytes], digest: str) -> None:
    """Write a file of weights, unless it is there already."""
    place = folder / location
    if os.path.lexists(place):
        if not place.is_symlink() and has_content(place, digest):
            return
        raise OutputError(
            "there is another file in the place of the model's weights",
            where=str(place),
            why="a model there may use it",
            remedy="write into another folder with -o",
        )
    write_weights(folder, location, chunks)
