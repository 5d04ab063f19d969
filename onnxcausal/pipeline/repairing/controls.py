"""What a repair changes on samples it was not chosen on, beside as many nodes chosen otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.change import holm
from onnxcausal.evaluation.accuracy_change import SIGNIFICANT, change_of
from onnxcausal.onnxgraph.masking.masked import weight_sizes
from onnxcausal.pipeline.heldout.changes import SideEffects, side_effects
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decided_by
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.repairing.objective import Objective
from onnxcausal.pipeline.repairing.plan import Masking, Plan

REPEATS = 10
"""Random choices that are averaged."""
RANDOM, SMALLEST = "random nodes", "smallest weights"


@dataclass(frozen=True, slots=True)
class Control:
    """As many nodes chosen otherwise, masked alike; means over the choices.

    Attributes:
        method: how they are chosen.
        repeats: how many choices.
        overall: change of the accuracy over all samples.
        classes: change of the accuracy of each class.
        gains: choices that help the repaired classes significantly.
        losses: choices that harm a protected class significantly.
        value: change of what is to be raised.
        best: the same of the choice that raises it most.
    """

    method: str
    repeats: int
    overall: float
    classes: Mapping[int, float]
    gains: int
    losses: int
    value: float
    best: float


def broken(found: SideEffects, objective: Objective, most_lost: float) -> list[int]:
    """Return the protected classes of which a loss beyond a bound cannot be excluded (one-sided, level 0.95)."""
    return [
        target
        for target in objective.protected
        if target not in found.classes or found.classes[target].least() < -most_lost
    ]


def controls(
    subject: Subject,
    objective: Objective,
    part: HeldOutSamples,
    plan: Plan,
    before: Decisions,
    *,
    free: Mapping[str, NDArray[np.int64]],
    masking: Masking,
) -> Iterator[Control]:
    """Yield what masking as many nodes of the same layers does, chosen at random or by the size of their weights.

    They are chosen among the same nodes: those that no spared class needs.

    Args:
        subject: what is repaired.
        objective: what for.
        part: the samples to report on.
        plan: the plan that is compared.
        before: what the unmodified model decides there.
        free: nodes of each layer to choose among, by the layer's name.
        masking: masks nodes.
    """
    rng = np.random.default_rng([subject.prepared.settings.seed, 11])
    for method, choices in (
        (RANDOM, [_drawn(free, plan, rng) for _ in range(REPEATS)]),
        (SMALLEST, [_smallest(subject, free, plan)]),
    ):
        found, values, proven = [], [], []
        for nodes in choices:
            after = decided_by(subject, masking.network(replace(plan, nodes=nodes)), part)
            found.append(side_effects(before, after))
            change = change_of(objective.hits(before), objective.hits(after))
            values.append(change.difference)
            proven.append(change.difference > 0 and change.p < SIGNIFICANT)
        yield Control(
            method=method,
            repeats=len(found),
            overall=float(np.mean([each.overall.difference for each in found])),
            classes={
                target: float(np.mean([each.classes[target].difference for each in found]))
                for target in found[0].classes
            },
            gains=sum(proven),
            losses=sum(bool(losses(each, objective)) for each in found),
            value=float(np.mean(values)),
            best=max(values),
        )


def losses(found: SideEffects, objective: Objective) -> list[int]:
    """Return the protected classes that are significantly worse (McNemar's exact test, Holm's correction)."""
    held = [target for target in objective.protected if target in found.classes]
    p = holm(np.array([found.classes[target].p for target in held]))
    return [
        target
        for target, value in zip(held, p.tolist(), strict=True)
        if value < SIGNIFICANT and found.classes[target].difference < 0
    ]


def _drawn(free: Mapping[str, NDArray[np.int64]], plan: Plan, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Return as many nodes of each layer, drawn by chance."""
    return {layer: np.sort(rng.choice(free[layer], len(held), replace=False)) for layer, held in plan.nodes.items()}


def _smallest(subject: Subject, free: Mapping[str, NDArray[np.int64]], plan: Plan) -> dict[str, NDArray[np.int64]]:
    """Return as many nodes of each layer, those of the smallest weights."""
    wiring = subject.prepared.wiring
    found = {}
    for layer in wiring.flow.layers:
        if layer.name in plan.nodes:
            sizes = weight_sizes(subject.network, layer)
            nodes = free[layer.name]
            of_nodes = np.array([sizes[wiring.flow.nodes[layer.name][node]].sum() for node in nodes])
            least = np.argsort(of_nodes, kind="stable")[: len(plan.nodes[layer.name])]
            found[layer.name] = np.sort(nodes[least])
    return found
