"""Interventions on one layer on one block of samples, run by a probe graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine.activations import Block
from onnxcausal.onnxgraph.engine.batching import divide
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan
from onnxcausal.onnxgraph.engine.interface import ScoresToOutcome
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.probe_session import Prober

SHUFFLE = 0
"""Seed of the order in which samples are laid out for the check."""


class UnfaithfulError(Exception):
    """A probe graph does not give the unmodified scores."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockRequest:
    """What is asked for on one block of samples.

    Attributes:
        route: how the layer is run.
        probe: the interventions.
        block: tensors of the unmodified model.
        data: the layer's data, which may be centred.
        active: which pairs of node and sample are to be run, `[nodes, samples]`.
        outcome: the scalar of the class scores.
    """

    route: ExecutionPlan
    probe: PathProbe
    block: Block
    data: NDArray[np.generic]
    active: NDArray[np.bool_]
    outcome: ScoresToOutcome

    @property
    def asked(self) -> int:
        """Samples from the first to the last with an active pair."""
        places = np.flatnonzero(self.active.any(axis=0))
        return int(places[-1] - places[0] + 1) if len(places) else 1

    def run(self, prober: Prober, null: Floats) -> Floats:
        """Return the effects of the active pairs, given the outcome of the null intervention; 0 for the others."""
        effects = np.zeros(self.active.shape)
        bound: slice | None = None
        for run in divide(self.active, prober.shape, fixed=prober.fixed):
            if run.window != bound:
                bound = run.window
                prober.bind(self.block.tensors, self.data, bound)
            scores = prober.run(self.probe.of(run.nodes), run.slots, run.samples - bound.start)
            effects[run.nodes[run.slots], run.samples] = self.outcome(scores) - null[run.samples]
        effects[np.abs(effects) <= (prober.noise or 0.0)] = 0.0
        return effects

    def sweep(self, prober: Prober, null: Floats, betas: Sequence[float], noise: float) -> Floats:
        """Return the effects of the active pairs for each factor, `[betas, nodes, samples]`; up to the noise 0."""
        effects = np.zeros((len(betas), *self.active.shape))
        for run in divide(self.active, prober.shape, fixed=prober.fixed):
            prober.bind(self.block.tensors, self.data, run.window)
            scores = prober.run(self.probe.of(run.nodes), run.slots, run.samples - run.window.start, betas)
            found = self.outcome(scores).reshape(len(betas), -1)
            effects[:, run.nodes[run.slots], run.samples] = found - null[run.samples]
        effects[np.array(betas) == 1] = 0.0
        effects[np.abs(effects) <= noise] = 0.0
        return effects

    def null(self, prober: Prober, plain: NDArray[np.floating], tolerance: float) -> NDArray[np.floating]:
        """Return the scores of the null intervention, which must be those of the unmodified model.

        The samples are laid out in another order than they were observed in: a tensor whose samples do not stand where
        they are thought to stand would else be put together again as it was, and nothing would show. Sees, once, how
        much a score depends on its sample's place in a run.

        Args:
            prober: the probe graph.
            plain: scores of the unmodified model on the block, `[samples, classes]`.
            tolerance: largest difference that rounding may cause.

        Raises:
            UnfaithfulError: they are not those of the unmodified model.
        """
        nothing = PathProbe.nothing(self.route.layer)
        scores = np.empty_like(plain)
        for run in divide(np.ones((1, len(plain)), np.bool_), prober.shape, fixed=prober.fixed):
            prober.bind(self.block.tensors, self.data, run.window)
            order = _shuffled(len(run.samples))
            places = (run.samples - run.window.start)[order]
            scores[run.samples[order]] = prober.run(nothing, run.slots, places)
            if prober.noise is None:
                again = prober.run(nothing, run.slots, np.sort(places))
                noise = float(np.abs(again - scores[np.sort(run.samples)]).max())
                _check(noise, tolerance)
                prober.noise = noise
        _check(float(np.abs(scores - plain).max()), tolerance)
        return scores

    def first_node(self) -> "BlockRequest":
        """Return the part with the first node alone that has an active pair."""
        few = np.zeros_like(self.active)
        first = int(self.active.any(axis=1).argmax())
        few[first] = self.active[first]
        return replace(self, active=few)

    def deviation(self, exact: Prober, effects: Floats) -> float:
        """Return how far effects are from those of an exact probe graph, at most."""
        nothing = np.zeros((self.active.shape[1], exact.classes))
        null = self.outcome(self.null(exact, nothing, np.inf))
        difference = self.run(exact, null) - effects
        return float(np.abs(difference[self.active]).max(initial=0.0))


def _shuffled(count: int) -> NDArray[np.int64]:
    """Return an order that is not the usual one."""
    order = np.random.default_rng(SHUFFLE).permutation(count)
    return order[::-1] if (order == np.arange(count)).all() else order


def _check(difference: float, tolerance: float) -> None:
    """Refuse scores that are further off than rounding explains."""
    if not difference <= tolerance:  # NaN too
        raise UnfaithfulError(f"its suffix on its own differs from the model by {difference:.3g}")
