"""The groups of channels that a compression chooses from, in the order in which they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.causal.compression import Members, Order, cheapest_first, part_costs, removal_costs, sparing
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.probability import log_probabilities
from onnxcausal.causal.task import Task
from onnxcausal.errors import NothingToAnalyseError
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.original.layers import every_layer_in_file
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import Group, removable_groups
from onnxcausal.onnxgraph.pruning.weight_norms import child_sizes
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.heldout.subject import FEWEST, Subject
from onnxcausal.pipeline.preparing.provenance import reading_of
from onnxcausal.pipeline.progress import Progress

MOST_SAMPLES = 2000
"""Samples on which effects are measured, over all classes; each class has `FEWEST` at least."""


@dataclass(frozen=True, slots=True, eq=False)
class RemovableChannels:
    """Groups of channels that can go.

    Attributes:
        groups: the groups.
        members: the nodes of the analysis that go with each.
        parents: the parents that go with each.
        sizes: how many parents each layer has.
    """

    groups: tuple[Group, ...]
    members: tuple[Members, ...]
    parents: tuple[Members, ...]
    sizes: dict[str, int]

    def spared(self, order: Order) -> Order:
        """Return an order without the groups that would leave a layer without any parent."""
        return sparing(order, self.parents, self.sizes)


def find_channels(original: Original, subject: Subject) -> RemovableChannels:
    """Return the groups of channels that can go, all of whose nodes are known to the analysis, in layers it tests.

    Raises:
        NothingToAnalyseError: there are none.
    """
    prepared = subject.prepared
    reading = reading_of(prepared.origin)
    groups, members = [], []
    for group in removable_groups(original, output=reading.output, task=reading.task):
        nodes = _nodes_of(subject, group)
        if nodes is not None:
            groups.append(group)
            members.append(nodes)
    if not groups:
        raise NothingToAnalyseError(
            "no channel can be removed",
            where=original.model.name,
            why="no channel that a layer makes is read by layers alone that can do without it"
            + (f", and of which none was left out ({listed(prepared.left_out)})" if prepared.left_out else ""),
            remedy="see onnxcausal inspect for what stands between the layers",
        )
    parents = tuple({layer: np.array(held, np.int64) for layer, held in group.parents} for group in groups)
    sizes = {layer.name: layer.parents for layer in prepared.wiring.flow.layers}
    return RemovableChannels(tuple(groups), tuple(members), parents, sizes)


def causal_order(channels: RemovableChannels, subject: Subject, part: HeldOutSamples, progress: Progress) -> Order:
    """Return the groups by what their removal costs all classes for each number that it saves, the cheapest first."""
    costs = _node_costs(channels, subject, part, progress)
    return channels.spared(
        cheapest_first(part_costs(costs, channels.members), [group.parameters for group in channels.groups])
    )


def magnitude_order(channels: RemovableChannels, original: Original, subject: Subject) -> Order:
    """Return the groups by the size of the weights that make them, the smallest first (L1; Li et al. 2017).

    The size of a child is set against the mean over its layer, so that layers are comparable; a group has the mean of
    its children.
    """
    reading = reading_of(subject.prepared.origin)
    index = index_graph(original.model.proto, original.model.opset)
    named = every_layer_in_file(original.model, output=reading.output, task=reading.task)
    layers = {layer.name: layer for layer in find_layers(index)} | named
    sizes = {}
    for name in {name for group in channels.groups for name, _ in group.children if name in layers}:
        found = child_sizes(index, layers[name])
        sizes[name] = found / max(float(found.mean()), float(np.finfo(np.float64).tiny))
    means = [
        np.mean([size for name, nodes in group.children if name in sizes for size in sizes[name][list(nodes)]] or [0.0])
        for group in channels.groups
    ]
    return channels.spared(np.argsort(means, kind="stable"))


def random_order(channels: RemovableChannels, rng: np.random.Generator) -> Order:
    """Return the groups in an order drawn by chance."""
    return channels.spared(rng.permutation(len(channels.groups)))


def _nodes_of(subject: Subject, group: Group) -> Members | None:
    """Return the nodes that the parents of a group are; None where those of a layer are not whole nodes."""
    nodes = subject.prepared.wiring.flow.nodes
    found = {}
    for layer, parents in group.parents:
        if layer not in nodes or layer in subject.prepared.left_out:
            return None
        wanted = set(parents)
        whole = [number for number, features in enumerate(nodes[layer]) if wanted.issuperset(features.tolist())]
        if sum(len(nodes[layer][number]) for number in whole) != len(wanted):
            return None
        found[layer] = np.array(whole, np.int64)
    return found


def _node_costs(
    channels: RemovableChannels, subject: Subject, part: HeldOutSamples, progress: Progress
) -> dict[str, Floats]:
    """Return what removing each node costs, by layer: measured on samples of every class, right or wrong.

    What stands in for its paths is what the run's settings say, as for every effect.
    """
    prepared = subject.prepared
    nodes = prepared.wiring.flow.nodes
    named = {layer for members in channels.members for layer in members}
    layers = [layer for layer in prepared.wiring.flow.layers if layer.name in named]
    count = max(FEWEST, min(prepared.settings.samples, MOST_SAMPLES // len(part.positions)))
    progress.begin(sum(len(nodes[layer.name]) for layer in layers) * len(part.positions))
    effects: dict[str, dict[int, Floats]] = {layer.name: {} for layer in layers}
    for target in part.positions:
        x = part.of_class(target, count)
        outcome = partial(
            _log_probability, target=target, task=prepared.settings.task, known=prepared.classes.are_probabilities
        )
        for layer in layers:
            progress.layer(layer.name)
            probe = PathProbe(layer, nodes[layer.name], np.arange(layer.children))
            effects[layer.name][target] = prepared.engine.effects(probe, x, outcome)
            progress.done(len(nodes[layer.name]))
    return {layer: removal_costs(held) for layer, held in effects.items()}


def parents_of(channels: RemovableChannels, chosen: Sequence[int]) -> dict[str, list[int]]:
    """Return the parents of each layer that go with some groups, ascending."""
    found: dict[str, set[int]] = {}
    for number in chosen:
        for layer, parents in channels.groups[number].parents:
            found.setdefault(layer, set()).update(parents)
    return {layer: sorted(parents) for layer, parents in found.items()}


def _log_probability(scores: NDArray[np.floating], target: int, *, task: Task, known: bool) -> Floats:
    """Return the log-probability of a class, `[samples]`."""
    return np.asarray(log_probabilities(scores, task, known=known)[:, target])
