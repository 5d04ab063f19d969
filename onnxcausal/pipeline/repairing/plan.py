"""A plan of a repair, and the forms of a model that it makes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.masks import MeanRecord
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.repair import Stage
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.masking.masked import Masks, with_masks
from onnxcausal.onnxgraph.masking.masks import path_mask
from onnxcausal.onnxgraph.masking.mean_ablation import parent_means, shifts_of
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.heldout.subject import Subject

MOST_MEANT = 1000
"""Samples that means are over, in all; each class has one at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which nodes are masked, and how far.

    Attributes:
        stage: which nodes could be.
        portion: the share of those worth something that are.
        nodes: parents of each layer, ascending, by the layer's name.
        beta: factor on all their paths.
        replace: what stands in for what is taken.
    """

    stage: Stage
    portion: float
    nodes: Mapping[str, NDArray[np.int64]]
    beta: float
    replace: Replace

    @property
    def size(self) -> int:
        """How many nodes are masked."""
        return sum(map(len, self.nodes.values()))


class Masking:
    """Makes forms of a model with nodes masked."""

    def __init__(self, subject: Subject, means: Mapping[str, Floats]) -> None:
        """Take the model, and the mean of each layer's parents, `[parents]`, which may stand in for what is taken."""
        self._subject, self._means = subject, means

    def network(self, plan: Plan) -> Network:
        """Return the model with the nodes of a plan masked.

        Raises:
            ModelError: ONNX Runtime refuses the masked model.
        """
        network, wiring = self._subject.network, self._subject.prepared.wiring
        masks = masks_of(wiring, plan.nodes, plan.beta)
        shifts = shifts_of(network, wiring, masks, self._means) if plan.replace is Replace.MEAN else None
        return with_masks(network, masks, wiring, shifts=shifts)

    def means(self, plan: Plan) -> list[MeanRecord]:
        """Return the means that a plan's masks are replaced by, as they stand in a file."""
        if plan.replace is not Replace.MEAN:
            return []
        wiring = self._subject.prepared.wiring
        found = []
        for layer in wiring.flow.layers:
            if layer.name in plan.nodes and layer.name in self._means:
                features = np.sort(features_of(wiring, layer, plan.nodes[layer.name]))
                values = self._means[layer.name][features].tolist()
                found.append(MeanRecord(layer=layer.name, parents=features.tolist(), values=values))
        return found


def open_masking(subject: Subject, part: HeldOutSamples) -> Masking:
    """Return what masks nodes, with means over some samples of a part, about equally many of each class."""
    count = max(1, MOST_MEANT // len(part.positions))
    x = np.concatenate([part.of_class(target, count) for target in part.positions])
    return Masking(subject, parent_means(subject.network, subject.prepared.wiring, x))


def masks_of(wiring: Wiring, nodes: Mapping[str, NDArray[np.int64]], beta: float) -> Masks:
    """Return the masks that multiply all paths of some nodes by a factor."""
    found = {}
    for layer in wiring.flow.layers:
        if layer.name in nodes:
            features = features_of(wiring, layer, nodes[layer.name])
            found[layer.name] = path_mask(layer, features, np.arange(layer.children), beta)
    return found


def features_of(wiring: Wiring, layer: Layer, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the parent features that some nodes are."""
    return np.concatenate([wiring.flow.nodes[layer.name][node] for node in nodes])
