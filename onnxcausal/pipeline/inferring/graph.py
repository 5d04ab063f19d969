"""The causal graph of one class: layer by layer, from the outcome upwards (Ahmad et al. 2023, alg. 1).

Of a layer that is left out nothing is known but where its children flow. So that nothing is guessed, all its nodes that
have a path to its targets count as necessary where the targets of the layers above are found.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.flow import Flow, Targets
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.measure import Bench, LayerMeasurement, asked_of, measure
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.selection import Selection


def infer_graph(
    prepared: Prepared, target: int, chosen: Selection, progress: Progress, ledger: Checkpoint
) -> CausalGraph:
    """Return the causal graph of one class.

    Args:
        prepared: the model, its layers and flow, the engine and the settings.
        target: the class.
        chosen: samples of the class.
        progress: told what happens.
        ledger: keeps finished chunks.

    Raises:
        SamplesError: too few samples, or an outcome that is not finite.
    """
    engine, flow, settings = prepared.engine, prepared.wiring.flow, prepared.settings
    outcome = partial(outcome_of, target=target, kind=settings.outcome)
    entering = np.arange(prepared.classes.count) if settings.outcome.depends_on_every_class else np.array([target])
    observation = engine.observe(chosen.x, outcome)
    graph = CausalGraph(target, chosen.indices, observation.outcome, chosen.examined, chosen.correct, observation.floor)
    bench = Bench(engine, chosen.x, outcome, observation, ledger.of(target, chosen), progress)
    open_nodes: dict[str, NDArray[np.int64]] = {}
    for layer in reversed(flow.layers):
        targets = flow.targets(layer, {**graph.necessary, **open_nodes}, entering)
        if layer.name in prepared.left_out:
            open_nodes[layer.name] = leading_on(flow, layer, targets.children)
            graph = graph.with_layer(_left_out(flow, layer, targets))
            continue
        progress.layer(layer.name)
        if len(targets.children):
            probe = PathProbe(layer, flow.nodes[layer.name], targets.children, settings.beta)
            measured = measure(probe, bench, settings)
            result = _tested(probe, targets, measured, _links(flow, layer, targets, graph))
            result = replace(result, through=_through(flow, layer, open_nodes))
        else:
            result = _untested(flow, layer, targets)
            progress.skip(asked_of(len(flow.nodes[layer.name]), settings))
        graph = graph.with_layer(result)
    return graph


def leading_on(flow: Flow, layer: Layer, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the nodes of a layer that have a path to some of its children: while it is not tested, all may matter."""
    return np.flatnonzero(PathProbe(layer, flow.nodes[layer.name], targets).connected().any(axis=1))


def _through(flow: Flow, layer: Layer, open_nodes: Mapping[str, NDArray[np.int64]]) -> tuple[str, ...]:
    """Return the layers left out by which a layer has targets, from the outcome upwards."""
    nothing = np.empty(0, np.int64)
    return tuple(
        name for name, nodes in open_nodes.items() if len(flow.targets(layer, {name: nodes}, nothing).children)
    )


def _links(flow: Flow, layer: Layer, targets: Targets, graph: CausalGraph) -> tuple[tuple[str, int, int], ...]:
    """Return where the targets of a layer flow to: necessary nodes of the layers below."""
    necessary = {name: set(nodes.tolist()) for name, nodes in graph.necessary.items()}
    children = set(targets.children.tolist())
    return tuple(
        (below, child, node)
        for below, child, node in flow.node_links(layer)
        if child in children and node in necessary.get(below, ())
    )


def _tested(
    probe: PathProbe,
    targets: Targets,
    measured: LayerMeasurement,
    links: tuple[tuple[str, int, int], ...],
) -> LayerResult:
    """Return what interventions on every parent of one layer showed."""
    return LayerResult(
        name=probe.layer.name,
        targets=targets.children,
        flow=targets.kind,
        connected=probe.connected(),
        effects=measured.effects,
        verdicts=measured.verdicts,
        hidden=measured.hidden,
        links=links,
        to_outcome=targets.to_outcome,
    )


def _left_out(flow: Flow, layer: Layer, targets: Targets) -> LayerResult:
    """Return the result of a layer that nobody asked about."""
    return LayerResult(
        name=layer.name,
        targets=targets.children,
        flow=targets.kind,
        connected=np.empty((len(flow.nodes[layer.name]), 0), np.bool_),
        effects=None,
        verdicts=None,
        reason="left out",
        left_out=True,
    )


def _untested(flow: Flow, layer: Layer, targets: Targets) -> LayerResult:
    """Return the result of a layer that no route leads to."""
    below = sorted({link.consumer for link in flow.links[layer.name] if link.consumer is not None})
    return LayerResult(
        name=layer.name,
        targets=targets.children,
        flow=targets.kind,
        connected=np.empty((len(flow.nodes[layer.name]), 0), np.bool_),
        effects=None,
        verdicts=None,
        reason=f"not reached: no necessary node in {', '.join(below)}"
        if below
        else "not reached: no path leads from here to the outcome of this class",
    )
