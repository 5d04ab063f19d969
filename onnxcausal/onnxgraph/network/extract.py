"""The part of a model that decides some tensors."""

from collections.abc import Sequence

import onnx

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR, dense
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured, index_graph


def cut_at(proto: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return a copy that computes just the given tensors: the ops they depend on and what those use.

    Meant for analysis, not to be handed to a user: sparse weights are made dense; initializers
    are no longer listed as inputs (no file of any IR version has them overridable by accident); inputs
    that decide nothing are left out; the outputs carry no type, which ONNX Runtime infers.

    Args:
        proto: the original; not changed.
        tensors: names of tensors in its main graph, which become the outputs in this order.
    """
    index = index_graph(proto, opset_of(proto))
    ops = _ancestors(index, tensors)
    used = {name for number in ops for name in (*index.ops[number].input, *captured(index.ops[number]))} | set(tensors)
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    part.ir_version = max(part.ir_version, OLDEST_OVERRIDABLE_IR)
    graph = part.graph
    stored = set(index.initializers) | {tensor.values.name for tensor in proto.graph.sparse_initializer}
    dense_ones = [dense(tensor) for tensor in proto.graph.sparse_initializer]
    _keep(graph.node, [index.ops[number] for number in ops])
    _keep(graph.initializer, [tensor for tensor in (*proto.graph.initializer, *dense_ones) if tensor.name in used])
    del graph.sparse_initializer[:]
    _keep(graph.input, [value for value in proto.graph.input if value.name in used - stored])
    _keep(graph.output, [onnx.ValueInfoProto(name=name) for name in tensors])
    # Text for people may be no text at all, which graph libraries do not take.
    graph.doc_string = part.doc_string = ""
    # Shapes noted by an exporter may be wrong; ONNX Runtime infers its own.
    del graph.value_info[:]
    return part


def _ancestors(index: GraphIndex, tensors: Sequence[str]) -> list[int]:
    """Return the positions of the ops that tensors depend on, producers first, else in file order.

    Some exporters write ops out of order, which ONNX Runtime accepts.
    """
    state: dict[int, bool] = {}  # False while an op waits for its producers, True when it is placed
    ordered: list[int] = []
    roots = sorted({index.producer[tensor] for tensor in tensors if tensor in index.producer})
    for root in roots:
        pending = [root]
        while pending:
            number = pending[-1]
            op = index.ops[number]
            names = [name for name in (*op.input, *captured(op)) if name]
            producers = {index.producer[name] for name in names if name in index.producer}
            waiting = sorted(producer for producer in producers if producer not in state)
            if number not in state and waiting:
                state[number] = False
                pending += reversed(waiting)
                continue
            if any(not state.get(index.producer[name], True) for name in names if name in index.producer):
                raise ModelError(
                    "the model's graph has a cycle",
                    where=f"op {op.name or op.op_type}",
                    why="a tensor depends on itself",
                    remedy="export the model again; this file cannot run anywhere",
                )
            pending.pop()
            if not state.get(number):
                state[number] = True
                ordered.append(number)
    return ordered


def _keep(field, items) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # a protobuf container of any type
    """Replace what a repeated field holds."""
    kept = list(items)
    del field[:]
    field.extend(kept)
