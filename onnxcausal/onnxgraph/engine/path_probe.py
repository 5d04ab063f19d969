"""Interventions on paths: `do(W[T, j] := beta W[T, j])` (Ahmad et al. 2023, sec. 3.3)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.onnxgraph.flow.layers import Layer


@dataclass(frozen=True, slots=True, eq=False)
class PathProbe:
    """Interventions on the paths of one layer, one node at a time.

    What stands in for what is taken away is not said here: an engine has it from its reference samples
    (`Engine.replace`), and does the same for every probe.

    Attributes:
        layer: the layer.
        nodes: parent features of each node.
        targets: the target children.
        beta: factor on the weights of each path; 0 removes it, 1 leaves it.

    Note: the published code overwrites the weight with the constant; the paper multiplies it (`u = beta w`).
    The two agree at 0 only; this is the paper's.
    """

    layer: Layer
    nodes: tuple[NDArray[np.int64], ...]
    targets: NDArray[np.int64]
    beta: float = 0.0

    @classmethod
    def nothing(cls, layer: Layer) -> "PathProbe":
        """Return the null intervention on a layer's first feature."""
        return cls(layer, (np.zeros(1, np.int64),), np.empty(0, np.int64))

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.nodes)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer, whose weights are changed."""
        return (self.layer,)

    def of(self, units: NDArray[np.int64]) -> "PathProbe":
        """Return the same interventions on some of the nodes, by their positions."""
        return replace(self, nodes=tuple(self.nodes[node] for node in units.tolist()))

    def joint(self) -> "PathProbe":
        """Return one intervention on the paths of all nodes at once."""
        return replace(self, nodes=(np.concatenate(self.nodes),))

    def key(self) -> dict[str, object]:
        """Return what tells these interventions from others of a run, which has one beta: plain values and arrays."""
        return {
            "layer": self.layer.name,
            "nodes": [len(node) for node in self.nodes],
            "features": np.concatenate(self.nodes),
            "targets": self.targets,
        }

    def at(self, beta: float) -> "PathProbe":
        """Return the same interventions with another factor on the paths."""
        return replace(self, beta=beta)

    def connected(self) -> NDArray[np.bool_]:
        """Return whether the layer has a path from a node to a target, `[nodes, targets]`."""
        of_target = self.layer.group_of_children()[self.targets]
        of_parent = self.layer.group_of_parents()
        return np.array([np.isin(of_target, of_parent[features]) for features in self.nodes]).reshape(
            len(self.nodes), len(self.targets)
        )
