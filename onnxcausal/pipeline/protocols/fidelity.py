"""Fidelity: what masking the strongest nodes of every layer does to a class (Ahmad et al. 2023, sec. 5.3, fig. 10)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.evaluation import EstimateRecord
from onnxcausal.causal.route import Route
from onnxcausal.causal.significance import Role
from onnxcausal.evaluation.intervals import Estimate, mean_of, ratio_of
from onnxcausal.evaluation.maps import Floats
from onnxcausal.onnxgraph.masking.masked import Masks, weight_sizes, with_masks, without_nodes
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.heldout.subject import Subject, neurons
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.protocols.numbers import numbers, over_classes
from onnxcausal.samples.source import Inputs

CRITICAL, RANDOM, LARGEST, NOISY = "critical", "random", "largest weights", "noisy"
REPEATS = 5
"""Random choices that are averaged."""
MaskedNodes = Mapping[str, NDArray[np.int64]]
"""Nodes to mask, by layer."""


def fidelity(subject: Subject, portions: Sequence[float], count: int, progress: Progress) -> Iterator[EstimateRecord]:
    """Yield accuracy over that of the unmodified model, of the class and of the others, for each choice of nodes.

    A portion is of the necessary nodes of each layer; the controls mask as many nodes of each layer, or all noisy ones
    where there are fewer. What a layer reads from the input is no neuron and is never masked.

    Args:
        subject: what is evaluated.
        portions: shares of the necessary nodes.
        count: held-out samples of each class.
        progress: told what happens.
    """
    others = subject.others(count)
    whole: dict[tuple[str, str, float], list[Estimate]] = {}
    for route, own in subject.each(count, progress):
        target = route.target
        trial = _Trial(subject, target, own, others.beside(target))
        for portion in portions:
            for method, choices in _choices(subject, route, portion).items():
                masked = float(np.mean([sum(map(len, chosen.values())) for chosen in choices]))
                found = {**trial.accuracy(choices), "nodes masked": Estimate(masked, masked, masked, 1)}
                for measure, estimate in found.items():
                    whole.setdefault((method, measure, portion), []).append(estimate)
                    yield numbers(estimate, method, measure, target=target, at=portion)
    for (method, measure, portion), estimates in whole.items():
        mean = mean_of(over_classes(estimate.mean for estimate in estimates))
        yield numbers(mean, method, measure, at=portion)


def portion_of(portion: float, nodes: int) -> int:
    """Return how many nodes a portion is, rounded to the nearest, halves up.

    >>> portion_of(0.2, 12), portion_of(0.5, 1), portion_of(0.2, 2)
    (2, 1, 0)
    """
    return int(portion * nodes + 0.5)


class _Trial:
    """Measures masked models on the held-out samples of one class and of the others."""

    def __init__(self, subject: Subject, target: int, own: Inputs, others: Mapping[int, Inputs]) -> None:
        """Take the samples, and measure the unmodified model."""
        self._subject = subject
        self._target = target
        self._own, self._others = own, others
        self._before = self._right(subject.network)

    def accuracy(self, choices: Sequence[MaskedNodes]) -> dict[str, Estimate]:
        """Return accuracy over that of the unmodified model, averaged over choices of nodes, by measure."""
        wiring = self._subject.prepared.wiring
        each = [self._right(with_masks(self._subject.network, _masks(wiring, chosen), wiring)) for chosen in choices]
        found = {}
        for measure, before in self._before.items():
            if before.any():
                found[measure] = ratio_of(np.mean([right[measure] for right in each], axis=0), before)
        return found

    def _right(self, network: Network) -> dict[str, Floats]:
        """Return on which samples a model is right, 1 or 0, of the class and of the others."""
        own = self._subject.right(network, self._own, self._target)
        others = [self._subject.right(network, x, other) for other, x in self._others.items()]
        found = {"class accuracy": own.astype(np.float64)}
        return found | ({"other accuracy": np.concatenate(others).astype(np.float64)} if others else {})


def _choices(subject: Subject, route: Route, portion: float) -> dict[str, list[MaskedNodes]]:
    """Return the nodes that each method masks; several choices where chance decides."""
    wiring = subject.prepared.wiring
    counts = {
        step.layer: portion_of(portion, len(step.necessary)) for step in route.steps if step.layer in neurons(wiring)
    }
    layers = {layer.name: layer for layer in wiring.flow.layers}

    def chosen(pick: Callable[[str, int], NDArray[np.int64]]) -> MaskedNodes:
        return {name: pick(name, number) for name, number in counts.items() if number}

    def by_role(role: Role) -> MaskedNodes:
        return chosen(lambda name, number: _step(route, name, role)[:number])

    def largest(name: str, number: int) -> NDArray[np.int64]:
        sizes = weight_sizes(subject.network, layers[name])
        of_nodes = np.array([sizes[features].sum() for features in wiring.flow.nodes[name]])
        return np.argsort(-of_nodes, kind="stable")[:number]

    rng = np.random.default_rng([subject.prepared.settings.seed, route.target, 3])

    def drawn(name: str, number: int) -> NDArray[np.int64]:
        return rng.choice(len(wiring.flow.nodes[name]), number, replace=False)

    return {
        CRITICAL: [by_role(Role.NECESSARY)],
        RANDOM: [chosen(drawn) for _ in range(REPEATS)],
        LARGEST: [chosen(largest)],
        NOISY: [by_role(Role.NOISY)],
    }


def _step(route: Route, name: str, role: Role) -> NDArray[np.int64]:
    step = route.step(name)
    assert step is not None
    return step.having(role)


def _masks(wiring: Wiring, chosen: MaskedNodes) -> Masks:
    """Return the masks that remove nodes."""
    masks = {}
    for layer in wiring.flow.layers:
        nodes = chosen.get(layer.name, ())
        if len(nodes):
            masks[layer.name] = without_nodes(layer, np.concatenate([wiring.flow.nodes[layer.name][n] for n in nodes]))
    return masks
