"""Weights that stand in files beside the model: only plain files inside its folder are read.

Where they are few they are put into the model. Where they are many they stay in their files, which are mapped into
memory when they are needed, by whoever needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.weight_file import CHUNK, Identity, check_file, opened, opened_again, unreadable
from onnxcausal.onnxgraph.graph.tensors import stored_tensors

INLINE_LIMIT = 2**30
"""Weights that take fewer bytes than this are put into the model: one message holds 2 GiB."""
SMALL = 2**16
"""Tensors of fewer bytes are put into the model always."""
MAPPED = {
    int(kind): np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    for kind in (
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT16,
        TensorProto.UINT16,
        TensorProto.INT32,
        TensorProto.INT64,
    )
}
"""Element types whose bytes numpy can use where they stand."""
IDENTITY = "checksum"
"""Key under which it is noted, in memory, which file was checked; ONNX Runtime refuses keys that the format lacks."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor's bytes stand."""

    location: str
    file: Path
    identity: Identity
    offset: int
    length: int


def load_external(
    proto: onnx.ModelProto, folder: Path, take: Callable[[bytes], object], *, follow_links: bool
) -> dict[str, int]:
    """Give a model the weights that stand in other files, in place; return how many tensors stand in each file.

    Each file is opened once: what is read from it, hashed, or noted to be mapped later is what was checked.

    Args:
        proto: the model.
        folder: the model's folder.
        take: is given the name and the bytes of each file, to be hashed.
        follow_links: read files behind symbolic and hard links too.

    Raises:
        ModelError: a file is missing, outside the folder, a link or device, too short, or changes meanwhile.
    """
    tensors = [tensor for tensor in stored_tensors(proto, indices=True) if is_external(tensor)]
    places = [_place(tensor, folder, follow_links=follow_links) for tensor in tensors]
    mapped = sum(place.length for place in places) > INLINE_LIMIT
    of_graph = {id(tensor) for tensor in proto.graph.initializer}
    held: dict[str, list[tuple[TensorProto, _Place]]] = {}
    for tensor, place in zip(tensors, places, strict=True):
        held.setdefault(place.location, []).append((tensor, place))
    for location, inside in sorted(held.items()):
        take(location.encode())
        parts, identity = location.split("/"), inside[0][1].identity
        with opened(folder, parts, identity, follow_links=follow_links) as content:
            for tensor, place in inside:
                if mapped and id(tensor) in of_graph and place.length >= SMALL and tensor.data_type in MAPPED:
                    _set_place(tensor, place)
                else:
                    _set_content(tensor, place, content)
            content.seek(0)
            while chunk := content.read(CHUNK):
                take(chunk)
    return {location: len(inside) for location, inside in sorted(held.items())}


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor's data stands in another file."""
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def weight_bytes(proto: onnx.ModelProto) -> int:
    """Return how many bytes a model takes, with those of its weights that stay in their files."""
    kept = (int(_noted(tensor)["length"]) for tensor in proto.graph.initializer if is_external(tensor))
    return int(proto.ByteSize()) + sum(kept)


def array_of(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """Return what a stored tensor holds; mapped from its file where it stands in one. Not to be written to.

    Raises:
        ModelError: the file is not the one that was checked when the model was loaded.
    """
    if not is_external(tensor):
        return numpy_helper.to_array(tensor)
    entries = _noted(tensor)
    with opened_again(Path(entries["location"]), Identity.parse(entries[IDENTITY])) as content:
        return np.memmap(  # read alone: it is no memory of this process, whose bound it does not count to
            content,
            MAPPED[tensor.data_type].newbyteorder("<"),
            mode="r",
            offset=int(entries["offset"]),
            shape=tuple(tensor.dims),
        )


def check_mapped(proto: onnx.ModelProto) -> None:
    """Make sure that the files whose weights are mapped are still those that were checked.

    Raises:
        ModelError: one is another file, or was written to.
    """
    noted = [_noted(tensor) for tensor in proto.graph.initializer if is_external(tensor)]
    for location, identity in sorted({(entries["location"], entries[IDENTITY]) for entries in noted}):
        with opened_again(Path(location), Identity.parse(identity)):
            pass


def _noted(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _place(tensor: onnx.TensorProto, folder: Path, *, follow_links: bool) -> _Place:
    """Return where a tensor's bytes stand, having made sure that they may be read."""
    entries = _noted(tensor)
    location = "/".join(part for part in entries.get("location", "").split("/") if part != ".")
    _check_location(location, folder)
    file = folder / location
    found = check_file(folder, location.split("/"), follow_links=follow_links)
    offset = _number(entries.get("offset", "0"), file)
    length = _number(entries.get("length", str(max(0, found.size - offset))), file)
    if offset + length > found.size:
        raise unreadable(file, f"it has {found.size} bytes; the model wants {length} from byte {offset} on")
    if tensor.data_type in MAPPED:
        wanted = MAPPED[tensor.data_type].itemsize
        for size in tensor.dims:
            wanted *= size
        if wanted != length:
            raise unreadable(file, f"tensor {tensor.name} takes {wanted} bytes, the model says {length}")
    return _Place(location, file, found, offset, length)


def _check_location(location: str, folder: Path) -> None:
    """Refuse places that are not inside the model's folder."""
    parts = location.split("/")
    longest = 4096
    outside = (
        not location
        or len(location) > longest
        or location.startswith("/")
        or "\\" in location
        or "\0" in location
        or ":" in parts[0]
        or any(part in ("", "..") for part in parts)
    )
    if outside:
        raise ModelError(
            "the model wants weights from outside its folder",
            where=f"{folder}, location {location[:200]!r}",
            why="only files inside the model's folder are read: anything else may be somebody's secret",
            remedy="put the weights beside the model, and name them without a path",
        )


def _number(text: str, file: Path) -> int:
    most_digits = 18
    if text.isdecimal() and len(text) <= most_digits:
        return int(text)
    raise unreadable(file, f"{text[:40]!r} is no place in a file")


def _set_place(tensor: onnx.TensorProto, place: _Place) -> None:
    """Note the file and place of a tensor, checked, so that it can be mapped."""
    del tensor.external_data[:]
    noted = {"location": place.file.resolve(), "offset": place.offset, "length": place.length, IDENTITY: place.identity}
    for key, value in noted.items():
        tensor.external_data.add(key=key, value=str(value))


def _set_content(tensor: onnx.TensorProto, place: _Place, content: BinaryIO) -> None:
    """Put a tensor's bytes into the model."""
    content.seek(place.offset)
    tensor.raw_data = content.read(place.length)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
