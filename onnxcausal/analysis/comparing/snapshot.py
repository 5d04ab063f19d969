"""What an analysis knows when it is compared with another: its record, and the effect on every sample where kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord, LayerRecord, to_record
from onnxcausal.analysis.formats.output_folder import EFFECTS_FILE
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.formats.saved_effects import effects_in
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.change import LayerEffects
from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.archives import open_archive
from onnxcausal.filesystem.reading import why_unread


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An analysis as it is compared.

    Attributes:
        record: the content of `analysis.json`.
        effects: TE `[parents, samples]` by class and position of the layer; empty where only averages are known.
        observed: outcome without intervention, `[samples]`, by class; likewise.
        where: where it is from, for messages.
    """

    record: AnalysisFile
    effects: Mapping[tuple[int, int], Floats] = field(default_factory=dict)
    observed: Mapping[int, Floats] = field(default_factory=dict)
    where: str = ""

    def graph(self, target: int) -> GraphRecord | None:
        """Return the graph of a class; None where it has none."""
        return next((graph for graph in self.record.graphs if graph.target == target), None)

    def measured(self, graph: GraphRecord, position: int) -> LayerEffects:
        """Return the effects of the nodes of a layer, by its position in the graph."""
        samples = np.array(graph.sample_indices, np.int64)
        te = self.effects.get((graph.target, position))
        if te is None:
            return _from_intervals(graph.layers[position], graph.samples, samples, self.record.settings.alpha)
        table = EffectTable(te, np.zeros(te.shape[1]))
        return LayerEffects(table.ate, table.spread / np.sqrt(np.maximum(table.used, 1)), table.used, samples, te)

    def outcome(self, graph: GraphRecord) -> LayerEffects:
        """Return the outcome without intervention, as if it were the effect of one node."""
        held, count = graph.outcome, graph.samples
        observed = self.observed.get(graph.target)
        return LayerEffects(
            ate=np.array([held.mean]),
            error=np.array([held.sd / np.sqrt(count)]),
            used=np.array([count]),
            samples=np.array(graph.sample_indices, np.int64),
            te=None if observed is None else observed[None],
        )

    def without_effects(self) -> "Snapshot":
        """Return what `analysis.json` alone tells."""
        return Snapshot(self.record, where=self.where)


def snapshot_of(analysis: Analysis, where: str) -> Snapshot:
    """Return an analysis that was just made."""
    effects = {
        (graph.target, position): layer.effects.te
        for graph in analysis.graphs
        for position, layer in enumerate(graph.layers)
        if layer.effects is not None
    }
    observed = {graph.target: graph.observed for graph in analysis.graphs}
    return Snapshot(to_record(analysis), effects, observed, where)


def read_snapshot(path: Path) -> Snapshot:
    """Return the analysis in a folder, with its effects if they are there, or in an `analysis.json` alone.

    Raises:
        ConfigError: there is none, it is damaged or contradicts itself, or the effects belong to another analysis.
    """
    record = read_analysis(path)
    archive = path / EFFECTS_FILE if path.is_dir() else path.with_name(EFFECTS_FILE)
    beside = path.is_dir() or path.name == "analysis.json"
    if beside and os.path.lexists(archive):
        return Snapshot(record, *_read_effects(archive, record), where=str(path))
    return Snapshot(record, where=str(path))


def _read_effects(archive: Path, record: AnalysisFile) -> tuple[dict[tuple[int, int], Floats], dict[int, Floats]]:
    """Return effects and outcomes, which must have the averages that the record says."""
    found, observed = {}, {}
    try:
        with open_archive(archive) as held:
            for graph in record.graphs:
                outcome = effects_in(held, f"{graph.target}/observed", (graph.samples,))
                _check_outcome(outcome, graph)
                observed[graph.target] = outcome
                for position, layer in enumerate(graph.layers):
                    if not layer.nodes:
                        continue
                    shape = (len(layer.nodes), len(graph.sample_indices))
                    te = effects_in(held, f"{graph.target}/{position}", shape)
                    _check_effects(te, graph, layer)
                    found[graph.target, position] = te
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the effects cannot be read, or belong to another analysis",
            where=str(archive),
            why=why_unread(error),
            remedy="analyse the model again, or remove the file: averages are then compared alone",
        ) from error
    return found, observed


def _check_outcome(observed: Floats, graph: GraphRecord) -> None:
    if not np.isclose(observed.mean(), graph.outcome.mean, rtol=1e-9, atol=1e-12):
        raise ValueError(f"class {graph.target}: the mean outcome is not that of analysis.json")
    if not np.isclose(observed.std(ddof=1), graph.outcome.sd, rtol=1e-9, atol=1e-12):
        raise ValueError(f"class {graph.target}: the spread of the outcome is not that of analysis.json")


def _check_effects(te: Floats, graph: GraphRecord, layer: LayerRecord) -> None:
    recorded = np.array([np.nan if node.ate is None else node.ate for node in layer.nodes])
    ate = EffectTable(te, np.zeros(te.shape[1])).ate
    if not np.allclose(ate, recorded, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise ValueError(f"class {graph.target}, {layer.name}: the averages are not those of analysis.json")


def _from_intervals(layer: LayerRecord, count: int, samples: np.ndarray, alpha: float) -> LayerEffects:
    """Return averages and their standard errors, from the intervals at level 1 - alpha."""
    ate = np.array([np.nan if node.ate is None else node.ate for node in layer.nodes])
    half = np.array([np.nan if node.ci is None else (node.ci[1] - node.ci[0]) / 2 for node in layer.nodes])
    used = np.array([count if node.samples is None else node.samples for node in layer.nodes], np.int64)
    return LayerEffects(ate, half / stats.t.isf(alpha / 2, np.maximum(used - 1, 1)), used, samples)
