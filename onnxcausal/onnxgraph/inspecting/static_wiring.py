"""A model's layers and flow as far as they can be known: from the file alone, or from a run of one sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, NothingToAnalyseError, OnnxCausalError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.flow import Flow, find_flow
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.flow.shape_inference import OPEN_SIZES, known_of, open_shape, static_trace, without_shape
from onnxcausal.onnxgraph.graph.costs import liveness_peak, multiply_adds
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.graph.trace import Trace
from onnxcausal.onnxgraph.lowering.lower import lower
from onnxcausal.onnxgraph.network.decision import decide_by
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.feeds import NOT_JOINED, SampleShapes, open_inputs, sample_axes, with_one_input
from onnxcausal.onnxgraph.network.half_range import Beyond, HalfRange
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel, Network, open_network
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.sandbox.first_run import rehearse
from onnxcausal.samples.source import Inputs, InputSpec
from onnxcausal.samples.synthetic import probe_input

NEEDS_RUN = "shapes are known only from a run: --run"
NO_OUTCOME = "there is no outcome"
NO_LAYER = "there is no layer: none of the ops is a Conv, ConvTranspose, Gemm or MatMul with a constant weight"
KNOWN_ERRORS = (ModelError, ConfigError, NothingToAnalyseError)
"""Why a model cannot be opened, to be shown and not raised."""


@dataclass(frozen=True, slots=True, eq=False)
class Wired:
    """A model's layers, and the flow between them where it is known.

    Attributes:
        index: the part of the model that decides the outcome.
        inputs: its inputs.
        outcome: tensor of the class scores as layers flow into it; None where there is none.
        layers: its layers.
        flow: the flow between them; None where it is not known.
        trace: shapes; what is not known is absent.
        work: multiply-adds of the model on one sample; None where shapes are not known.
        row_bytes: what its tensors take at most at once, for one sample.
        task: what the scores decide, where that is known.
        reason: why the flow is not known; empty where it is.
        ran: whether a run showed it.
        beyond_half: float16 tensors that a run showed to leave the range of their type.
    """

    index: GraphIndex
    inputs: tuple[str, ...]
    outcome: str | None
    layers: tuple[Layer, ...]
    flow: Flow | None = None
    trace: Trace | None = None
    work: int | None = None
    row_bytes: int = 0
    task: Task | None = None
    reason: str = ""
    ran: bool = False
    beyond_half: tuple[Beyond, ...] = ()


def flattened(model: Model) -> onnx.ModelProto:
    """Return a whole model without local functions, its layers in standard ops, as it is cut.

    Raises:
        ModelError: its functions cannot be inlined.
    """
    return lower(inlined(model.proto)).proto


def wire_nothing(model: Model) -> Wired:
    """Return the layers of a model that has no outcome.

    Raises:
        ModelError: the graph cannot be taken apart.
    """
    flat = flattened(model)
    proto = cut_at(flat, [value.name for value in flat.graph.output])
    return _unknown(proto, model.opset, None, NO_OUTCOME)


def wire_statically(cut: CutModel, reading: Reading) -> Wired:
    """Return layers and flow as they follow from the file alone.

    Args:
        cut: the model, cut at its class scores.
        reading: how its inputs are given, and its scores read.
    """
    outcome = cut.outcome.tensor
    try:
        proto, spec = with_one_input(cut.proto, cut.model.name, reading, _joined(cut, reading))
        proto, outcome, trace, task = _decided(cut, proto, spec, reading)
    except KNOWN_ERRORS as error:
        return _unknown(cut.proto, cut.model.opset, cut.outcome.tensor, told(error))
    missing = without_shape(proto, trace)
    if missing:
        unknown = _unknown(proto, cut.model.opset, outcome, f"{NEEDS_RUN} (tensor {missing[0]})")
        return replace(unknown, trace=trace, task=task)
    index = index_graph(proto, cut.model.opset)
    try:
        layers = find_layers(index, trace.shapes)
        _check_groups(layers)
        flow = find_flow(index, layers, spec.name, outcome, trace)
    except ModelError as error:
        return replace(_unknown(proto, cut.model.opset, outcome, told(error)), trace=trace, task=task)
    if not layers:
        return replace(_unknown(proto, cut.model.opset, outcome, NO_LAYER), trace=trace, task=task)
    every = range(len(index.ops))
    return Wired(
        index=index,
        inputs=(spec.name,),
        outcome=outcome,
        layers=layers,
        flow=flow,
        trace=trace,
        work=multiply_adds(index, every, trace),
        row_bytes=liveness_peak(index, every, [spec.name], trace),
        task=task,
    )


def wire_by_run(cut: CutModel, reading: Reading, limits: Limits | None = None) -> Wired:
    """Return layers and flow as a run of one probe sample shows them.

    Args:
        cut: the model, cut at its class scores.
        reading: how its inputs are given, and its scores read.
        limits: what a run may take; None for a file that is trusted.
    """
    try:
        network = open_network(cut, reading, joined=_joined(cut, reading), limits=limits)
        example, wiring = _wired_by_example(network)
        halves = HalfRange(network, wiring.trace)
        halves.see(example)
    except KNOWN_ERRORS as error:
        return _unknown(cut.proto, cut.model.opset, cut.outcome.tensor, told(error))
    return Wired(
        index=index_graph(network.proto, cut.model.opset),
        inputs=(network.spec.name,),
        outcome=network.outcome.tensor,
        layers=wiring.flow.layers,
        flow=wiring.flow,
        trace=wiring.trace,
        work=wiring.work,
        row_bytes=wiring.row_bytes,
        task=network.task,
        ran=True,
        beyond_half=halves.found,
    )


def told(error: OnnxCausalError) -> str:
    """Return what happened and why, in one line."""
    return f"{error.what}: {error.why}"


def _joined(cut: CutModel, reading: Reading) -> SampleShapes:
    """Return the shapes of all open inputs, where there are several and they are known: they stand side by side."""
    specs = open_inputs(cut.proto, reading)
    axes = sample_axes(cut.proto, reading)
    shapes = {
        spec.name: tuple(size for axis, size in enumerate(spec.shape) if axis != axes[spec.name]) for spec in specs
    }
    if len(specs) < 2 or any(not spec.shape or None in shapes[spec.name] for spec in specs):  # noqa: PLR2004
        return NOT_JOINED
    return {name: tuple(size or 1 for size in shape) for name, shape in shapes.items()}


def _unknown(proto: onnx.ModelProto, opset: int, outcome: str | None, reason: str) -> Wired:
    """Return the layers of a part whose flow is not known; none where they cannot be found without a run."""
    index = index_graph(proto, opset)
    inputs = tuple(value.name for value in proto.graph.input)
    try:
        return Wired(index, inputs, outcome, find_layers(index), reason=reason)
    except ModelError as error:
        return Wired(index, inputs, outcome, (), reason=told(error))


def _check_groups(layers: Sequence[Layer]) -> None:
    """Refuse groups into which parents and children cannot fall.

    Raises:
        ModelError: there are such groups.
    """
    for layer in layers:
        if layer.groups < 1 or layer.parents % layer.groups or layer.children % layer.groups:
            raise ModelError(
                "a layer's groups do not fit",
                where=f"layer {layer.name}",
                why=f"{layer.parents} parents and {layer.children} children do not fall into {layer.groups} groups",
                remedy="export the model again; this file cannot run anywhere",
            )


def _decided(
    cut: CutModel, proto: onnx.ModelProto, spec: InputSpec, reading: Reading
) -> tuple[onnx.ModelProto, str, Trace, Task | None]:
    """Return the model with one score per class as an analysis makes it, its outcome, its shapes and its task."""
    trace = static_trace(proto, spec)
    sizes = open_shape(trace, cut.outcome.tensor, spec)
    if sizes is None:
        return proto, cut.outcome.tensor, trace, reading.task
    if not sizes:
        raise ModelError(
            "the model's output does not have one row per sample",
            where=f"{cut.model.name}, tensor {cut.outcome.tensor}",
            why="it is a single number, however many samples there are",
            remedy="export the model so that the first axis of its input and output is the batch",
        )
    decision = decide_by(
        proto, sizes, name=cut.model.name, spec=spec, outcome=cut.outcome, reading=reading, detector=cut.detector
    )
    if decision.proto is not proto:
        trace = static_trace(decision.proto, spec)
    return decision.proto, decision.tensor, trace, decision.task


def _wired_by_example(network: Network) -> tuple[Inputs, Wiring]:
    """Return one sample, and the wiring that it shows: of the first length that the model takes.

    Raises:
        ModelError: it takes none of those tried.
    """
    is_open = None in network.spec.shape[1:]
    first = known_of(network.proto).open_size if is_open else OPEN_SIZES[0]
    sizes = [size for size in OPEN_SIZES if size <= first] if is_open else [first]
    for size in sizes:
        example = _example(network.spec, size)
        try:
            rehearse(network, example)
            return example, find_wiring(network, example)
        except ModelError:
            if size == sizes[-1]:
                raise
    raise AssertionError(sizes)


def _example(spec: InputSpec, open_size: int) -> Inputs:
    """Return one sample that shows shapes: zeros where the input takes whole numbers, else a probe."""
    shape = tuple(open_size if size is None else size for size in spec.shape[1:])
    if spec.is_integer:
        return np.zeros((1, *shape), np.float32)
    return probe_input(shape, 0, 0)[None]
