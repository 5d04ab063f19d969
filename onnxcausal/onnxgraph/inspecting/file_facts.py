"""What is in a model file: what it says of itself, its inputs and outputs, its ops."""

from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import onnx

from onnxcausal.analysis.result.inspection import (
    ExternalFile,
    FileFacts,
    InputFacts,
    InputUse,
    OutcomeFacts,
    OutputFacts,
    StatedShape,
)
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured, index_graph
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.graph.op_traits import OWN_DOMAINS
from onnxcausal.onnxgraph.graph.tensors import count_parameters, every_op, text_of, type_name
from onnxcausal.onnxgraph.inspecting.static_wiring import Wired, flattened
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel


def file_facts(model: Model, path: Path) -> FileFacts:
    """Return what a file says of itself.

    Args:
        model: the model in it.
        path: the file.
    """
    proto = model.proto
    parameters = count_parameters(proto)
    return FileFacts(
        name=model.name,
        sha256=model.sha256,
        size=path.stat().st_size,
        ir_version=proto.ir_version,
        opsets={entry.domain: entry.version for entry in proto.opset_import},
        producer=text_of(proto.producer_name),
        producer_version=text_of(proto.producer_version),
        model_version=proto.model_version,
        domain=text_of(proto.domain),
        graph=text_of(proto.graph.name),
        doc=text_of(proto.doc_string),
        metadata={text_of(key): text_of(value) for key, value in model.metadata.items()},
        functions=len(proto.functions),
        parameters=parameters.number,
        parameter_bytes=parameters.size,
        parameter_types=parameters.types,
        external=tuple(ExternalFile(name, _size(path.parent / name), count) for name, count in model.external.items()),
    )


def input_facts(model: Model, proto: onnx.ModelProto | None, reading: Reading) -> tuple[InputFacts, ...]:
    """Return the inputs of a model and what each is given.

    Args:
        model: the model.
        proto: the model cut at its outcome; None where there is none.
        reading: which inputs have a fixed value.
    """
    graph = model.proto.graph
    stored = {tensor.name for tensor in graph.initializer}
    stored |= {tensor.values.name for tensor in graph.sparse_initializer}
    deciding = None if proto is None else [value.name for value in proto.graph.input]
    return tuple(
        InputFacts(
            name=value.name,
            type=_type(value.type),
            shape=_shape(value.type),
            use=_use(value.name, stored, deciding, reading),
            value=reading.fixed.get(value.name),
        )
        for value in graph.input
    )


def output_facts(model: Model, cut: CutModel | None) -> tuple[OutputFacts, ...]:
    """Return the outputs of a model and which of them follow from the outcome.

    Args:
        model: the model.
        cut: the model cut at its outcome; None where there is none.
    """
    following = set() if cut is None else _following(index_graph(flattened(model), model.opset), cut.outcome.tensor)
    if cut is not None and cut.detector is not None:  # whose levels are outputs that the outcome is made of
        following |= {name for op in cut.proto.graph.node for name in op.input}
    return tuple(
        OutputFacts(value.name, _type(value.type), _shape(value.type), from_outcome=value.name in following)
        for value in model.proto.graph.output
    )


def outcome_facts(cut: CutModel, wired: Wired | None) -> OutcomeFacts:
    """Return the tensor effects would be measured on, and whether an analysis would take it.

    Args:
        cut: the model cut there.
        wired: what is known of its shapes; None for nothing.
    """
    tensor = cut.outcome.tensor
    shape = dtype = None
    if wired is not None and wired.trace is not None and wired.outcome is not None:
        shape, dtype = wired.trace.shapes.get(wired.outcome), wired.trace.types.get(wired.outcome)
    reason = "" if shape is None else _refused(shape, dtype)
    return OutcomeFacts(
        tensor=tensor,
        shape=shape if shape is None or len(shape) == 1 else shape[1:],
        task=None if wired is None else wired.task,
        squashed_by=cut.outcome.squashed_by,
        cut_off=_cut_off(cut),
        reason=reason,
    )


def no_outcome(reason: str) -> OutcomeFacts:
    """Return that there is none, and why."""
    return OutcomeFacts(None, None, None, "", (), reason)


def op_counts(proto: onnx.ModelProto) -> dict[str, int]:
    """Return the number of ops of each type, those of other domains with their domain, most frequent first."""
    counts = Counter(op.op_type if op.domain in OWN_DOMAINS else f"{op.domain}::{op.op_type}" for op in every_op(proto))
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _use(name: str, stored: Container[str], deciding: Sequence[str] | None, reading: Reading) -> InputUse:
    if name in stored:
        return InputUse.WEIGHT
    if deciding is None:
        return InputUse.UNKNOWN
    if name not in deciding:
        return InputUse.UNUSED
    if name in reading.fixed:
        return InputUse.FIXED
    return (
        InputUse.SAMPLES if len([other for other in deciding if other not in reading.fixed]) == 1 else InputUse.JOINED
    )


def _following(index: GraphIndex, tensor: str) -> set[str]:
    """Return the tensors computed from one, itself included."""
    found, pending = {tensor}, [tensor]
    while pending:
        for use in index.uses.get(pending.pop(), ()):
            new = {name for name in index.ops[use.op].output if name} - found
            found |= new
            pending += sorted(new)
    return found


def _refused(shape: tuple[int, ...], dtype: np.dtype[np.generic] | None) -> str:
    """Return why an analysis would refuse an outcome of this shape; empty where it would not."""
    if dtype is not None and dtype.kind in "iubUSO":
        return f"the outcome is not a score: it holds values of type {dtype}, on which no small effect shows"
    sizes = shape[1:] if len(shape) > 1 else shape
    if np.prod(sizes) != max(sizes, default=0):
        return (
            f"the outcome is not one score per class: one sample gives {list(sizes)}: a detector, a segmentation or a "
            "sequence"
        )
    return ""


def _cut_off(cut: CutModel) -> tuple[str, ...]:
    """Return the ops of the file that the outcome does not depend on; what only stands for stored weights is none."""
    proto = inlined(cut.model.proto)
    kept = _leading_to(index_graph(proto, cut.model.opset), cut.outcome.tensor)
    graph = proto.graph
    stored = {value.name for value in graph.initializer}
    return tuple(
        f"{op.op_type} {op.name}".strip()
        for op in graph.node
        if kept.isdisjoint(op.output) and not (op.op_type == "DequantizeLinear" and stored.issuperset(op.input))
    )


def _leading_to(index: GraphIndex, tensor: str) -> set[str]:
    """Return the tensors that one is computed from, itself included."""
    found, pending = {tensor}, [tensor]
    while pending:
        op = index.producing(pending.pop())
        new = set() if op is None else {*op.input, *captured(op)} - found
        found |= new
        pending += sorted(new)
    return found


def _type(value: onnx.TypeProto) -> str:
    kind = value.WhichOneof("value")
    if kind == "tensor_type":
        return type_name(value.tensor_type.elem_type)
    return (kind or "unknown").removesuffix("_type")


def _shape(value: onnx.TypeProto) -> StatedShape | None:
    if not value.tensor_type.HasField("shape"):
        return None
    return tuple(
        size.dim_value if size.HasField("dim_value") else size.dim_param or None for size in value.tensor_type.shape.dim
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
