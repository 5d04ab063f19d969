"""What there is to say of each layer, of its links and of what interventions on it cost."""

from collections.abc import Mapping

import numpy as np

from onnxcausal.analysis.result.inspection import CostFacts, LayerFacts, LinkFacts, LinkKind
from onnxcausal.causal.graph import FlowKind
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan, find_route
from onnxcausal.onnxgraph.flow.flow import Flow, Link
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured
from onnxcausal.onnxgraph.graph.op_traits import keeps_channels
from onnxcausal.onnxgraph.graph.tensors import type_name
from onnxcausal.onnxgraph.inspecting.bypasses import Ways, in_order
from onnxcausal.onnxgraph.inspecting.static_wiring import Wired

MIXES = "channels are mixed on the way"


def layer_facts(wired: Wired, ways: Ways) -> tuple[LayerFacts, ...]:
    """Return what there is to say of each layer, from the outcome upwards.

    Args:
        wired: layers and flow.
        ways: what lies on the ways of its graph.
    """
    return tuple(_facts(layer, wired, ways) for layer in reversed(wired.layers))


def _facts(layer: Layer, wired: Wired, ways: Ways) -> LayerFacts:
    flow = wired.flow
    nodes = None if flow is None else len(flow.nodes[layer.name])
    into = _guessed(layer, wired, ways) if flow is None else _known(layer, flow, wired)
    return LayerFacts(
        name=layer.name,
        op_type=layer.op_type,
        weight=layer.weight,
        weight_shape=layer.weight_shape,
        weight_type=type_name(layer.weight_type),
        parents=layer.parents,
        children=layer.children,
        groups=layer.groups,
        nodes=nodes,
        depth=ways.depth.get(layer.output, 0),
        into=into,
        fed_by=_feeding(layer, wired, ways),
        cost=None if nodes is None else _cost(layer, wired, nodes),
    )


def _guessed(layer: Layer, wired: Wired, ways: Ways) -> tuple[LinkFacts, ...]:
    """Return what a way of ops leads to, where which children go along it is not known."""
    reached = in_order(ways.reached.get(layer.output, ()))
    return tuple(LinkFacts(name, LinkKind.UNKNOWN, None, wired.reason) for name in reached)


def _known(layer: Layer, flow: Flow, wired: Wired) -> tuple[LinkFacts, ...]:
    """Return what a layer's children reach; several links to one consumer as one, the least sure."""
    found: dict[str | None, list[Link]] = {}
    for link in flow.links[layer.name]:
        found.setdefault(link.consumer, []).append(link)
    return tuple(_link(layer, consumer, links, wired) for consumer, links in found.items())


def _link(layer: Layer, consumer: str | None, links: list[Link], wired: Wired) -> LinkFacts:
    kinds = {link.kind for link in links}
    if FlowKind.UNTRACKED in kinds:
        return LinkFacts(consumer, LinkKind.UNTRACKED, None, _mixing(layer, consumer, wired))
    kind = LinkKind.NORMALISED if FlowKind.NORMALISED in kinds else LinkKind.TRACKED
    children = np.unique(np.concatenate([link.children for link in links]))
    return LinkFacts(consumer, kind, len(children), "")


def _mixing(layer: Layer, consumer: str | None, wired: Wired) -> str:
    """Return why children cannot be followed: the ops on the way through which none can be, if there are any."""
    index = wired.index
    by_op = {other.op: other for other in wired.layers}
    end = next((other.data for other in wired.layers if other.name == consumer), wired.outcome)
    between = _after(index, layer, by_op) & _before(index, end, by_op)
    ops = [index.ops[number] for number in sorted(between)]
    mixing = [f"{op.op_type} {op.name}".strip() for op in ops if not keeps_channels(op)]
    if not mixing:
        return f"{MIXES}, along the axis they stand on"
    return f"{MIXES} by {mixing[0]}" + (f" and {len(mixing) - 1} more ops" if len(mixing) > 1 else "")


def _after(index: GraphIndex, layer: Layer, by_op: Mapping[int, Layer]) -> set[int]:
    """Return the ops that a layer's output reaches without meeting a layer."""
    found: set[int] = set()
    pending = [layer.output]
    while pending:
        for use in index.uses.get(pending.pop(), ()):
            if use.op not in found and use.op not in by_op:
                found.add(use.op)
                pending += [name for name in index.ops[use.op].output if name]
    return found


def _before(index: GraphIndex, tensor: str | None, by_op: Mapping[int, Layer]) -> set[int]:
    """Return the ops that lead to a tensor without meeting a layer."""
    found: set[int] = set()
    pending = [tensor] if tensor else []
    while pending:
        number = index.producer.get(pending.pop())
        if number is not None and number not in found and number not in by_op:
            found.add(number)
            pending += [name for name in (*index.ops[number].input, *captured(index.ops[number])) if name]
    return found


def _feeding(layer: Layer, wired: Wired, ways: Ways) -> tuple[str | None, ...]:
    """Return what reaches a layer's parents; the input only where a way leads from it past every layer."""
    around = ways.sources.get(layer.data, frozenset())
    if wired.flow is None:
        return in_order(around)
    names = {name for name, links in wired.flow.links.items() if any(link.consumer == layer.name for link in links)}
    return in_order({*names, *([None] if None in around else [])})


def _cost(layer: Layer, wired: Wired, nodes: int) -> CostFacts:
    assert wired.trace is not None
    assert wired.work is not None
    assert wired.outcome is not None
    route = find_route(wired.index, layer, wired.outcome, wired.trace)
    if isinstance(route, ExecutionPlan):
        work, row_bytes = route.work, route.row_bytes
        how = "closed form" if route.closed else "suffix"
    else:
        work, row_bytes, how = wired.work, wired.row_bytes, f"whole model: {route}"
    whole = max(1, wired.work)
    return CostFacts(work, work / whole, work * nodes, work * nodes / whole, row_bytes, how)
