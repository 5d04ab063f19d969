"""How the nodes of a graph are joined, read back from the GraphML file of a class.

The file is one that `report.graphml` wrote. Its ends are named `p3.17` (parent 17 of layer 3), `c3.4` (child 4) and
`outcome`; names from the model stand in texts, where every `<` is escaped, so none can be taken for an edge.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from onnxcausal.analysis.formats.analysis_file import GraphRecord
from onnxcausal.causal.significance import Role

EDGE = re.compile(rb'<edge source="([cp])(\d{1,9})\.(\d{1,9})" target="(?:([cp])(\d{1,9})\.(\d{1,9})|outcome)"')
OUTCOME = -1
"""Stands for the outcome where a layer's position is meant."""


@dataclass(frozen=True, slots=True)
class Wires:
    """What joins one layer's necessary parents to nodes of layers below.

    Attributes:
        paths: children that each parent has a path to; None where each reaches all of them.
        ends: groups of children and the nodes they become: (children, ((layer below, nodes), ...)).
    """

    paths: dict[int, list[int]] | None
    ends: tuple[tuple[list[int], tuple[tuple[int, list[int]], ...]], ...]

    def to_record(self) -> dict[str, Any]:
        """Return the wires as the page holds them."""
        ends = [[children, [[layer, nodes] for layer, nodes in reached]] for children, reached in self.ends]
        return {"ends": ends} if self.paths is None else {"ends": ends, "paths": self.paths}


def wires_of(graph: GraphRecord, content: bytes | None) -> list[Wires | None]:
    """Return the wires of every layer of a graph; None for layers without, and for all where nothing is known.

    Edges that the graph cannot have are left out: the file may have been exchanged.
    """
    positions = range(len(graph.layers))
    if content is None:
        return [None for _ in positions]
    paths: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    flows: dict[int, dict[int, dict[int, list[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    necessary = [_necessary(graph, position) for position in positions]
    children = [frozenset(layer.targets) for layer in graph.layers]
    for match in EDGE.finditer(content):
        source, position, number = match[1], int(match[2]), int(match[3])
        if position >= len(graph.layers):
            continue
        ends_in_child = match[4] == b"c" and int(match[5]) == position
        if source == b"p" and ends_in_child and number in necessary[position] and int(match[6]) in children[position]:
            paths[position][number].append(int(match[6]))
        elif source == b"c" and number in children[position]:
            below = OUTCOME if match[4] is None else int(match[5])
            node = graph.target if match[4] is None else int(match[6])
            if below == OUTCOME or (match[4] == b"p" and below < position and node in necessary[below]):
                flows[position][number][below].append(node)
    return [_wires(paths[position], flows[position]) for position in positions]


def _necessary(graph: GraphRecord, position: int) -> frozenset[int]:
    return frozenset(node.index for node in graph.layers[position].nodes if node.role is Role.NECESSARY)


def _wires(paths: dict[int, list[int]], flows: dict[int, dict[int, list[int]]]) -> Wires | None:
    if not paths or not flows:
        return None
    groups: dict[tuple[tuple[int, tuple[int, ...]], ...], list[int]] = defaultdict(list)
    for child, reached in sorted(flows.items()):
        groups[tuple((below, tuple(sorted(nodes))) for below, nodes in sorted(reached.items()))].append(child)
    ends = tuple(
        (children, tuple((below, list(nodes)) for below, nodes in reached)) for reached, children in groups.items()
    )
    every = set().union(*paths.values())
    is_full = all(len(reached) == len(every) for reached in paths.values())
    return Wires(None if is_full else {parent: sorted(reached) for parent, reached in sorted(paths.items())}, ends)
