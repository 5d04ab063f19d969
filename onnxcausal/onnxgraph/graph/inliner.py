"""Local functions, put into the main graph."""

from collections.abc import Iterable, Mapping

import onnx
from onnx.inliner import inline_local_functions

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.index import bodies

MOST_OPS = 2_000_000
"""Ops a model may have once its functions are inlined: far more than any real one, far less than fills memory."""
Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def inlined(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without local functions; the model itself where it has none.

    Raises:
        ModelError: a function calls itself, or inlining would blow the model up.
    """
    if not proto.functions:
        return proto
    sizes = _sizes(proto.functions)
    total = _count(proto.graph.node, sizes)
    if total > MOST_OPS:
        raise ModelError(
            "the model's local functions blow it up",
            where=f"{len(proto.functions)} functions",
            why=f"inlined, they make {total:.3g} ops; a model may have {MOST_OPS:,}",
            remedy="do not use this file: no exporter writes such functions",
        )
    return inline_local_functions(proto)


def _sizes(functions: Iterable[onnx.FunctionProto]) -> dict[Key, int]:
    """Return the number of ops of each function once it is inlined, without inlining it."""
    by_key = {(function.domain, function.name, function.overload): function for function in functions}
    sizes: dict[Key, int] = {}
    waiting: set[Key] = set()
    for root in by_key:
        pending = [root]
        while pending:
            key = pending[-1]
            calls = _calls(by_key[key].node) & by_key.keys()
            missing = [call for call in sorted(calls) if call not in sizes]
            if key in calls or not waiting.isdisjoint(missing):
                raise ModelError(
                    "a local function calls itself",
                    where=f"function {key[1]} of domain {key[0]}",
                    why="it can never be carried out",
                    remedy="do not use this file: no exporter writes such functions",
                )
            if missing:
                waiting.add(key)
                pending += missing
                continue
            pending.pop()
            waiting.discard(key)
            sizes[key] = _count(by_key[key].node, sizes)
    return sizes


def _count(ops: Iterable[onnx.NodeProto], sizes: Mapping[Key, int]) -> int:
    """Return how many ops some ops are once functions are inlined, those in bodies included."""
    return sum(
        sizes.get((op.domain, op.op_type, op.overload), 1) + sum(_count(body.node, sizes) for body in bodies(op))
        for op in ops
    )


def _calls(ops: Iterable[onnx.NodeProto]) -> set[Key]:
    """Return what ops, and those in their bodies, may call."""
    found: set[Key] = set()
    for op in ops:
        found.add((op.domain, op.op_type, op.overload))
        for body in bodies(op):
            found |= _calls(body.node)
    return found
