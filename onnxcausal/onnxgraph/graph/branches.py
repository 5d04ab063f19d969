"""If ops of which one branch is always taken, put into the main graph in place of the op."""

from collections.abc import Callable, Mapping

import onnx
from onnx import helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import bodies

Decide = Callable[[onnx.ModelProto, onnx.NodeProto], bool | None]
"""Whether the condition of an If in a model is always true, or always false; None where it depends on samples."""
MOST_RESOLVED = 100
"""If ops that are resolved, at most: each takes a copy of the graph."""
BRANCHES = {True: "then_branch", False: "else_branch"}


def with_branches_taken(proto: onnx.ModelProto, decide: Decide) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return a model in which every If whose condition is known is the ops of its branch, and a note of each.

    Args:
        proto: the model; not changed.
        decide: tells which branch an If takes.

    Raises:
        ModelError: a branch does not give what its If does.
    """
    notes: list[str] = []
    for _ in range(MOST_RESOLVED):
        found = _first_known(proto, decide)
        if found is None:
            break
        number, taken = found
        op = proto.graph.node[number]
        notes.append(f"of the If {op.name or op.output[0]} the {BRANCHES[taken].replace('_', ' ')} is always taken")
        proto = _resolved(proto, number, taken=taken)
    return proto, tuple(notes)


def _first_known(proto: onnx.ModelProto, decide: Decide) -> tuple[int, bool] | None:
    """Return where the first If of a known condition stands, and which it is."""
    for number, op in enumerate(proto.graph.node):
        if op.op_type == "If" and op.domain in ("", "ai.onnx"):
            taken = decide(proto, op)
            if taken is not None:
                return number, taken
    return None


def _resolved(proto: onnx.ModelProto, number: int, *, taken: bool) -> onnx.ModelProto:
    """Return a model in which an If is the ops of one of its branches."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    graph = changed.graph
    op = graph.node[number]
    body = next((entry.g for entry in op.attribute if entry.name == BRANCHES[taken]), None)
    if body is None or len(body.output) != len(op.output):
        raise ModelError(
            "a branch does not give what its If does",
            where=f"op {op.name or op.op_type}",
            why=f"it has {0 if body is None else len(body.output)} outputs in place of {len(op.output)}",
            remedy="check that the file is complete; export it again",
        )
    renamed = _new_names(proto.graph, body)
    names = {held.name for held in graph.node if held.name}
    inside = []
    for held in body.node:
        copied = _renamed(held, renamed)
        if copied.name in names:
            copied.name = f"{op.name or op.output[0]}/{copied.name}"
        inside.append(copied)
    inside += [
        helper.make_node("Identity", [renamed.get(value.name, value.name)], [output])
        for value, output in zip(body.output, op.output, strict=True)
        if output
    ]
    for tensor in body.initializer:
        stored = graph.initializer.add()
        stored.CopyFrom(tensor)
        stored.name = renamed.get(tensor.name, tensor.name)
    for sparse in body.sparse_initializer:
        held_sparse = graph.sparse_initializer.add()
        held_sparse.CopyFrom(sparse)
        held_sparse.values.name = renamed.get(sparse.values.name, sparse.values.name)
    ops = [*graph.node[:number], *inside, *graph.node[number + 1 :]]
    copies = [onnx.NodeProto.FromString(held.SerializeToString()) for held in ops]
    del graph.node[:]
    graph.node.extend(copies)
    return changed


def _new_names(graph: onnx.GraphProto, body: onnx.GraphProto) -> dict[str, str]:
    """Return new names for the tensors of a body that are called as others of the graph outside it are."""
    own = {name for held in body.node for name in held.output if name}
    own |= {tensor.name for tensor in body.initializer} | {tensor.values.name for tensor in body.sparse_initializer}
    outside = {name for held in graph.node for name in (*held.input, *held.output) if name}
    outside |= {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    outside |= {value.name for value in graph.output}
    taken = names_in(graph) | own
    return {name: fresh(f"onnxcausal/{name}", taken) for name in sorted(own & outside)}


def _renamed(op: onnx.NodeProto, renamed: Mapping[str, str]) -> onnx.NodeProto:
    """Return an op whose tensors have new names, in its bodies too, where those do not make tensors of that name."""
    copied = onnx.NodeProto()
    copied.CopyFrom(op)
    copied.input[:] = [renamed.get(name, name) for name in op.input]
    copied.output[:] = [renamed.get(name, name) for name in op.output]
    for body in bodies(copied):
        made = {name for held in body.node for name in held.output} | {value.name for value in body.input}
        made |= {tensor.name for tensor in body.initializer} | {held.values.name for held in body.sparse_initializer}
        left = {name: new for name, new in renamed.items() if name not in made}
        if not left:
            continue
        ops = [_renamed(held, left) for held in body.node]
        del body.node[:]
        body.node.extend(ops)
        for value in body.output:
            value.name = left.get(value.name, value.name)
    return copied
