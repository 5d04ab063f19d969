"""What later steps take from a causal graph: its nodes and targets, layer by layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.graph import CausalGraph
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One layer of a causal graph.

    Attributes:
        layer: the layer's name.
        targets: target children, ascending.
        ate: average treatment effect of every node, `[nodes]`; NaN where it was not tested.
        roles: role of every node.
    """

    layer: str
    targets: NDArray[np.int64]
    ate: Floats
    roles: tuple[Role, ...]

    def having(self, role: Role) -> NDArray[np.int64]:
        """Return the nodes that have a role, the strongest first; of equals the first."""
        found = np.flatnonzero([held is role for held in self.roles])
        return found[np.argsort(-np.abs(self.ate[found]), kind="stable")]

    @property
    def necessary(self) -> NDArray[np.int64]:
        """Necessary nodes, the strongest first."""
        return self.having(Role.NECESSARY)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """The causal graph of one class, as far as it leads.

    Attributes:
        target: index of the class.
        samples: positions in the data of the samples it was inferred from.
        steps: the layers that were tested, from the outcome upwards.
        left_out: the layers that were not, as nobody asked about them: which of their nodes matter is not known.
    """

    target: int
    samples: NDArray[np.int64]
    steps: tuple[Step, ...]
    left_out: frozenset[str] = frozenset()

    def step(self, layer: str) -> Step | None:
        """Return the step at a layer; None where the route does not lead there."""
        return next((step for step in self.steps if step.layer == layer), None)


def route_of(graph: CausalGraph) -> Route:
    """Return the route of a causal graph."""
    steps = [
        Step(layer.name, layer.targets, layer.verdicts.ate, layer.verdicts.roles)
        for layer in graph.layers
        if layer.verdicts is not None
    ]
    left_out = frozenset(layer.name for layer in graph.layers if layer.left_out)
    return Route(graph.target, graph.samples, tuple(steps), left_out)
