"""Ops that hold weights on which no intervention is made, and why."""

from collections.abc import Iterator, Sequence

import onnx
from onnx import TensorProto

from onnxcausal.analysis.result.inspection import OpFacts
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex, bodies, captured
from onnxcausal.onnxgraph.graph.op_traits import FUSED_DOMAIN, OWN_DOMAINS, keeps_channels
from onnxcausal.onnxgraph.graph.tensors import type_name, values_in

RECURRENT = frozenset(["GRU", "LSTM", "RNN"])
LOOKING_UP = frozenset(["Gather", "GatherElements", "GatherND"])
LAYER_OPS = frozenset(["Conv", "ConvTranspose", "Gemm", "MatMul"])
QUANTISED = ("QLinear", "QGemm", "DynamicQuantize", "ConvInteger", "MatMulInteger", "MatMulNBits", "QAttention")
"""How the names of ops on whole numbers begin."""


def find_unmaskable(index: GraphIndex, layers: Sequence[Layer]) -> dict[int, OpFacts]:
    """Return the ops that hold a stored matrix and are no layers, by position.

    Ops that only prepare a weight, and those that act channel by channel, hold no paths and are left out.

    Args:
        index: the graph.
        layers: its layers.
    """
    of_layers = {layer.op for layer in layers}
    found: dict[int, OpFacts] = {}
    for number, op in enumerate(index.ops):
        if number in of_layers or all(name in index.leaves for name in op.output if name):
            continue
        looks_up = op.op_type in LOOKING_UP and op.input[0] in index.leaves
        if keeps_channels(op) and not looks_up:
            continue
        stored = {tensor.name or name: tensor for name, tensor in _stored(index, op) if len(tensor.dims) > 1}
        if looks_up:
            stored = {name: tensor for name, tensor in stored.items() if tensor.data_type != TensorProto.INT64}
        if stored:
            found[number] = OpFacts(
                name=op.name or next((name for name in op.output if name), ""),
                op_type=op.op_type,
                domain=op.domain,
                weights=tuple(stored),
                parameters=sum(map(values_in, stored.values())),
                reason=_reason(index, op, list(stored.values())),
            )
    return found


def _reason(index: GraphIndex, op: onnx.NodeProto, stored: Sequence[TensorProto]) -> str:
    """Return why no intervention is made on an op: the first reason that applies."""
    kinds = ", ".join(sorted({type_name(tensor.data_type) for tensor in stored}))
    reasons = (
        (op.op_type.startswith(QUANTISED), "an op on whole numbers, in a form that is not rewritten to a layer"),
        (op.domain == FUSED_DOMAIN, "a fused op of ONNX Runtime, which is not taken apart"),
        (op.domain not in OWN_DOMAINS, "what an op of this domain computes is not known"),
        (
            any(True for _ in bodies(op)),
            "its weights stand in a body, which runs again or not at all depending on values",
        ),
        (op.op_type in RECURRENT, "a weight is used again at every step: a path has no single place"),
        (op.op_type == "Einsum", "which axes are parents depends on its equation"),
        (op.op_type in LOOKING_UP, "rows of a table are looked up, not weighed"),
    )
    other = _unusable(index, op, kinds) if op.op_type in LAYER_OPS else "not a Conv, ConvTranspose, Gemm or MatMul"
    return next((reason for applies, reason in reasons if applies), other)


def _unusable(index: GraphIndex, op: onnx.NodeProto, kinds: str) -> str:
    """Return why the weight of an op that could be a layer cannot be used; `kinds` are the types it is stored in."""
    unknown, seen, waiting = set(), set(), [name for name in op.input if name in index.leaves]
    while waiting:
        name = waiting.pop()
        made = None if name in seen else index.producing(name)
        seen.add(name)
        if made is not None:
            waiting += [name for name in made.input if name in index.leaves]
            if made.domain not in (*OWN_DOMAINS, FUSED_DOMAIN):
                unknown.add(f"{made.domain}::{made.op_type}")
    if unknown:
        return f"its weight is made by ops of unknown domains: {', '.join(sorted(unknown))}"
    return f"its weight ({kinds}) is not float where it is used, or made by ops that cannot run"


def _stored(index: GraphIndex, op: onnx.NodeProto) -> Iterator[tuple[str, TensorProto]]:
    """Yield the stored tensors an op uses, those of its bodies included, each with a name for one without."""
    names = {index.leaves[name] for name in (*op.input, *captured(op)) if name in index.leaves}
    for name in sorted(names):
        if name in index.initializers:
            yield name, index.initializers[name]
            continue
        constant = index.producing(name)
        if constant is not None:
            yield from ((name, entry.t) for entry in constant.attribute if entry.name == "value")
    for body in bodies(op):
        yield from _in_body(body)


def _in_body(body: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    yield from ((tensor.name, tensor) for tensor in body.initializer)
    for op in body.node:
        if op.op_type == "Constant":
            yield from ((op.output[0], entry.t) for entry in op.attribute if entry.name == "value")
        for inner in bodies(op):
            yield from _in_body(inner)
