"""Which nodes a repair may mask, and what the removal of each is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.effects import estimate_effects
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.repair import Candidate, free_nodes, gains_and_costs, stages_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.repairing.objective import Objective

MOST_SAMPLES = 2000
"""Samples on which effects are measured, over all classes."""
LEAST_SAMPLES = 10
"""Samples of each class on which effects are measured, where it has so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Removals:
    """What removing nodes does, each on its own.

    Attributes:
        nodes: the nodes of each layer that were measured, by the layer's name.
        effects: mean effect of each, `[nodes]`, by layer and class, in the unit of the objective's outcome.
    """

    nodes: Mapping[str, NDArray[np.int64]]
    effects: Mapping[str, Mapping[int, Floats]]


def measure_removals(
    subject: Subject, objective: Objective, part: HeldOutSamples, layers: Sequence[Layer], progress: Progress
) -> Removals:
    """Return what removing all paths of each node does that is necessary to no class that is repaired or protected.

    The effect on the samples of every such class is measured, right or wrong: on the log-probability of the right
    class, or as the objective says. A class whose graph is not known protects its accuracy alone. What stands in for
    the paths is what the run's settings say, as for every effect.

    Args:
        subject: what is repaired.
        objective: what for.
        part: samples to choose on.
        layers: layers that may be masked.
        progress: told what happens.
    """
    prepared = subject.prepared
    nodes = prepared.wiring.flow.nodes
    kept = [subject.routes[target] for target in objective.spared]
    free = {layer.name: free_nodes(kept, layer.name, len(nodes[layer.name])) for layer in layers}
    count = max(LEAST_SAMPLES, min(prepared.settings.samples, MOST_SAMPLES // len(objective.protected)))
    progress.begin(sum(map(len, free.values())) * len(objective.protected))
    effects = {layer.name: dict[int, Floats]() for layer in layers}
    for target in objective.protected:
        x = part.of_class(target, count)
        outcome = partial(
            objective.outcome, target=target, task=subject.network.task, known=prepared.classes.are_probabilities
        )
        observation = prepared.engine.observe(x, outcome)
        for layer in layers:
            progress.layer(layer.name)
            chosen = tuple(nodes[layer.name][node] for node in free[layer.name])
            probe = PathProbe(layer, chosen, np.arange(layer.children))
            te = prepared.engine.effects(probe, x, outcome) if chosen else np.empty((0, len(x)))
            effects[layer.name][target] = estimate_effects(te, observation.outcome, observation.floor).ate
            progress.done(len(chosen))
    return Removals(free, effects)


def candidates_of(subject: Subject, objective: Objective, part: HeldOutSamples, removals: Removals) -> list[Candidate]:
    """Return the nodes that were measured, with what removing each gains and costs.

    Args:
        subject: what is repaired.
        objective: what for.
        part: samples to choose on.
        removals: what removing each node does.
    """
    repaired = [subject.routes[target] for target in objective.repaired]
    weights = {target: objective.weight(target, part) for target in objective.repaired}
    found = []
    for layer, nodes in removals.nodes.items():
        stages = stages_of(repaired, layer, nodes)
        gains, costs = (held.tolist() for held in gains_and_costs(removals.effects[layer], weights))
        found += [
            Candidate(layer, node, stage, gain, cost)
            for node, stage, gain, cost in zip(nodes.tolist(), stages, gains, costs, strict=True)
        ]
    return found
