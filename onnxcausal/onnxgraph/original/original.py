"""A model file that is to be rewritten: its message as it stands there, beside the model it loads as."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx

from onnxcausal.analysis.formats.refit_metadata import REFIT_KEY
from onnxcausal.analysis.formats.repair_metadata import KEY, OriginalRecord, RepairRecord, from_text
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model, load_message, read_message


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A model file.

    Attributes:
        path: the file.
        model: the model, with the weights of other files.
        proto: the message in the file, which only names weights in other files; never changed in place.
    """

    path: Path
    model: Model
    proto: onnx.ModelProto

    def record(self) -> OriginalRecord:
        """Return what tells the file from any other."""
        return OriginalRecord(file_sha256=self.model.file_sha256, message_sha256=message_sha256(self.proto))


def read_original(path: Path, model: Model) -> Original:
    """Return the file that a model was loaded from.

    Raises:
        ModelError: it changed since.
    """
    return Original(path, model, load_message(path, model))


def message_sha256(proto: onnx.ModelProto) -> str:
    """Return the hash of a message, however a file spells it."""
    return hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()


def record_of(original: Original) -> RepairRecord:
    """Return what a repaired file says of how it was made.

    Raises:
        ModelError: it says nothing, or what it says is damaged.
    """
    text = original.model.metadata.get(KEY)
    if sum(entry.key == KEY for entry in original.proto.metadata_props) > 1:
        raise ModelError(
            "the model has several records of a repair",
            where=f"{original.path}, metadata {KEY}",
            why="each says something of how it was made, and one alone could be true",
            remedy="apply the masks to the original anew; do not trust this file",
        )
    if text is None:
        raise ModelError(
            "the model is no repaired file",
            where=str(original.path),
            why="its weights were fitted to samples (compress --refit): it is more than the original and masks"
            if REFIT_KEY in original.model.metadata
            else f"its metadata has no {KEY}, in which onnxcausal apply writes how a file was made",
            remedy="name a file that onnxcausal apply wrote",
        )
    return from_text(text, str(original.path))


def repairs(path: Path, model_sha256: str) -> bool:
    """Whether a file says of itself that it is a repair of a model with this hash."""
    try:
        held = {entry.key: entry.value for entry in read_message(path).metadata_props}
        return KEY in held and from_text(held[KEY], path.name).masks.model.sha256 == model_sha256
    except ModelError:
        return False
