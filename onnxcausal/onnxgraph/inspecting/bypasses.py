"""Ways through a graph: how many layers they pass, and which pass by most of them.

A *weighted op* is a layer, or another op that holds weights. The *main path* is a way from the input to the outcome
that passes the most weighted ops. Tensors that follow from stored tensors and shapes alone are on no way, nor are the
statistics by which a normalisation or a dynamic quantisation scales.

A tensor that an op takes beside others is a *bypass* if

- the op's deepest operand has passed more weighted ops than it, by more than half of the main path's, and by two at
  least; or
- no way to it passes a weighted op, the deepest operand has passed one, and from the op on there is a way to the
  outcome that passes none: with it, a way from the input to the outcome passes no weighted op at all.

So a residual connection around a block is none, unless the model is little more than that block.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnxcausal.analysis.result.inspection import Branch
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.flow.normalisation import statistics_in
from onnxcausal.onnxgraph.graph.index import GraphIndex, captured

FEWEST_PASSED_BY = 2
"""Weighted ops that a bypass leaves out at least, unless it passes none at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """What lies on the ways from the inputs.

    Attributes:
        depth: most weighted ops on a way to a tensor; tensors that do not depend on an input are absent.
        sources: layers (None for an input) from which a way leads to a tensor without meeting another layer.
        reached: layers (None for the outcome) to which a way leads from a tensor without meeting another layer.
        left: fewest weighted ops on a way from a tensor to the outcome; absent where there is no way.
    """

    depth: Mapping[str, int]
    sources: Mapping[str, frozenset[str | None]]
    reached: Mapping[str, frozenset[str | None]]
    left: Mapping[str, int]


def find_ways(
    index: GraphIndex, inputs: Iterable[str], outcome: str | None, layers: Sequence[Layer], weighted: Container[int]
) -> Ways:
    """Return what lies on the ways from the inputs.

    Args:
        index: the graph, in topological order.
        inputs: its inputs.
        outcome: tensor of the class scores; None where there is none.
        layers: its layers.
        weighted: positions of other ops that hold weights.
    """
    names = {layer.op: layer.name for layer in layers}
    apart = index.steady | statistics_in(index)
    depth = dict.fromkeys(inputs, 0)
    nowhere: frozenset[str | None] = frozenset()
    sources: dict[str, frozenset[str | None]] = dict.fromkeys(depth, frozenset([None]))
    for number, op in enumerate(index.ops):
        given = _given(index, number, depth)
        if not given:
            continue
        passed = max(depth[name] for name in given) + (number in names or number in weighted)
        origin = frozenset([names[number]]) if number in names else nowhere.union(*(sources[name] for name in given))
        for name in op.output:
            if name and name not in apart:
                depth[name], sources[name] = passed, origin
    reached: defaultdict[str, frozenset[str | None]] = defaultdict(frozenset)
    left: dict[str, int] = {}
    if outcome is not None:
        reached[outcome], left[outcome] = frozenset([None]), 0
    for number in range(len(index.ops) - 1, -1, -1):
        made = [name for name in index.ops[number].output if name in depth]
        ahead = frozenset([names[number]]) if number in names else nowhere.union(*(reached[name] for name in made))
        least = min((left[name] for name in made if name in left), default=None)
        for name in _given(index, number, depth) if made else ():
            reached[name] |= ahead
            if least is not None:
                passes = least + (number in names or number in weighted)
                left[name] = min(left.get(name, passes), passes)
    return Ways(depth, sources, dict(reached), left)


def find_branches(index: GraphIndex, ways: Ways, outcome: str) -> tuple[Branch, ...]:
    """Return the bypasses on the ways from the inputs to the outcome.

    Args:
        index: the graph, in topological order.
        ways: what lies on its ways.
        outcome: tensor of the class scores.
    """
    main = ways.depth.get(outcome, 0)
    joins: defaultdict[str, list[int]] = defaultdict(list)
    for number, op in enumerate(index.ops):
        given = _given(index, number, ways.depth)
        deepest = max((ways.depth[name] for name in given), default=0)
        remaining = min((ways.left[name] for name in op.output if name in ways.left), default=None)
        for name in given if remaining is not None else ():
            left_out = deepest - ways.depth[name]
            passes_most = left_out >= FEWEST_PASSED_BY and 2 * left_out > main
            passes_all = left_out > 0 and ways.depth[name] == remaining == 0
            if passes_most or passes_all:
                joins[name].append(number)
    return tuple(_branch(index, ways, name, numbers, main) for name, numbers in joins.items())


def _branch(index: GraphIndex, ways: Ways, tensor: str, joins: Sequence[int], main: int) -> Branch:
    ops = [index.ops[number] for number in joins]
    before = frozenset[str | None]().union(
        *(ways.reached.get(name, frozenset()) for op in ops for name in op.output if name)
    )
    return Branch(
        tensor=tensor,
        joins=tuple(f"{op.op_type} {op.name}".strip() for op in ops),
        layers=ways.depth[tensor],
        main=main,
        after=in_order(ways.sources[tensor]),
        before=in_order(before),
    )


def in_order(names: Iterable[str | None]) -> tuple[str | None, ...]:
    """Return names of layers in alphabetic order, the end of the graph first."""
    return tuple(sorted(names, key=lambda name: (name is not None, name or "")))


def _given(index: GraphIndex, number: int, known: Container[str]) -> list[str]:
    """Return the different tensors an op takes, in its bodies too, that are known."""
    op = index.ops[number]
    names = dict.fromkeys([*op.input, *sorted(captured(op))])
    return [name for name in names if name in known]
