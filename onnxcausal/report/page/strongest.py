"""Which samples a node's effect is largest on, and how its effect is spread over them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxcausal.analysis.formats.analysis_file import GraphRecord, LayerRecord
from onnxcausal.analysis.formats.saved_effects import SavedEffects
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role
from onnxcausal.report.page.numbers import brief

SAMPLES = 5
"""Samples told of a node."""
NODES = 40
"""Nodes of each role in a layer of which samples are told: the strongest."""
DETAILED = (Role.NECESSARY, Role.NOISY)
"""Roles whose nodes are told in detail."""


@dataclass(frozen=True, slots=True)
class Strongest:
    """The samples of one node.

    Attributes:
        index: the node.
        quartiles: least, lower quartile, median, upper quartile and largest effect over its samples.
        samples: positions in the data and effects of those it is strongest on, in the direction of its role.
    """

    index: int
    quartiles: tuple[float, ...]
    samples: tuple[tuple[int, float], ...]

    def to_record(self) -> list[Any]:
        """Return the samples as the page holds them."""
        return [
            self.index,
            [brief(value) for value in self.quartiles],
            [[position, brief(effect)] for position, effect in self.samples],
        ]


def strongest_samples(graph: GraphRecord, effects: SavedEffects | None) -> list[list[Strongest]]:
    """Return for every layer of a graph the samples of its strongest nodes; empty where effects are not known."""
    found: list[list[Strongest]] = []
    for position, layer in enumerate(graph.layers):
        te = None if effects is None or not layer.nodes else effects.of(graph.target, position, layer)
        found.append([] if te is None else _of_layer(graph, layer, te))
    return found


def strongest_nodes(layer: LayerRecord, role: Role, count: int | None) -> list[int]:
    """Return the nodes of a role, the strongest first, at most so many."""
    nodes = [(-abs(node.ate or 0.0), node.index) for node in layer.nodes if node.role is role]
    return [index for _, index in sorted(nodes)[:count]]


def _of_layer(graph: GraphRecord, layer: LayerRecord, te: Floats) -> list[Strongest]:
    nodes = [(node, 1 if role is Role.NECESSARY else -1) for role in DETAILED for node in _chosen(layer, role)]
    return [_of_node(node, te[node], sign, graph.sample_indices) for node, sign in nodes]


def _chosen(layer: LayerRecord, role: Role) -> list[int]:
    return strongest_nodes(layer, role, NODES)


def _of_node(node: int, te: Floats, sign: int, positions: list[int]) -> Strongest:
    """Return the samples of a node whose removal changes the outcome most, downwards for `sign` 1, upwards for -1."""
    measured = np.flatnonzero(~np.isnan(te))[: len(positions)]
    values = te[measured]
    order = np.argsort(sign * values, kind="stable")[:SAMPLES]
    quartiles = tuple(np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist())
    return Strongest(node, quartiles, tuple((positions[int(measured[place])], float(values[place])) for place in order))
