"""How the nodes of a graph are joined, in the page's terms: layers by their positions, children that lead alike as one.

Whatever the file says, a wire joins what the graph has: targets of a layer, and necessary nodes of one before it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onnxcausal.analysis.comparing.edges import necessary_of, reached_by
from onnxcausal.analysis.formats.analysis_file import GraphRecord, LayerRecord

OUTCOME = -1
"""Stands for the outcome where a layer's position is meant."""
End = tuple[int, tuple[int, ...]]
"""A layer below, or the outcome, and nodes of it."""


@dataclass(frozen=True, slots=True)
class Wires:
    """What joins one layer's necessary parents to nodes of layers below.

    Attributes:
        paths: children that each parent has a path to; None where each reaches all of them.
        ends: groups of children and the nodes they become: (children, ((layer below, nodes), ...)).
    """

    paths: dict[int, list[int]] | None
    ends: tuple[tuple[list[int], tuple[End, ...]], ...]

    def to_record(self) -> dict[str, Any]:
        """Return the wires as the page holds them."""
        ends = [[children, [[layer, nodes] for layer, nodes in reached]] for children, reached in self.ends]
        return {"ends": ends} if self.paths is None else {"ends": ends, "paths": self.paths}


def wires_of(graph: GraphRecord) -> list[Wires | None]:
    """Return the wires of every layer of a graph; None for layers without, and for all where links were not kept."""
    found: list[Wires | None] = []
    necessary: dict[str, tuple[int, frozenset[int]]] = {}
    for position, layer in enumerate(graph.layers):
        found.append(_wires(layer, _flows(layer, graph.target, necessary)))
        necessary[layer.name] = position, frozenset(necessary_of(layer))
    return found


def _flows(
    layer: LayerRecord, target: int, necessary: dict[str, tuple[int, frozenset[int]]]
) -> dict[int, dict[int, set[int]]]:
    """Return the nodes that each target becomes, by their layers, of which those further down are known."""
    children = frozenset(layer.targets)
    flows: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for child, below, node in _pairs(layer, target, necessary):
        if child in children:
            flows[child][below].add(node)
    return flows


def _pairs(
    layer: LayerRecord, target: int, necessary: dict[str, tuple[int, frozenset[int]]]
) -> Iterator[tuple[int, int, int]]:
    for child in layer.to_outcome or ():
        yield child, OUTCOME, target
    for link in layer.links or ():
        below, nodes = necessary.get(link.layer, (OUTCOME, frozenset[int]()))
        yield from (
            (child, below, node) for child, node in zip(link.children, link.nodes, strict=True) if node in nodes
        )


def _wires(layer: LayerRecord, flows: dict[int, dict[int, set[int]]]) -> Wires | None:
    necessary = necessary_of(layer)
    if not necessary or not flows:
        return None
    alike: dict[tuple[End, ...], list[int]] = defaultdict(list)
    for child, reached in sorted(flows.items()):
        alike[tuple((below, tuple(sorted(nodes))) for below, nodes in sorted(reached.items()))].append(child)
    return Wires(_paths(layer, necessary), tuple((children, ends) for ends, children in alike.items()))


def _paths(layer: LayerRecord, necessary: list[int]) -> dict[int, list[int]] | None:
    """Return the targets that each node has a path to, without nodes that have none; None where all reach the same."""
    if (layer.groups or 1) == 1:
        return None
    paths = {parent: reached for parent in necessary if (reached := reached_by(layer, parent))}
    every = set().union(*paths.values())
    return None if all(len(reached) == len(every) for reached in paths.values()) else paths
