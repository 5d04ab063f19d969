"""A model file whose ops carry what an analysis found, where viewers like Netron show it.

They do in a copy of the file, whose ops' metadata are the only thing that differs: weights, in the file or beside it,
stay as they are. Or Netron lays a file of entries over the model itself, which finds ops by their names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import read_message
from onnxcausal.onnxgraph.original.layers import ops_in_file
from onnxcausal.onnxgraph.original.original import Original

KEY = "onnxcausal.analysed"
"""Metadata of the model: the hash of the model that the copy is of."""


def with_entries(
    original: Original,
    entries: Mapping[str, Mapping[str, str]],
    *,
    output: str | None = None,
    task: Task | None = None,
) -> tuple[onnx.ModelProto, list[str]]:
    """Return the message of a model file with entries in the metadata of its ops, and the layers it has no op for.

    Args:
        original: the model file.
        entries: keys and values by the layer's name, as the analysis names it.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(original.proto)
    places = ops_in_file(original.model, entries, output=output, task=task)
    for name, position in places.items():
        op = proto.graph.node[position]
        for key, value in entries[name].items():
            _set(op.metadata_props, key, value)
    _set(proto.metadata_props, KEY, original.model.sha256)
    return proto, [name for name in entries if name not in places]


def by_op(
    original: Original,
    entries: Mapping[str, Mapping[str, str]],
    *,
    output: str | None = None,
    task: Task | None = None,
) -> tuple[dict[str, Mapping[str, str]], list[str]]:
    """Return entries by the name of the op in the file, and the layers whose op has no name of its own.

    Args:
        original: the model file.
        entries: keys and values by the layer's name, as the analysis names it.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.
    """
    places = ops_in_file(original.model, entries, output=output, task=task)
    ops = original.proto.graph.node
    names = [op.name.split("\n", 1)[0] for op in ops]  # as much of a name as Netron looks at
    named = Counter(names)
    found = {name: names[position] for name, position in places.items()}
    alone = {name: op for name, op in found.items() if op and named[op] == 1}
    return {op: entries[name] for name, op in alone.items()}, [name for name in entries if name not in alone]


def is_copy_of(path: Path, model_sha256: str) -> bool:
    """Whether a file says of itself that it is such a copy of a model with this hash."""
    try:
        return any(entry.key == KEY and entry.value == model_sha256 for entry in read_message(path).metadata_props)
    except ModelError:
        return False


def _set(props: Iterable[onnx.StringStringEntryProto], key: str, value: str) -> None:
    """Set an entry, in place of one with the same key."""
    for entry in props:
        if entry.key == key:
            entry.value = value
            return
    props.add(key=key, value=value)  # type: ignore[attr-defined]  # a repeated field of protobuf
