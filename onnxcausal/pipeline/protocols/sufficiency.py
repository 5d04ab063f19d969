"""Sufficiency: how well the graph's edges alone separate the class from the others (published code of Ahmad et al.).

The outcome of the class alone is no measure, as keeping what speaks for a class inflates it, nor is its accuracy: the
measure is the area under the ROC curve of the outcome, class against rest.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.evaluation import EstimateRecord
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.causal.route import Route
from onnxcausal.errors import ModelError
from onnxcausal.evaluation.discrimination import auroc
from onnxcausal.evaluation.intervals import Estimate, mean_of
from onnxcausal.onnxgraph.masking.masked import Masks, MeanContributions, edges_alone, with_masks
from onnxcausal.onnxgraph.masking.masks import mask_shape
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.inferring.graph import leading_on
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.protocols.numbers import numbers, over_classes
from onnxcausal.samples.source import Inputs

FULL, GRAPH, RANDOM = "full model", "graph", "random graph"
REPEATS = 5
"""Random graphs that are averaged."""
MEASURE = "AUROC"
EDGES = "share of edges"


def sufficiency(subject: Subject, count: int, progress: Progress) -> Iterator[EstimateRecord]:
    """Yield the AUROC of the full model, of the graph alone and of random graphs of its size, under both replacements.

    A random graph has as many nodes in each layer, drawn by chance, and the targets they lead to.

    Args:
        subject: what is evaluated.
        count: held-out samples of each class.
        progress: told what happens.
    """
    beside = subject.others(count)
    means = _mean_contributions(subject)
    whole: dict[tuple[str, str], list[Estimate]] = {}
    for route, own in subject.each(count, progress):
        others = np.concatenate(list(beside.beside(route.target).values()))
        for method, measure, estimate, at in _of_class(subject, route, own, others, means):
            whole.setdefault((method, measure), []).append(estimate)
            yield numbers(estimate, method, measure, target=route.target, at=at)
    for (method, measure), estimates in whole.items():
        yield numbers(mean_of(over_classes(estimate.mean for estimate in estimates)), method, measure)


def edge_masks(subject: Subject, kept: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Masks:
    """Return the masks that keep edges between nodes and targets alone, by layer; layers that are absent lose all.

    What was left out of the analysis stays whole: which of its edges are in the graph is not known.

    Args:
        subject: what is evaluated.
        kept: nodes and target children, by layer.
    """
    nodes = subject.prepared.wiring.flow.nodes
    masks = {}
    for layer in subject.prepared.tested:
        chosen, targets = kept.get(layer.name, (np.empty(0, np.int64), np.empty(0, np.int64)))
        if len(chosen) and len(targets):
            features = np.concatenate([nodes[layer.name][node] for node in chosen])
            masks[layer.name] = edges_alone(layer, features, targets)
        else:
            masks[layer.name] = np.zeros(mask_shape(layer))
    return masks


def share_of_edges(masks: Masks) -> float:
    """Return which share of all edges masks keep."""
    return sum(float(mask.sum()) for mask in masks.values()) / sum(mask.size for mask in masks.values())


def _of_class(
    subject: Subject,
    route: Route,
    own: Inputs,
    others: Inputs,
    means: MeanContributions | None,
) -> Iterator[tuple[str, str, Estimate, float]]:
    """Yield (method, measure, estimate, share of edges) of one class."""
    target = route.target

    def separation(network: Network) -> Estimate:
        kind = subject.prepared.settings.outcome
        return auroc(*(outcome_of(network.scores(x), target, kind) for x in (own, others)))

    yield FULL, MEASURE, separation(subject.network), 1.0
    graph = edge_masks(subject, {step.layer: (step.necessary, step.targets) for step in route.steps})
    rng = np.random.default_rng([subject.prepared.settings.seed, target, 4])
    random = [edge_masks(subject, _random_route(subject, route, rng)) for _ in range(REPEATS)]
    for replacement in Replace if means is not None else (Replace.ZERO,):
        for method, all_masks in ((GRAPH, [graph]), (RANDOM, random)):
            found = []
            for masks in all_masks:
                shifts = means(masks) if means is not None and replacement is Replace.MEAN else None
                found.append(separation(with_masks(subject.network, masks, subject.prepared.wiring, shifts=shifts)))
            share = float(np.mean([share_of_edges(masks) for masks in all_masks]))
            mean, low, high = np.mean([estimate[:3] for estimate in found], axis=0).tolist()
            yield f"{method}, {replacement.value}", MEASURE, Estimate(mean, low, high, found[0].n), share
            if replacement is Replace.ZERO:
                yield method, EDGES, Estimate(share, share, share, 1), share


def _random_route(
    subject: Subject, route: Route, rng: np.random.Generator
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return as many random nodes of each layer as the route has, and the targets they lead to."""
    flow, settings = subject.prepared.wiring.flow, subject.prepared.settings
    every = settings.outcome.depends_on_every_class
    entering = np.arange(subject.prepared.classes.count) if every else np.array([route.target])
    drawn: dict[str, NDArray[np.int64]] = {}
    kept = {}
    for layer in reversed(flow.layers):
        targets = flow.targets(layer, drawn, entering).children
        if layer.name in route.left_out:
            drawn[layer.name] = leading_on(flow, layer, targets)
            continue
        step = route.step(layer.name)
        number = 0 if step is None else len(step.necessary)
        drawn[layer.name] = np.sort(rng.choice(len(flow.nodes[layer.name]), number, replace=False))
        kept[layer.name] = (drawn[layer.name], targets)
    return kept


def _mean_contributions(subject: Subject) -> MeanContributions | None:
    """Return what replaces paths by their means; None where some layer has none."""
    prepared = subject.prepared
    try:
        return MeanContributions(subject.network, prepared.wiring, subject.reference(prepared.settings.samples))
    except ModelError as error:
        subject.left_out.append(f"nothing is replaced by its mean: {error.what}, {error.where}")
        return None
