"""A pruned file with the weights of some layers fitted anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from onnxcausal.analysis.formats.masks import MasksFile
from onnxcausal.analysis.formats.refit_metadata import REFIT_KEY, RefitRecord, RefittedRecord, model_of_text, to_text
from onnxcausal.analysis.formats.repair_metadata import KEY
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.external import is_external
from onnxcausal.onnxgraph.file.model import opset_of, read_message
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.original.edit import put_outside, store
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import stored_by_name, with_weights
from onnxcausal.onnxgraph.refitting.refit import Refitted, Unfit


@dataclass(frozen=True, slots=True, eq=False)
class RefittedFile:
    """A file that is pruned and re-fitted.

    Attributes:
        proto: its message.
        data: content of new files of weights beside it, by name.
    """

    proto: onnx.ModelProto
    data: Mapping[str, bytes]


def not_in_file(repaired: Repaired, layer: Refitted) -> Unfit | None:
    """Return why a layer's weights cannot be put into a file; None where they can."""
    held = stored_by_name(repaired.proto)
    if not all(name in held and tuple(held[name].dims) == value.shape for name, value in layer.values.items()):
        return Unfit(layer.name, "its weight does not stand in the file as it is analysed")
    index = index_graph(repaired.proto, opset_of(repaired.proto))
    shown = {value.name for value in repaired.proto.graph.output}
    if any(name in shown or len(index.uses.get(name, ())) != 1 for name in layer.values):
        return Unfit(layer.name, "something else in the file uses its weight too")
    return None


def with_refitted(
    repaired: Repaired, original: Original, layers: Sequence[Refitted], masks: MasksFile, settings: Mapping[str, Any]
) -> RefittedFile:
    """Return a pruned file with fitted weights, which says so in its metadata in place of being masks alone.

    Args:
        repaired: the pruned file.
        original: the file it was made from.
        layers: the layers that were fitted.
        masks: what was removed.
        settings: how that was chosen and fitted.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(repaired.proto)
    outside = _back(proto, with_weights(repaired.proto, original, repaired.data), repaired.data)
    held = stored_by_name(proto)
    for layer in layers:
        for name, value in layer.values.items():
            moved: list[TensorProto] = []
            store(held[name], value, moved)
            outside |= {name: held[name]} if moved else {}
    record = RefitRecord(
        onnxcausal=repaired.record.onnxcausal,
        original=repaired.record.original,
        masks=masks,
        refitted=[RefittedRecord(layer=one.name, tensors=sorted(one.values), ridge=one.ridge) for one in layers],
        settings=dict(settings),
    )
    for entry in proto.metadata_props:
        if entry.key == KEY:
            entry.key, entry.value = REFIT_KEY, to_text(record)
    return RefittedFile(proto, put_outside(list(outside.values())))


def refits(path: Path, model_sha256: str) -> bool:
    """Whether a file says of itself that it was pruned and re-fitted from a model with this hash."""
    try:
        held = {entry.key: entry.value for entry in read_message(path).metadata_props}
    except ModelError:
        return False
    return model_of_text(held.get(REFIT_KEY, "")) == model_sha256


def _back(proto: onnx.ModelProto, whole: onnx.ModelProto, data: Mapping[str, bytes]) -> dict[str, TensorProto]:
    """Take the tensors of new files of weights back into a message; return them by name."""
    loaded, taken = stored_by_name(whole), dict[str, TensorProto]()
    for name, tensor in stored_by_name(proto).items():
        if is_external(tensor) and any(
            entry.key == "location" and entry.value in data for entry in tensor.external_data
        ):
            tensor.CopyFrom(loaded[name])
            taken[name] = tensor
    return taken
