"""Where a layer begins and ends among the ops of its own file: from float numbers to float numbers.

A quantised layer reads float numbers that it rounds, and makes whole numbers that stand for floats. Its span begins
before its input is rounded, where what is there is what the other file's layer reads, and ends behind what belongs to
it alone: bias, batch normalisation, activation, rounding. So the spans of a layer in two files take and give the same
numbers but for what the files compute differently, whichever of those ops either has fused or folded into the layer.
What follows an activation is no part of the layer; where one file has fused the activation, the other file tells where
it was.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import onnx
from onnx import numpy_helper

from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.network.network import Network

AFFINE = frozenset(["BatchNormalization", "Add", "Sub", "Mul", "Div"])
"""Ops that a layer's weights and bias, or its scales, may take up: they belong to it where they add fixed tensors."""
SILENT = frozenset(["Cast", "Identity"])
"""Ops that leave numbers as they are, or round them."""
ACTIVATIONS = frozenset(["Relu", "Clip"])
"""Activations that rounding to a range may take up."""
WITH_SCALES = frozenset(["QLinearConv", "QLinearMatMul", "QGemm"])
"""Ops on whole numbers whose inputs are a tensor, its scale and its zero point."""
ON_INTEGERS = frozenset(["ConvInteger", "MatMulInteger", "MatMulIntegerToFloat"])
"""Ops on whole numbers whose scales other ops hold."""
OUTPUT_SCALE = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7}
"""Where the scale of the output stands among the inputs; its zero point is the next."""
ROUNDING = frozenset(["DynamicQuantizeLinear", "QuantizeLinear"])
"""Ops that make whole numbers of floats."""
PARTS = 3
"""Inputs that an operand of an op with scales takes: itself, scale, zero point."""


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor read as float numbers, or given them.

    Attributes:
        tensor: its name.
        scale: tensor of the scale of whole numbers; empty where it holds floats.
        zero: tensor of their zero point; empty for 0.
        domain: of the ops that quantise and dequantise.
    """

    tensor: str
    scale: str = ""
    zero: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A layer among the ops of its file.

    Attributes:
        entry: what it reads.
        exit: what it makes.
        rectified: rounding does the work of a ReLU that the other file has: it makes no negative numbers.
    """

    entry: Port
    exit: Port
    rectified: bool = False


@dataclass(frozen=True, slots=True)
class _Chain:
    """A layer and the ops behind it that belong to it, or may.

    Attributes:
        entry: what the layer reads, rounded where that is rounded.
        unrounded: the same before it is rounded.
        source: type of the op that makes that; empty for an input of the model.
        ops: types of those ops, in order, but for those that round.
        ports: what the layer makes, and each of them, rounded where that is rounded.
    """

    entry: Port
    unrounded: Port
    source: str
    ops: tuple[str, ...]
    ports: tuple[Port, ...]

    @property
    def own(self) -> int:
        """How many of the ops may be the layer's own: none after the activation."""
        found = [place for place, op in enumerate(self.ops) if op in AFFINE and ACTIVATIONS & set(self.ops[:place])]
        return min(found, default=len(self.ops))


def spans_of(network: Network, layer: Layer, other: Network, others: Layer) -> tuple[Span, Span] | str:
    """Return where a layer begins and ends in two files of a model, or why that cannot be told."""
    here, there = _chain(network, layer), _chain(other, others)
    if isinstance(here, str):
        return here
    if isinstance(there, str):
        return there
    pairs = _pairs(here.ops, there.ops)
    beyond = [(i, j) for i, j in pairs if i >= here.own or j >= there.own]
    ends = min(beyond, default=(len(here.ops), len(there.ops)))
    alone = [
        {place for place, op in enumerate(chain.ops[:end]) if op in ACTIVATIONS} - {pair[side] for pair in pairs}
        for side, (chain, end) in enumerate(zip((here, there), ends, strict=True))
    ]
    if all(alone):
        return f"{', '.join(here.ops)} belong to it in one file, {', '.join(there.ops)} in the other"
    # Where rounding does the work of an activation, what is there before it is not what the other file's layer reads.
    same = here.source == there.source
    first, second = (
        Span(
            chain.unrounded if same else chain.entry,
            chain.ports[ends[side]],
            rectified=any(chains.ops[place] == "Relu" for place in alone[1 - side]),
        )
        for side, (chain, chains) in enumerate(((here, there), (there, here)))
    )
    return first, second


def _pairs(here: Sequence[str], there: Sequence[str]) -> list[tuple[int, int]]:
    """Return which ops behind a layer are the same in two files, told from the end: what is nearer may be fused."""
    i, j = len(here), len(there)
    found = []
    while i and j:
        if here[i - 1] == there[j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif i > j:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _chain(network: Network, layer: Layer) -> _Chain | str:
    """Return what belongs to a layer in its file, or why that cannot be told."""
    lowered = index_graph(network.proto, network.model.opset)
    original = index_graph(inlined(network.model.proto), network.model.opset)
    op = _in_file(lowered.ops[layer.op], layer, original)
    if op is None:
        return "several ops of the file have its name"
    entry = _entry(op, layer, original)
    if entry is None:
        return "what its input stands for cannot be told"
    maker = original.producing(entry.tensor)
    rounds = entry.scale and maker is not None and maker.op_type == "QuantizeLinear"
    unrounded = Port(maker.input[0]) if rounds and maker is not None else entry
    source = original.producing(unrounded.tensor)
    if any(p.tensor not in lowered.producer and p.tensor != network.spec.name for p in (entry, unrounded)):
        return "its input is joined from several"
    ops, ports = _behind(lowered, _made(op), network.outcome.tensor, _scales(lowered, original, entry))
    return _Chain(entry, unrounded, source.op_type if source is not None else "", ops, ports)


def _in_file(op: onnx.NodeProto, layer: Layer, original: GraphIndex) -> onnx.NodeProto | None:
    """Return the op of the file that a layer is, or was made of."""
    same = original.producing(layer.output)
    if same is not None and same.op_type == op.op_type and same.name == op.name:
        return same
    found = [held for held in original.ops if (held.name or f"{held.op_type}/{held.output[0]}") == op.name]
    return found[0] if len(found) == 1 else None


def _entry(op: onnx.NodeProto, layer: Layer, original: GraphIndex) -> Port | None:
    """Return the tensor that a layer reads, whole numbers where it has been rounded to a fixed range."""
    data = 1 - layer.weight_input
    if op.op_type in WITH_SCALES:
        first = PARTS * data
        return _port(op.input[first : first + PARTS])
    maker = original.producing(op.input[data])
    if op.op_type in ON_INTEGERS:
        return None if maker is None or maker.op_type not in ROUNDING else Port(maker.input[0])
    if maker is not None and maker.op_type == "DequantizeLinear":
        return _port(maker.input, maker.domain)
    return Port(op.input[data])


def _made(op: onnx.NodeProto) -> Port:
    """Return what a layer's op makes."""
    scale = OUTPUT_SCALE.get(op.op_type)
    if scale is None or scale >= len(op.input):
        return Port(op.output[0])
    return _port([op.output[0], *op.input[scale : scale + 2]])


def _port(parts: Sequence[str], domain: str = "") -> Port:
    """Return whole numbers with their scale and, where it is given, zero point."""
    tensor, scale, zero = [*parts, ""][:PARTS]
    return Port(tensor, scale, zero, domain)


def _scales(lowered: GraphIndex, original: GraphIndex, entry: Port) -> AbstractSet[str]:
    """Return the tensors that are fixed, or follow from the range that an entry is quantised by."""
    known = set(lowered.leaves)
    for op in original.ops:
        if op.op_type == "DynamicQuantizeLinear" and op.input[0] == entry.tensor:
            known.update(op.output[1:])
    for op in lowered.ops:
        names = [name for name in op.input if name]
        if names and op.op_type in AFFINE | SILENT and known.issuperset(names):
            known.update(op.output)
    return known


def _behind(
    index: GraphIndex, port: Port, outcome: str, known: AbstractSet[str]
) -> tuple[tuple[str, ...], tuple[Port, ...]]:
    """Follow what a layer makes through the ops that may belong to it alone."""
    ops: list[str] = []
    ports = [port]
    while port.tensor != outcome:
        uses = index.uses.get(port.tensor, ())
        if len(uses) != 1 or uses[0].position is None:
            break
        op = index.ops[uses[0].op]
        beside = [name for place, name in enumerate(op.input) if name and place != uses[0].position]
        if not known >= set(beside):
            break
        if op.op_type == "DequantizeLinear":
            port = ports[-1] = Port(op.output[0])
        elif port.scale and op.op_type == "Relu" and _is_zero(index, port.zero):
            port = replace(port, tensor=op.output[0])
            ops.append(op.op_type)
            ports.append(port)
        elif port.scale:
            break
        elif op.op_type == "QuantizeLinear":
            port = ports[-1] = _port([op.output[0], *beside], op.domain)
        elif op.op_type in SILENT:
            port = ports[-1] = Port(op.output[0])
        elif op.op_type in AFFINE | ACTIVATIONS:
            port = Port(op.output[0])
            ops.append(op.op_type)
            ports.append(port)
        else:
            break
    return tuple(ops), tuple(ports)


def _is_zero(index: GraphIndex, zero: str) -> bool:
    """Whether a zero point is stored and 0: a ReLU on whole numbers is then one on what they stand for."""
    stored = index.initializers.get(zero)
    return not zero or (stored is not None and not numpy_helper.to_array(stored).any())
