"""The layers of a network and how they are connected."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import onnx

from onnxcausal.errors import ModelError, NothingToAnalyseError
from onnxcausal.onnxgraph.file.model import damage_told
from onnxcausal.onnxgraph.flow.flow import Flow, find_flow
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.graph.costs import liveness_peak, multiply_adds
from onnxcausal.onnxgraph.graph.index import GraphIndex, bodies, captured, index_graph
from onnxcausal.onnxgraph.graph.op_traits import keeps_channels
from onnxcausal.onnxgraph.graph.trace import Rows, Trace
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.samples.source import Inputs

TREES = "TreeEnsemble"
"""How the types of ops that decide by trees begin."""


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Layers of a network and how they are connected.

    Attributes:
        flow: layers, nodes and links.
        trace: shapes of one run.
        passed_over: ops that hold weights and mix channels but are no layers, "type name" each: no intervention is
            made there.
        work: multiply-adds of the model on one sample.
        row_bytes: what its tensors take at most at once, for one sample.
    """

    flow: Flow
    trace: Trace
    passed_over: tuple[str, ...]
    work: int = 0
    row_bytes: int = 0


def find_wiring(network: Network, example: Inputs) -> Wiring:
    """Return the layers between input and class scores and the flow between them.

    Args:
        network: the network.
        example: one sample or more, on which shapes are seen.

    Raises:
        NothingToAnalyseError: there is no layer and no weight.
        ModelError: there are weights, but not in layers.
    """
    with damage_told(network.model.name):
        return _found_wiring(network, example)


def _found_wiring(network: Network, example: Inputs) -> Wiring:
    index = index_graph(network.proto, network.model.opset)
    tensors = [name for op in index.ops for name in op.output if name]
    trace = _trace(network, example, tensors)
    layers = find_layers(index, trace.shapes)
    passed_over = _passed_over(index, layers)
    if not layers and passed_over:
        kinds = sorted({name.split()[0] for name in passed_over})
        raise ModelError(
            "the model's weights stand in ops that are not supported",
            where=f"{network.model.name}: {', '.join(passed_over[:3])}" + (" ..." if len(passed_over) > 3 else ""),  # noqa: PLR2004
            why=f"interventions are made on Conv, ConvTranspose, Gemm and MatMul; this model has {', '.join(kinds)}",
            remedy="supply the model before quantisation or fusion, or its QDQ form",
        )
    trees = sorted({op.op_type for op in index.ops if op.op_type.startswith(TREES)})
    if not layers and trees:
        raise NothingToAnalyseError(
            "the model has no layer to intervene on",
            where=f"{network.model.name}, op {trees[0]}",
            why="it decides by trees: they have thresholds and leaves, no neurons and no weights between them",
            remedy="analyse a network; what each input does to any model is another question",
        )
    if not layers:
        counts = sorted({op.op_type for op in index.ops}) or ["none"]
        raise NothingToAnalyseError(
            "the model has no layer to intervene on",
            where=f"{network.model.name}, up to tensor {network.outcome.tensor}",
            why="none of its ops is a Conv, ConvTranspose, Gemm or MatMul with a constant weight; its ops: "
            + ", ".join(counts),
            remedy="supply a model whose weights stand in the file",
        )
    flow = find_flow(index, layers, network.spec.name, network.outcome.tensor, trace, statistics=network.statistics)
    every = range(len(index.ops))
    work = multiply_adds(index, every, trace)
    return Wiring(flow, trace, passed_over, work, liveness_peak(index, every, [network.spec.name], trace))


def _trace(network: Network, example: Inputs, tensors: Sequence[str]) -> Trace:
    """Return the shapes of all tensors in a run on the example."""
    runner = network.runner(_showing(network.proto, tensors))
    groups = runner.grouped(tensors, example[:1])
    if len(groups) == 1:
        trace = runner.trace(example, tensors)
    else:  # outputs of a session are all held until it ends, asked for or not
        traces = [network.runner(_showing(network.proto, group)).trace(example, group) for group in groups]
        trace = reduce(lambda one, other: one.with_those_of(other), traces)
    shape = (trace.batch, *example.shape[1:])
    return replace(
        trace,
        shapes={**trace.shapes, network.spec.name: shape},
        types={**trace.types, network.spec.name: runner.dtype},
        rows={**trace.rows, network.spec.name: Rows(0, 1)},
    )


def _showing(proto: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return a model whose outputs are some of its tensors."""
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    return shown


def _passed_over(index: GraphIndex, layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the ops with a stored matrix that are neither layers nor known to keep channels apart."""
    analysed = {layer.op for layer in layers}
    return tuple(
        f"{op.op_type} {op.name}".strip()
        for number, op in enumerate(index.ops)
        if number not in analysed
        and not all(name in index.leaves for name in op.output if name)  # those only prepare a weight
        and not keeps_channels(op)
        and any(len(tensor.dims) > 1 for tensor in _stored(index, op))
    )


def _stored(index: GraphIndex, op: onnx.NodeProto) -> list[onnx.TensorProto]:
    """Return the stored tensors an op uses, those of its bodies included."""
    names = {index.leaves[name] for name in (*op.input, *captured(op)) if name in index.leaves}
    tensors = [tensor for body in bodies(op) for tensor in body.initializer]
    for name in sorted(names):
        constant = index.producing(name)
        tensors.append(index.initializers[name] if constant is None else constant.attribute[0].t)
    return tensors
