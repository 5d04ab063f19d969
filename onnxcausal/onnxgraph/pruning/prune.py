"""The pruned form: masks in the weights, and every channel that they make useless taken out of the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.external import is_external
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.original.edit import put_outside
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning.channels import NEVER, Reason, keep, told_of
from onnxcausal.onnxgraph.pruning.proof import first_flaw
from onnxcausal.onnxgraph.pruning.propagation import Reader, Spread, spread_channels
from onnxcausal.onnxgraph.pruning.rewrite import stored_by_name, without_channels
from onnxcausal.onnxgraph.pruning.solve import Solution, edges_left, removed_of, solve

Mask = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a layer lost.

    Attributes:
        layer: its name.
        parents: parents it no longer reads, as they were counted before.
        children: children it no longer makes.
        of_parents: how many parents it had.
        of_children: how many children.
    """

    layer: str
    parents: tuple[int, ...]
    children: tuple[int, ...]
    of_parents: int
    of_children: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Nodes that are masked in full and stay in the file, with weights of 0.

    Attributes:
        layer: the layer that no longer reads them.
        nodes: the nodes.
        reason: what needs them, or their place, all the same.
    """

    layer: str
    nodes: tuple[int, ...]
    reason: Reason


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A file with masks in its weights.

    Attributes:
        proto: its message.
        outside: tensors of it that were changed and stood in another file.
        added: name of what was added to the output of layers by an op of its own, by the layer's name.
    """

    proto: onnx.ModelProto
    outside: Sequence[TensorProto]
    added: dict[str, str]

    def positions(self) -> list[int]:
        """Return where the ops of the file that was folded stand now."""
        new = set(self.added.values())
        return [number for number, op in enumerate(self.proto.graph.node) if not new & set(op.input[1:])]


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """A file without the channels that masks make useless.

    Attributes:
        proto: its message.
        data: content of new files of weights beside it, by name.
        removed: what layers lost, in file order; those that lost nothing are absent.
        kept: nodes that are masked in full and stay.
    """

    proto: onnx.ModelProto
    data: Mapping[str, bytes]
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]


def prune_masks(original: Original, layers: Mapping[str, Layer], masks: Mapping[str, Mask], folded: Folded) -> Pruned:
    """Return a file with masks in its weights without the channels that nothing uses then.

    A channel goes where masks set to 0 all edges by which it is read, and so on upwards. Nothing else goes: neither
    channels that nothing used before, nor those that are constant since they no longer receive anything. A channel that
    nothing used, and that stood only for the shape of a tensor, may go where that tensor gets smaller.

    Args:
        original: the file.
        layers: its layers, by any names; those that are missing go by the names in the file.
        masks: masks of some of them, of the shape `mask_shape`.
        folded: the file with these masks in its weights.

    Raises:
        ModelError: nodes are masked in full, and none of them can go.
    """
    place = folded.positions()
    spread = spread_channels(with_weights(folded.proto, original))
    by_op = {place[layers[name].op]: mask for name, mask in masks.items()}
    names = {reader.layer.op: reader.layer.name for reader in spread.readers}
    names |= {place[layer.op]: name for name, layer in layers.items()}
    proto, beside, solution = _smallest(folded.proto, spread, by_op, original)
    kept = _kept(spread, solution, by_op, names)
    if kept and solution.alive.all():
        raise _nothing_goes(original, kept[0])
    outside = _outside(proto, original, beside | {tensor.name for tensor in folded.outside})
    return Pruned(proto, put_outside(outside), _removed(spread, solution, names), kept)


def _smallest(
    folded: onnx.ModelProto, spread: Spread, masks: Mapping[int, Mask], original: Original
) -> tuple[onnx.ModelProto, frozenset[str], Solution]:
    """Return the smallest file that is proven, new tensors in it for others in other files, and which channels stay.

    Args:
        folded: the file with masks in its weights.
        spread: where its channels stand; takes note of those that turn out to be needed.
        masks: masks of layers, by the position of their op.
        original: the file it was made from.
    """
    while True:
        solution = solve(spread, masks)
        if solution.alive.all():
            return folded, frozenset(), solution
        proto, beside = without_channels(folded, spread, solution.alive)
        flaw = first_flaw(spread, solution, with_weights(proto, original))
        if flaw is None:
            return proto, beside, solution
        keep(spread.ledger, *flaw)


def with_weights(
    proto: onnx.ModelProto, original: Original, data: Mapping[str, bytes] | None = None
) -> onnx.ModelProto:
    """Return a message made from a file with those weights that it only names.

    Args:
        proto: the message.
        original: the file it was made from.
        data: content of new files of weights, by name.
    """
    loaded = stored_by_name(original.model.proto)
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    for name, tensor in stored_by_name(whole).items():
        if not is_external(tensor):
            continue
        noted = {entry.key: entry.value for entry in tensor.external_data}
        if noted["location"] in (data or {}):
            start = int(noted["offset"])
            held = (data or {})[noted["location"]][start : start + int(noted["length"])]
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            tensor.raw_data = held
        else:
            tensor.CopyFrom(loaded[name])
    return whole


def _kept(spread: Spread, solution: Solution, masks: Mapping[int, Mask], names: Mapping[int, str]) -> tuple[Kept, ...]:
    """Return the nodes that are masked in full and stay, those of a layer with one reason together."""
    found: dict[tuple[str, Reason], list[int]] = {}
    for reader in spread.readers:
        mask = masks.get(reader.layer.op)
        if mask is None:
            continue
        masked = ~edges_left(reader.layer, mask, np.ones(reader.layer.children, np.bool_))
        for node in np.flatnonzero(masked & solution.alive[reader.parents]).tolist():
            reason = _reason(spread, solution, reader, int(reader.parents[node]))
            found.setdefault((names[reader.layer.op], reason), []).append(node)
    return tuple(Kept(layer, tuple(nodes), reason) for (layer, reason), nodes in found.items())


def _reason(spread: Spread, solution: Solution, reader: Reader, tag: int) -> Reason:
    """Return why a channel stays."""
    if tag != NEVER:
        return solution.why[tag]
    data = reader.layer.data
    maker = spread.index.producing(data)
    if data in spread.lost:
        return spread.lost[data]
    if maker is None:
        op = spread.index.ops[reader.layer.op]
        return told_of(op, f"it reads {data}, which is an input of the model")
    return told_of(maker, "no layer makes this channel")


def _removed(spread: Spread, solution: Solution, names: Mapping[int, str]) -> tuple[Removed, ...]:
    found = []
    for reader in spread.readers:
        parents, children = removed_of(reader, solution.alive)
        if len(parents) or len(children):
            name, sizes = names[reader.layer.op], (reader.layer.parents, reader.layer.children)
            found.append(Removed(name, tuple(parents.tolist()), tuple(children.tolist()), *sizes))
    return tuple(found)


def _outside(proto: onnx.ModelProto, original: Original, named: frozenset[str] | set[str]) -> list[TensorProto]:
    """Return the tensors that hold, in the message, what stood in another file or stands for it."""
    before = stored_by_name(original.proto)
    return [
        tensor
        for name, tensor in stored_by_name(proto).items()
        if not is_external(tensor) and (name in named or (name in before and is_external(before[name])))
    ]


def _nothing_goes(original: Original, kept: Kept) -> ModelError:
    nodes = ", ".join(map(str, kept.nodes[:8])) + (" ..." if len(kept.nodes) > 8 else "")  # noqa: PLR2004
    return ModelError(
        "no channel can be removed",
        where=f"{original.model.name}, op {kept.reason.op} ({kept.reason.op_type})",
        why=f"node(s) {nodes} of layer {kept.layer} are masked in full, but {kept.reason.why}",
        remedy="use --form folded, which leaves them in the file with weights of 0",
    )
