"""Weights that stand in files beside the model: only plain files inside its folder are read.

Where they are few they are put into the model. Where they are many they stay in their files, which are mapped into
memory when they are needed, by whoever needs them.
"""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.stored import stored_tensors

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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor's bytes stand."""

    location: str
    file: Path
    offset: int
    length: int


def load_external(proto: onnx.ModelProto, folder: Path, *, follow_links: bool) -> dict[str, int]:
    """Give a model the weights that stand in other files, in place; return how many tensors stand in each file.

    Args:
        proto: the model.
        folder: the model's folder.
        follow_links: read files behind symbolic and hard links too.

    Raises:
        ModelError: a file is missing, outside the folder, a link or device, or too short.
    """
    tensors = [tensor for tensor in stored_tensors(proto, indices=True) if is_external(tensor)]
    places = [_place(tensor, folder, follow_links=follow_links) for tensor in tensors]
    mapped = sum(place.length for place in places) > INLINE_LIMIT
    of_graph = {id(tensor) for tensor in proto.graph.initializer}
    for tensor, place in zip(tensors, places, strict=True):
        if mapped and id(tensor) in of_graph and place.length >= SMALL and tensor.data_type in MAPPED:
            _set_place(tensor, place)
        else:
            with place.file.open("rb") as file:
                file.seek(place.offset)
                tensor.raw_data = file.read(place.length)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    return dict(sorted(Counter(place.location for place in places).items()))


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor's data stands in another file."""
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def array_of(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """Return what a stored tensor holds; mapped from its file where it stands in one. Not to be written to."""
    if not is_external(tensor):
        return numpy_helper.to_array(tensor)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    return np.memmap(  # changes, which nobody makes, would stay in memory
        entries["location"],
        MAPPED[tensor.data_type].newbyteorder("<"),
        mode="c",
        offset=int(entries["offset"]),
        shape=tuple(tensor.dims),
    )


def _place(tensor: onnx.TensorProto, folder: Path, *, follow_links: bool) -> _Place:
    """Return where a tensor's bytes stand, having made sure that they may be read."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = "/".join(part for part in entries.get("location", "").split("/") if part != ".")
    _check_location(location, folder)
    file = folder / location
    found = _check_file(file, folder, location.split("/"), follow_links=follow_links)
    offset = _number(entries.get("offset", "0"), file)
    length = _number(entries.get("length", str(max(0, found.st_size - offset))), file)
    if offset + length > found.st_size:
        raise unreadable(file, f"it has {found.st_size} bytes; the model wants {length} from byte {offset} on")
    if tensor.data_type in MAPPED:
        wanted = MAPPED[tensor.data_type].itemsize
        for size in tensor.dims:
            wanted *= size
        if wanted != length:
            raise unreadable(file, f"tensor {tensor.name} takes {wanted} bytes, the model says {length}")
    return _Place(location, file, offset, length)


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


def _check_file(file: Path, folder: Path, parts: Sequence[str], *, follow_links: bool) -> os.stat_result:
    """Return the file's state, having refused what is no plain file of its own."""
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
    return found


def _number(text: str, file: Path) -> int:
    most_digits = 18
    if text.isdecimal() and len(text) <= most_digits:
        return int(text)
    raise unreadable(file, f"{text[:40]!r} is no place in a file")


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


def _set_place(tensor: onnx.TensorProto, place: _Place) -> None:
    """Note the file and place of a tensor, checked, so that it can be mapped."""
    del tensor.external_data[:]
    noted = (("location", str(place.file.resolve())), ("offset", place.offset), ("length", place.length))
    for key, value in noted:
        tensor.external_data.add(key=key, value=str(value))
