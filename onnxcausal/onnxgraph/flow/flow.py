"""How channels travel from a layer's children to the parents of the layers below (docs/method.md, "Targets")."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.graph import FlowKind
from onnxcausal.onnxgraph.flow.channel_rules import (
    MIXED,
    MOST_STRANDS,
    NONE,
    STATISTIC,
    Carried,
    Operand,
    Strand,
    hand_on,
)
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.flow.normalisation import Uses, dequantising_uses, normalising_uses, ranges
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured
from onnxcausal.onnxgraph.graph.op_traits import TOLD_BY_OPERANDS
from onnxcausal.onnxgraph.graph.trace import Trace

WITH_BLOCKS = frozenset(["Gemm", "MatMul"])
"""Layers whose nodes may be blocks of features."""
MOST_VALUES = 2**24
"""Values of an input up to this many are told apart; float32, in which they are followed, counts no further."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """Which children of a layer reach which parent features of another, or the outcome, without meeting a layer.

    What the ops let through, whatever the values: a gate on a channel of zeros counts. Such a parent is dead, so no
    child becomes a target by it.

    Attributes:
        consumer: name of the layer below; None for the outcome, whose features are the classes.
        features: parent feature of each pair.
        children: child of each pair.
        kind: how surely this is known; `untracked` has no pairs and stands for all of them.
    """

    consumer: str | None
    features: NDArray[np.int64]
    children: NDArray[np.int64]
    kind: FlowKind


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The target children `T(u)` of a layer.

    Attributes:
        children: their indices, ascending.
        kind: how surely they are known.
        to_outcome: those that flow into the outcome itself, ascending.
    """

    children: NDArray[np.int64]
    kind: FlowKind
    to_outcome: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The flow between all layers of a model.

    Attributes:
        layers: in topological order.
        links: links out of each layer, by name.
        nodes: parent features of each node of a layer, by name; one feature a node, but for a Gemm or MatMul that
            follows flattened maps, where a node is a channel's whole block.
    """

    layers: tuple[Layer, ...]
    links: Mapping[str, tuple[Link, ...]]
    nodes: Mapping[str, tuple[NDArray[np.int64], ...]]

    def targets(self, layer: Layer, necessary: Mapping[str, NDArray[np.int64]], classes: NDArray[np.int64]) -> Targets:
        """Return the children of a layer that flow into a necessary parent below, or into the outcome.

        Args:
            layer: the layer.
            necessary: necessary nodes of the layers below, by name; layers not assessed are absent.
            classes: class scores that enter the outcome.
        """
        nothing = np.empty(0, np.int64)
        chosen, to_outcome, kinds = [nothing], [nothing], {FlowKind.TRACKED}
        for link in self.links[layer.name]:
            wanted = self._features(link, necessary, classes)
            if not len(wanted):
                continue
            untracked = link.kind is FlowKind.UNTRACKED
            children = np.arange(layer.children) if untracked else link.children[np.isin(link.features, wanted)]
            chosen.append(children)
            if len(children):
                kinds.add(link.kind)
            if link.consumer is None:
                to_outcome.append(children)
        kind = next(kind for kind in (FlowKind.UNTRACKED, FlowKind.NORMALISED, FlowKind.TRACKED) if kind in kinds)
        return Targets(np.unique(np.concatenate(chosen)), kind, np.unique(np.concatenate(to_outcome)))

    def node_links(self, layer: Layer) -> Iterator[tuple[str, int, int]]:
        """Yield (layer below, child of `layer`, node of the layer below) for every tracked link between layers."""
        for link in self.links[layer.name]:
            if link.consumer is None:
                continue
            node_of = np.empty(sum(map(len, self.nodes[link.consumer])), np.int64)
            for node, features in enumerate(self.nodes[link.consumer]):
                node_of[features] = node
            pairs = np.stack([link.children, node_of[link.features]], axis=1)
            for child, node in np.unique(pairs, axis=0).tolist():
                yield link.consumer, child, node

    def _features(
        self, link: Link, necessary: Mapping[str, NDArray[np.int64]], classes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the features of the link's consumer that matter."""
        if link.consumer is None:
            return classes
        nodes = necessary.get(link.consumer, np.empty(0, np.int64))
        features = [self.nodes[link.consumer][node] for node in nodes]
        return np.concatenate(features) if features else np.empty(0, np.int64)


def find_flow(
    index: GraphIndex,
    layers: Sequence[Layer],
    data: str,
    outcome: str,
    trace: Trace,
    *,
    statistics: Mapping[str, str] | None = None,
) -> Flow:
    """Return the flow between the layers of a model and from them to the outcome.

    Args:
        index: the graph, in topological order.
        layers: its layers, in the same order.
        data: the input that takes the samples.
        outcome: tensor of the class scores; its classes stand along the one axis longer than the batch's.
        trace: shapes and small values of one run.
        statistics: tensors known to hold ranges of others, beside those that show, each with what it quantises.
    """
    by_op = {layer.op: layer for layer in layers}
    known = ranges(index.ops) | dict(statistics or {})
    uses = normalising_uses(index), dequantising_uses(index, known)
    ground = _Ground(index, by_op, by_op, outcome, trace, frozenset(known), *uses)
    links = {layer.name: tuple(_links(ground, layer.output, _children(layer, trace))) for layer in layers}
    dense = {number: layer for number, layer in ground.layers.items() if layer.op_type in WITH_BLOCKS}
    entering = tuple(_links(replace(ground, linked=dense), data, _values(trace.shapes[data])))
    nodes = {layer.name: _nodes(layer, {**links, "": entering}) for layer in layers}
    return Flow(tuple(layers), links, nodes)


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What flow runs over: a graph, its layers by position, those of them to link to, the outcome, one run's shapes.

    `statistics` are the ranges that dynamic quantisation finds, `normalising` where a mean or deviation stands,
    `dequantising` where a range is taken back.
    """

    index: GraphIndex
    layers: Mapping[int, Layer]
    linked: Mapping[int, Layer]
    outcome: str
    trace: Trace
    statistics: frozenset[str]
    normalising: Uses
    dequantising: Uses


def _links(ground: _Ground, source: str, origin: Carried) -> Iterator[Link]:
    """Carry what a tensor holds downwards, op by op, until it meets layers or the outcome."""
    index, outcome, trace = ground.index, ground.outcome, ground.trace
    carried: dict[str, Carried] = {source: origin}
    reached = {use.op for use in index.uses.get(source, ())}
    if source == outcome:
        yield _link_to_outcome(origin, trace.shapes[outcome])
    for number in range(index.producer.get(source, -1) + 1, len(index.ops)):
        if number not in reached:
            continue
        op = index.ops[number]
        layer = ground.layers.get(number)
        if number in ground.linked and layer is not None and layer.data in carried:
            yield _link_to_layer(layer, carried[layer.data])
        outputs = _outputs(ground, number, layer, carried)
        for tensor, handed in zip(op.output, outputs, strict=True):
            if not tensor or handed is None:
                continue
            carried[tensor] = STATISTIC if tensor in ground.statistics else handed
            reached |= {use.op for use in index.uses.get(tensor, ())}
            if tensor == outcome:
                yield _link_to_outcome(carried[tensor], trace.shapes[outcome])


def _children(layer: Layer, trace: Trace) -> Carried:
    """Return what a layer's output carries: child `c` stands all along index `c` of the children's axis."""
    shape = trace.shapes.get(layer.output)
    if shape is None:
        return MIXED
    strand = np.ones((1,) * len(shape), np.int64)
    if layer.child_axis is not None:
        sizes = [1] * len(shape)
        sizes[layer.child_axis] = layer.children
        strand = np.arange(1, layer.children + 1).reshape(sizes)
    return Carried((strand,))


def _values(shape: tuple[int, ...]) -> Carried:
    """Return what the model's input carries: every value of a sample is its own."""
    if np.prod(shape[1:]) >= MOST_VALUES:
        return MIXED
    return Carried((np.arange(1, int(np.prod(shape[1:])) + 1).reshape(1, *shape[1:]),))


def _outputs(
    ground: _Ground, number: int, layer: Layer | None, carried: Mapping[str, Carried]
) -> tuple[Carried | None, ...]:
    """Return what the outputs of one op carry."""
    index, trace = ground.index, ground.trace
    op = index.ops[number]
    if any(name in carried for name in captured(op)):
        return (MIXED,) * len(op.output)
    if layer is not None:
        # A layer ends the flow; a child that enters it by the bias goes on.
        beside = [name for position, name in enumerate(op.input) if position != 1 - layer.weight_input]
        return (MIXED if any(name in carried for name in beside) else None,) * len(op.output)
    parameters = op.op_type in TOLD_BY_OPERANDS
    operands = [_operand(index, name, carried, trace, parameters=parameters) if name else None for name in op.input]
    for position in ground.normalising.get(number, ()):
        operand = operands[position]
        if operand is not None and operand.carried is not None:
            operands[position] = replace(operand, carried=STATISTIC)
    for position in ground.dequantising.get(number, ()):
        operand = operands[position]
        if operand is not None:
            operands[position] = replace(operand, carried=None)
    shapes = [trace.shapes.get(name) for name in op.output]
    outputs = hand_on(op, operands, shapes, index.opset)
    return tuple(MIXED if handed is not None and len(handed.strands) > MOST_STRANDS else handed for handed in outputs)


def _operand(
    index: GraphIndex, name: str, carried: Mapping[str, Carried], trace: Trace, *, parameters: bool
) -> Operand:
    """Return what is known of one input of an op; its content only where the op takes parameters that way."""
    stored = index.initializers.get(name)
    shape = tuple(stored.dims) if stored is not None else trace.shapes.get(name)
    # A parameter that depends on the samples is another on the next one.
    value = trace.values.get(name) if parameters and name in index.steady else None
    if value is None and parameters and name not in carried:
        value = value_of(index, name)
    return Operand(shape, value, carried.get(name))


def _link_to_layer(layer: Layer, carried: Carried) -> Link:
    return _link(layer.name, carried, layer.parent_axis, layer.parents)


def _link_to_outcome(carried: Carried, shape: tuple[int, ...]) -> Link:
    axes = [axis for axis, size in enumerate(shape) if size > 1 and axis > 0]
    axis = axes[0] if axes else len(shape) - 1
    return _link(None, carried, axis, shape[axis])


def _link(consumer: str | None, carried: Carried, axis: int, size: int) -> Link:
    """Pair the features along one axis with the children that stand there."""
    nothing = np.empty(0, np.int64)
    if carried.mixed:
        return Link(consumer, nothing, nothing, FlowKind.UNTRACKED)
    pairs = [_pairs(strand, axis, size) for strand in carried.strands]
    features, children = np.unique(np.concatenate(pairs), axis=0).T
    return Link(consumer, features, children, FlowKind.NORMALISED if carried.normalised else FlowKind.TRACKED)


def _pairs(strand: Strand, axis: int, size: int) -> NDArray[np.int64]:
    """Return (feature, child) for each child that stands somewhere along a feature, `[pairs, 2]`."""
    rows = np.moveaxis(strand, axis, 0).reshape(strand.shape[axis], -1)
    rows = np.broadcast_to(rows, (size, rows.shape[1]))
    features, positions = np.nonzero(rows != NONE)
    return np.stack([features, rows[features, positions] - 1], axis=1)


def _nodes(layer: Layer, links: Mapping[str, tuple[Link, ...]]) -> tuple[NDArray[np.int64], ...]:
    """Return the features of each node: those that carry the same channel of the layers above are one node.

    `links` holds those out of the model's input too, so that a feature with a value of its own stays a node of its own.
    """
    single = tuple(np.array([feature]) for feature in range(layer.parents))
    if layer.op_type not in WITH_BLOCKS:
        return single
    signatures: list[set[tuple[str, int]]] = [set() for _ in range(layer.parents)]
    for source, out in links.items():
        for link in out:
            if link.consumer != layer.name:
                continue
            if link.kind is FlowKind.UNTRACKED or _several_children_a_feature(link):
                return single
            for feature, child in zip(link.features.tolist(), link.children.tolist(), strict=True):
                signatures[feature].add((source, child))
    blocks: dict[object, list[int]] = {}
    for feature, signature in enumerate(signatures):
        blocks.setdefault(frozenset(signature) or feature, []).append(feature)
    return tuple(np.array(block) for block in blocks.values())


def _several_children_a_feature(link: Link) -> bool:
    return len(np.unique(link.features)) < len(link.features)
