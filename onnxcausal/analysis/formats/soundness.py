"""Whether a saved analysis contradicts itself: what can be counted again in it is."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord, LayerRecord
from onnxcausal.analysis.formats.settings_record import SettingsRecord
from onnxcausal.analysis.result.layer_choice import left_out_of
from onnxcausal.errors import ConfigError

MOST_EXAMINED = 10**8
"""Samples of a class that an analysis may have tried; to compare shares of more takes longer the more there are."""


def check_sound(record: AnalysisFile, where: Path) -> None:
    """Refuse an analysis that cannot have been made.

    Raises:
        ConfigError: it contradicts itself.
    """
    problem = next(_contradictions(record), "")
    if problem:
        raise ConfigError(
            "the analysis contradicts itself",
            where=str(where),
            why=problem,
            remedy="analyse the model again",
        )


def _contradictions(record: AnalysisFile) -> Iterator[str]:
    """Yield what cannot be so."""
    targets = [graph.target for graph in record.graphs] + [entry.target for entry in record.skipped]
    if len(set(targets)) < len(targets):
        yield f"class {Counter(targets).most_common(1)[0][0]} is there twice"
    for entry in record.skipped:
        if (entry.examined or 0) > MOST_EXAMINED:
            yield f"class {entry.target}: {entry.examined} samples were tried"
        if entry.examined is not None and entry.correct is not None and entry.correct > entry.examined:
            yield f"class {entry.target}: {entry.correct} of {entry.examined} samples are right"
    others = [(graph.target, graph.rejected) for graph in record.graphs]
    for target, rejected in [*others, *((entry.target, entry.rejected) for entry in record.skipped)]:
        if rejected is not None and not rejected.correct <= rejected.examined <= MOST_EXAMINED:
            yield f"class {target}: {rejected.correct} of {rejected.examined} other samples are right"
    for graph in record.graphs:
        yield from (f"class {graph.target}: {told}" for told in _of_graph(graph, record.settings))
        for layer in graph.layers:
            yield from (f"class {graph.target}, {layer.name}: {told}" for told in _of_layer(layer))


def _of_graph(graph: GraphRecord, settings: SettingsRecord) -> Iterator[str]:
    if not len(set(graph.sample_indices)) == len(graph.sample_indices) == graph.samples:
        yield f"{graph.samples} samples at {len(set(graph.sample_indices))} positions"
    if not graph.samples <= graph.correct <= graph.examined:
        yield f"{graph.samples} samples of {graph.correct} right ones among {graph.examined}"
    if graph.examined > MOST_EXAMINED:
        yield f"{graph.examined} samples were tried"
    names = [layer.name for layer in graph.layers]
    if len(set(names)) < len(names):
        yield f"layer {Counter(names).most_common(1)[0][0]} is there twice"
        return
    try:
        asked = left_out_of(settings, {layer.name: layer.op_type for layer in reversed(graph.layers)})
    except ConfigError as error:
        yield f"the layers that it was asked for: {error.what}"
        return
    for layer in graph.layers:
        if bool(layer.left_out) is not (layer.name in asked):
            yield f"layer {layer.name} is {'' if layer.left_out else 'not '}left out, which its settings do not say"


def _of_layer(layer: LayerRecord) -> Iterator[str]:
    if layer.nodes and (
        len(layer.nodes) != layer.parents or any(node.index != place for place, node in enumerate(layer.nodes))
    ):
        yield f"{len(layer.nodes)} nodes are listed of {layer.parents} parents"
    if layer.left_out and layer.nodes:
        yield f"the layer was left out, and {len(layer.nodes)} nodes are listed"
    for node in layer.nodes:
        if node.ci is not None and not (node.ate is not None and node.ci[0] <= node.ate <= node.ci[1]):
            yield f"the effect of node {node.index} lies outside its interval"
