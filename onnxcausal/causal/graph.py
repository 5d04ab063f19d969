"""The causal explanatory graph of one target class (Ahmad et al. 2023, alg. 1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.screening import Hidden
from onnxcausal.causal.significance import Role, Verdicts


class FlowKind(StrEnum):
    """How surely the target children of a layer are known."""

    TRACKED = "tracked"
    """Every op between is an index map or acts channel by channel."""
    NORMALISED = "normalised"
    """A normalisation lies between, whose statistics mix channels a little."""
    UNTRACKED = "untracked"
    """A mixing or unknown op lies between: every child is a target."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerResult:
    """What the interventions on one layer showed for one target class.

    Attributes:
        name: the layer's name.
        targets: target children `T`, ascending; empty when no route leads here.
        flow: how surely the targets are known.
        connected: whether the layer's structure has a path from a parent to a target, `[parents, targets]`.
        effects: effects of every parent; None when there was no target.
        verdicts: roles of every parent; None when there was no target.
        links: where targets flow to: (layer below, target child, necessary node of that layer it becomes).
        to_outcome: targets that flow into the outcome itself, ascending.
        hidden: what the nodes that a budget left untested do jointly; None when every node was tested.
        reason: why the layer was not tested; empty when it was.
        left_out: whether it was not tested as nobody asked about it.
        through: layers left out that targets flow into; all their nodes that lead on count as necessary there.
    """

    name: str
    targets: NDArray[np.int64]
    flow: FlowKind
    connected: NDArray[np.bool_]
    effects: EffectTable | None
    verdicts: Verdicts | None
    links: tuple[tuple[str, int, int], ...] = ()
    to_outcome: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    hidden: Hidden | None = None
    reason: str = ""
    left_out: bool = False
    through: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[Role, ...]:
        """Role of every parent; empty when there was no target."""
        return () if self.verdicts is None else self.verdicts.roles

    @property
    def ate(self) -> Floats:
        """Average treatment effect of every parent, `[parents]`; empty when there was no target."""
        return np.empty(0) if self.verdicts is None else self.verdicts.ate

    @property
    def necessary(self) -> NDArray[np.int64]:
        """Indices of the necessary parents `J`, ascending."""
        return self.having(Role.NECESSARY)

    def having(self, role: Role) -> NDArray[np.int64]:
        """Return the indices of the parents that have a role, ascending."""
        return np.empty(0, np.int64) if self.verdicts is None else self.verdicts.having(role)

    def edges(self) -> Iterator[tuple[int, int]]:
        """Yield the graph's edges in this layer: (necessary parent, target child), connected pairs only."""
        for parent in self.necessary:
            for child in self.targets[self.connected[parent]]:
                yield int(parent), int(child)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Samples that are not of a class which is decided by itself, and on how many of them the model says so."""

    examined: int
    correct: int


@dataclass(frozen=True, slots=True, eq=False)
class CausalGraph:
    """The causal graph of one target class, layers from the outcome upwards.

    Attributes:
        target: index of the class.
        samples: positions in the data of the samples used, in the order of the columns of TE.
        observed: outcome of each sample without intervention, `[samples]`.
        examined: samples of the class the model was asked about until enough were found.
        correct: those it classified correctly.
        floor: largest effect that float noise may cause, in the outcome's unit.
        layers: results so far, from the outcome upwards.
        rejected: how many other samples are not taken for the class; None where classes compete.
    """

    target: int
    samples: NDArray[np.int64]
    observed: Floats
    examined: int
    correct: int
    floor: float
    layers: tuple[LayerResult, ...] = ()
    rejected: Rejected | None = None

    def with_layer(self, layer: LayerResult) -> "CausalGraph":
        """Return a graph that holds one more layer, above those it has."""
        return replace(self, layers=(*self.layers, layer))

    @property
    def necessary(self) -> Mapping[str, NDArray[np.int64]]:
        """Necessary parents of every layer so far, by the layer's name."""
        return {layer.name: layer.necessary for layer in self.layers}
