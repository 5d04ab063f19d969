"""Every channel that layers make, followed through the whole graph of a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import numpy as np
import onnx

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.flow.shape_inference import Known, known_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured, index_graph
from onnxcausal.onnxgraph.pruning.channels import (
    NEVER,
    Alive,
    ChannelTable,
    Reason,
    Tags,
    couple,
    keep,
    new_channels,
    told_of,
    varying,
)
from onnxcausal.onnxgraph.pruning.rules import UNKNOWN, hand_on, meeting
from onnxcausal.onnxgraph.pruning.transfer import Follow, Handed, Making, OpInput, mixed_along
from onnxcausal.onnxgraph.pruning.weights import why_not_cut

BIAS = 2
"""Position of the bias of a layer's op."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A layer as its channels stand.

    Attributes:
        layer: the layer, as `find_layers` finds it in the file.
        parents: tag of each parent, `[parents]`.
        children: tag of each child, `[children]`.
    """

    layer: Layer
    parents: Tags
    children: Tags


@dataclass(frozen=True, slots=True, eq=False)
class OperandCut:
    """A stored operand that loses what channels lose; of a weight in groups, `reader` tells how."""

    op: int
    position: int
    follows: tuple[Follow, ...]
    reader: Reader | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Where the channels of a graph stand.

    Attributes:
        index: the graph.
        order: positions of its ops in an order in which each follows those it depends on.
        known: shapes of its tensors, for one sample, and what small ones hold.
        loose: tensors that follow from stored ones that may be fed.
        seeds: tags of the channels that an op makes, by its output.
        padded: the axis along which an op puts channels of its own beside others, by its output.
        ledger: the channels.
        tags: tags of tensors.
        readers: the layers, in file order.
        cuts: stored operands that follow.
        lost: why a tensor has no channels that could be removed.
    """

    index: GraphIndex
    order: list[int]
    known: Known
    loose: frozenset[str]
    seeds: dict[str, Tags]
    padded: dict[str, int]
    ledger: ChannelTable = field(default_factory=ChannelTable)
    tags: dict[str, Tags] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    cuts: list[OperandCut] = field(default_factory=list)
    lost: dict[str, Reason] = field(default_factory=dict)


def spread_channels(whole: onnx.ModelProto, before: Spread | None = None, alive: Alive | None = None) -> Spread:
    """Return where the channels of a graph stand.

    Args:
        whole: a file with all its weights.
        before: where channels stood in the file that this one was made from; default: they are new.
        alive: which of them stay.
    """
    index = index_graph(whole, opset_of(whole))
    order = _in_order(index)
    known = known_of(_sorted(whole, index, order))
    seeds: dict[str, Tags] = {}
    if before is not None and alive is not None:
        seeds = {name: tags[alive[tags]] for name, tags in before.seeds.items()}
    padded = {} if before is None else dict(before.padded)
    spread = Spread(index, order, known, _loose(index, whole, order), seeds, padded)
    layers = {layer.op: layer for layer in find_layers(index, spread.known.shapes)}
    local = {(function.domain, function.name) for function in whole.functions}
    for number in order:
        op, layer = index.ops[number], layers.get(number)
        if layer is not None:
            _through_layer(spread, layer)
        elif not all(name in index.leaves for name in op.output if name):
            _through(spread, number, is_local=(op.domain, op.op_type) in local)
    for value in whole.graph.output:
        maker = index.producing(value.name)
        if value.name in spread.tags and maker is not None:
            why = f"the model gives out what it makes, as {value.name}"
            keep(spread.ledger, spread.tags[value.name], told_of(maker, why))
    return spread


def _in_order(index: GraphIndex) -> list[int]:
    """Return the positions of the ops in an order in which each follows those it depends on; most files have it."""
    needs = {
        number: {index.producer[name] for name in (*op.input, *captured(op)) if name in index.producer}
        for number, op in enumerate(index.ops)
    }
    if all(maker < number for number, makers in needs.items() for maker in makers):
        return list(needs)
    return list(TopologicalSorter(needs).static_order())


def _sorted(whole: onnx.ModelProto, index: GraphIndex, order: list[int]) -> onnx.ModelProto:
    """Return a file with its ops in another order."""
    if order == sorted(order):
        return whole
    copy = onnx.ModelProto()
    copy.CopyFrom(whole)
    del copy.graph.node[:]
    copy.graph.node.extend(index.ops[number] for number in order)
    return copy


def _loose(index: GraphIndex, whole: onnx.ModelProto, order: list[int]) -> frozenset[str]:
    """Return the stored tensors that may be fed, and all that depends on them."""
    found = {value.name for value in whole.graph.input} if whole.ir_version > 3 else set[str]()  # noqa: PLR2004
    for number in order:
        if not found.isdisjoint(index.ops[number].input):
            found.update(name for name in index.ops[number].output if name)
    return frozenset(found)


def _given(spread: Spread, name: str) -> OpInput | None:
    if not name:
        return None
    cuttable = name in spread.index.leaves and not _uncut(spread, name)
    stored = spread.index.initializers.get(name)
    shape = spread.known.shapes.get(name) if stored is None else tuple(stored.dims)
    return OpInput(shape, spread.tags.get(name), cuttable, spread.known.value(spread.index, name))


def _uncut(spread: Spread, name: str) -> str:
    """Return why a fixed operand cannot lose channels; empty where it can.

    One that may be fed can where it is used as it is: then smaller values are to be fed.
    """
    if name in spread.loose and (name not in spread.index.initializers or len(spread.index.uses[name]) > 1):
        return "its operand is an input with a default, and something else uses it too"
    return why_not_cut(spread.index, name)


def _through(spread: Spread, number: int, *, is_local: bool) -> None:
    """Follow channels through an op that is no layer."""
    index, ledger = spread.index, spread.ledger
    op = index.ops[number]
    used = [name for name in (*op.input, *captured(op)) if name in spread.tags]
    if not used:
        first = next((name for name in op.input if name and name not in index.leaves), "")
        reason = spread.lost.get(first) or told_of(op, f"it works on {first or 'nothing'}, which no layer makes")
        spread.lost.update(dict.fromkeys(op.output, reason))
        return
    given = [_given(spread, name) for name in op.input]
    shapes = [spread.known.shapes.get(name) for name in op.output]
    handed: Handed | str = UNKNOWN
    if not is_local and not any(name in spread.tags for name in captured(op)):
        handed = hand_on(op, given, shapes, index.opset, _making(spread, op.output[0]))
    if isinstance(handed, str):
        reason = told_of(op, handed)
        for name in used:
            keep(ledger, spread.tags[name], reason)
        spread.lost.update(dict.fromkeys(op.output, reason))
        return
    for name in used if handed.stay else ():
        keep(ledger, spread.tags[name], told_of(op, handed.stay))
    for one, other in handed.coupled:
        couple(ledger, one, other, told_of(op, "it combines the channel with what cannot be removed"))
    spread.cuts.extend(OperandCut(number, position, follows) for position, follows in handed.cuts)
    for name, tags in zip(op.output, handed.outputs, strict=True):
        if name and tags is not None:
            _stand(spread, name, tags, told_of(op, "its result has this channel alone"))


def _stand(spread: Spread, name: str, tags: Tags, alone: Reason) -> None:
    """Note the tags of a tensor; a channel that is all of it must stay."""
    shape = spread.known.shapes.get(name)
    if shape is not None and not _fits(tags, shape):
        spread.lost[name] = alone  # only in a file that lacks channels it needs
        return
    spread.tags[name] = tags
    if not varying(tags):
        keep(spread.ledger, tags, alone)


def _fits(tags: Tags, shape: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape may have these tags."""
    return tags.ndim == len(shape) and all(size in (1, real) for size, real in zip(tags.shape, shape, strict=True))


def _seeds(spread: Spread, output: str, number: int) -> Tags:
    """Return the tags of channels that an op makes."""
    if output not in spread.seeds:
        spread.seeds[output] = new_channels(spread.ledger, number)
    return spread.seeds[output]


def _making(spread: Spread, output: str) -> Making:
    """Return how an op makes channels, and note along which axis."""

    def new(number: int, axis: int) -> Tags:
        spread.padded[output] = axis
        return _seeds(spread, output, number)

    return Making(new, spread.padded.get(output))


def _through_layer(spread: Spread, layer: Layer) -> None:
    """Start the channels that a layer makes, and tie its weight to them and to those it reads."""
    op = spread.index.ops[layer.op]
    children = _seeds(spread, layer.output, layer.children)
    parents, why = _parents(spread, layer)
    shape = spread.known.shapes.get(layer.output)
    uncut = _uncut(spread, op.input[layer.weight_input])
    if layer.child_axis is None or shape is None:
        keep(spread.ledger, children, told_of(op, "its output has no axis of channels that is known"))
        spread.lost[layer.output] = told_of(op, "its output has no axis of channels that is known")
    else:
        sizes = [1] * len(shape)
        sizes[layer.child_axis] = layer.children
        tags = _with_bias(spread, layer, children.reshape(sizes))
        _stand(spread, layer.output, tags, told_of(op, "it is the only channel of the layer"))
    if uncut:
        keep(spread.ledger, np.concatenate([parents, children]), told_of(op, uncut))
    if why:
        keep(spread.ledger, spread.tags.get(layer.data, parents), told_of(op, why))
    reader = Reader(layer, parents, children)
    spread.readers.append(reader)
    follows = [Follow(layer.weight_parent_axis % len(layer.weight_shape), parents, 0)]
    if layer.weight_child_axis is not None:
        follows.append(Follow(layer.weight_child_axis % len(layer.weight_shape), children, 0))
    spread.cuts.append(OperandCut(layer.op, layer.weight_input, tuple(follows), reader if layer.groups > 1 else None))


def _parents(spread: Spread, layer: Layer) -> tuple[Tags, str]:
    """Return the tag of each parent, and why they must stay where they must."""
    nothing = np.full(layer.parents, NEVER)
    tags = spread.tags.get(layer.data)
    if tags is None:
        return nothing, ""
    axis = layer.parent_axis % tags.ndim
    parents, coupled, mixes_all = mixed_along(tags, [other for other in varying(tags) if other != axis])
    if parents.size not in (1, layer.parents):
        return nothing, "it reads another number of channels"
    for one, other in coupled:
        couple(spread.ledger, one, other, told_of(spread.index.ops[layer.op], "it mixes the channels"))
    why = "it works along another axis than that of the channels" if mixes_all else ""
    return np.broadcast_to(parents.ravel(), nothing.shape), why


def _with_bias(spread: Spread, layer: Layer, tags: Tags) -> Tags:
    """Return the tags of a layer's output, which its bias follows."""
    op = spread.index.ops[layer.op]
    name = op.input[BIAS] if len(op.input) > BIAS else ""
    bias = _given(spread, name)
    if bias is None:
        return tags
    assert layer.child_axis is not None
    if layer.op_type != "Gemm":
        if bias.cuttable:
            spread.cuts.append(OperandCut(layer.op, BIAS, (Follow(0, tags, layer.child_axis % tags.ndim),)))
        else:
            keep(spread.ledger, tags, told_of(op, "its bias is not stored in the file"))
        return tags
    handed = meeting(op, [OpInput(tags.shape, tags, cuttable=False, value=None), bias])
    if isinstance(handed, str):
        keep(spread.ledger, tags, told_of(op, handed))
        return tags
    for one, other in handed.coupled:
        couple(spread.ledger, one, other, told_of(op, "it adds to the channel what cannot be removed"))
    spread.cuts.extend(OperandCut(layer.op, BIAS, follows) for _, follows in handed.cuts)
    assert handed.outputs[0] is not None
    return handed.outputs[0]


def tagged(spread: Spread) -> Sequence[Tags]:
    """Return the tags of all tensors, each array once."""
    return list({id(tags): tags for tags in spread.tags.values()}.values())
