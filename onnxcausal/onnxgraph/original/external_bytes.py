"""The files of weights beside a model, read as bytes: to copy them, and to compare them."""

import hashlib
from collections.abc import Iterator

import onnx

from onnxcausal.onnxgraph.file.external import is_external, load_external
from onnxcausal.onnxgraph.file.weight_file import CHUNK, check_file, opened
from onnxcausal.onnxgraph.graph.tensors import stored_tensors
from onnxcausal.onnxgraph.original.original import Original


def locations_in(proto: onnx.ModelProto) -> set[str]:
    """Return the names of the files in which weights of a message stand, as `external` of a model spells them."""
    found = set()
    for tensor in stored_tensors(proto, indices=True):
        if is_external(tensor):
            named = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            found.add("/".join(part for part in named.split("/") if part != "."))
    return found


def model_sha256(content: bytes, proto: onnx.ModelProto, beside: Original, *, follow_links: bool = False) -> str:
    """Return the hash that a model has with these bytes, whose weights in other files are those beside a file.

    Args:
        content: the bytes of its file.
        proto: their message.
        beside: a file in the folder of the files of weights.
        follow_links: read these behind links too.

    Raises:
        ModelError: a file of weights cannot be read.
    """
    digest = hashlib.sha256(content)
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    load_external(whole, beside.path.parent, digest.update, follow_links=follow_links)
    return digest.hexdigest()


def read_beside(original: Original, location: str, *, follow_links: bool = False) -> Iterator[bytes]:
    """Yield the content of a file of weights.

    Args:
        original: the model file.
        location: one of the names in `external` of its model.
        follow_links: read it behind links too.

    Raises:
        ModelError: it is missing, a link, or changes meanwhile.
    """
    folder, parts = original.path.parent, location.split("/")
    identity = check_file(folder, parts, follow_links=follow_links)
    with opened(folder, parts, identity, follow_links=follow_links) as content:
        while chunk := content.read(CHUNK):
            yield chunk


def hash_beside(original: Original, location: str, *, follow_links: bool = False) -> str:
    """Return the SHA-256 of a file of weights.

    Raises:
        ModelError: as `read_beside` says.
    """
    digest = hashlib.sha256()
    for chunk in read_beside(original, location, follow_links=follow_links):
        digest.update(chunk)
    return digest.hexdigest()
