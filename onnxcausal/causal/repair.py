"""Which interventions to make permanent (Ahmad et al. 2023, sec. 6; docs/method.md, "Repair").

Masking whatever speaks against a class raises its recall at the cost of the others. A node is therefore worth masking
as far as its removal helps the classes that are repaired, less what it costs every class that is protected; and a node
necessary to any of them is never masked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.route import Route
from onnxcausal.causal.significance import Role


class Stage(StrEnum):
    """Which nodes may be masked."""

    NOISY = "noisy"
    """Those that are noisy in the graph of a class that is repaired."""
    FREE = "free"
    """Those, and all that are necessary to no class: minor and neutral nodes too. Dead ones change nothing."""


class Aim(StrEnum):
    """What a repair is to raise."""

    CLASS_ACCURACY = "class-accuracy"
    """The accuracy on the samples of the classes that are repaired."""
    OVERALL = "overall"
    """The accuracy over all samples."""
    FIX_CONFUSION = "fix-confusion"
    """The share of one class's samples that are not decided as another class."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that may be masked.

    Attributes:
        layer: the layer whose parent it is.
        node: its index.
        stage: the narrowest stage that takes it.
        gain: how much its removal helps the classes that are repaired, in nats of log-probability summed over them.
        cost: how much it costs the other protected classes, alike, at least 0.
    """

    layer: str
    node: int
    stage: Stage
    gain: float
    cost: float

    @property
    def worth(self) -> float:
        """What is left of the gain, in nats."""
        return self.gain - self.cost


def free_nodes(routes: Iterable[Route], layer: str, nodes: int) -> NDArray[np.int64]:
    """Return the nodes of a layer that are necessary to none of the classes, ascending.

    Args:
        routes: causal graphs of the classes that are repaired or protected.
        layer: the layer's name.
        nodes: how many nodes it has.
    """
    steps = [step for route in routes if (step := route.step(layer)) is not None]
    return np.setdiff1d(np.arange(nodes), np.concatenate([np.empty(0, np.int64), *(step.necessary for step in steps)]))


def stages_of(routes: Sequence[Route], layer: str, nodes: NDArray[np.int64]) -> list[Stage]:
    """Return the narrowest stage of some nodes of a layer.

    Args:
        routes: causal graphs of the classes that are repaired.
        layer: the layer's name.
        nodes: the nodes.
    """
    steps = [step for route in routes if (step := route.step(layer)) is not None]
    noisy = set(np.concatenate([np.empty(0, np.int64), *(step.having(Role.NOISY) for step in steps)]).tolist())
    return [Stage.NOISY if node in noisy else Stage.FREE for node in nodes.tolist()]


def gains_and_costs(effects: Mapping[int, Floats], repaired: Mapping[int, float]) -> tuple[Floats, Floats]:
    """Return what removing each node helps, and what it costs, `[nodes]` each.

    Args:
        effects: mean effect of removing each node on the log-probability of the right class, `[nodes]`, by class: the
            classes that are repaired, and all that are protected.
        repaired: how much each of the classes counts that are repaired.

    >>> effects = {0: np.array([0.5, 0.5]), 1: np.array([-0.2, 0.3])}
    >>> [held.tolist() for held in gains_and_costs(effects, {0: 1.0})]
    [[0.5, 0.5], [0.2, 0.0]]
    >>> [held.tolist() for held in gains_and_costs(effects, {0: 1.0, 1: 1.0})]
    [[0.3, 0.8], [0.0, 0.0]]
    """
    gains = np.sum([weight * effects[target] for target, weight in repaired.items()], axis=0)
    costs = [-np.minimum(held, 0) for target, held in effects.items() if target not in repaired]
    return np.asarray(gains), np.asarray(np.sum([np.zeros_like(gains), *costs], axis=0))


def best_first(candidates: Iterable[Candidate], stage: Stage) -> list[Candidate]:
    """Return the nodes that a stage takes and whose removal helps, those worth most first.

    One that costs more than it helps comes late: whether it is masked is for the loss of the protected classes to say.

    >>> found = [Candidate("a", 0, Stage.FREE, 0.2, 0.0), Candidate("a", 1, Stage.NOISY, 0.3, 0.2)]
    >>> [held.node for held in best_first(found, Stage.FREE)], [held.node for held in best_first(found, Stage.NOISY)]
    ([0, 1], [1])
    """
    taken = [held for held in candidates if held.gain > 0 and stage in (Stage.FREE, held.stage)]
    return sorted(taken, key=lambda held: (-held.worth, held.layer, held.node))


def portion_of_best(candidates: Sequence[Candidate], portion: float) -> dict[str, NDArray[np.int64]]:
    """Return the first portion of some candidates, at least one, by layer; nodes ascending.

    >>> found = [Candidate("b", 5, Stage.FREE, 0.3, 0.0), Candidate("a", 1, Stage.FREE, 0.2, 0.0)]
    >>> {layer: nodes.tolist() for layer, nodes in portion_of_best(found, 0.5).items()}
    {'b': [5]}
    """
    taken = candidates[: max(1, int(portion * len(candidates) + 0.5))] if candidates else ()
    layers = sorted({held.layer for held in taken})
    return {
        layer: np.sort(np.array([held.node for held in taken if held.layer == layer], np.int64)) for layer in layers
    }
