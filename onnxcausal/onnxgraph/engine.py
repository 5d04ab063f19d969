"""Outcomes under interventions: what every engine offers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.intervention import Intervention
from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.samples.source import Inputs

ScoresToOutcome: TypeAlias = Callable[[NDArray[np.floating]], Floats]
"""Outcome `[samples]` of class scores `[samples, classes]`."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """The null intervention.

    Attributes:
        outcome: outcome of each sample, `[samples]`.
        floor: an effect below this may be float noise, in the outcome's unit.
    """

    outcome: Floats
    floor: float


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Interventions on the paths of one layer, one node at a time.

    Attributes:
        layer: the layer.
        nodes: parent features of each node.
        targets: the target children.
        intervention: what is done to each path.
    """

    layer: Layer
    nodes: tuple[NDArray[np.int64], ...]
    targets: NDArray[np.int64]
    intervention: Intervention

    def connected(self) -> NDArray[np.bool_]:
        """Return whether the layer has a path from a node to a target, `[nodes, targets]`."""
        of_target = self.layer.group_of_children()[self.targets]
        of_parent = self.layer.group_of_parents()
        return np.array([np.isin(of_target, of_parent[features]) for features in self.nodes]).reshape(
            len(self.nodes), len(self.targets)
        )


class Engine(Protocol):
    """Runs a model, and runs it under interventions.

    Attributes:
        name: the engine's name, as recorded.
        providers: execution providers in use.
    """

    name: str
    providers: tuple[str, ...]

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        ...

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise."""
        ...

    def outcomes(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, done: Callable[[int], None]) -> Floats:
        """Return the outcome under the intervention on each node, `[nodes, samples]`.

        Args:
            probe: the interventions.
            x: inputs, `[samples, ...]`.
            outcome: the scalar of the class scores.
            done: called with the number of interventions just finished.
        """
        ...
