"""What in an analysis's folder was made with another analysis of the same model: an earlier one, or one elsewhere."""

from contextlib import suppress
from pathlib import Path

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord
from onnxcausal.analysis.formats.evaluation import EvaluationFile, Protocol, read_evaluation
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256, read_analysis
from onnxcausal.analysis.formats.saved_maps import SavedMaps, read_maps
from onnxcausal.analysis.formats.settings_record import differing
from onnxcausal.analysis.formats.side_effects import RECORDS, SideEffectsFile, read_side_effects
from onnxcausal.analysis.result.explanation import ARCHIVE, necessary_nodes
from onnxcausal.causal.significance import Role
from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.reading import plain_file
from onnxcausal.report.page.assemble import analysis_of_page

PAGE_FILE = "report.html"
HEAD = 4096
"""Bytes at the beginning of a page that tell which model and analysis it is of."""
EVALUATIONS = "evaluation-*.json"
RUN = {"engine", "preprocess"}
"""Settings on which no graph depends, or that the data stand for."""
UNREADABLE = (ConfigError, OSError, MemoryError)
"""What a damaged file may be refused with."""


def evaluates(held: EvaluationFile, analysis: AnalysisFile) -> bool:
    """Return whether an evaluation is of the graphs of an analysis; the reliability protocol infers its own."""
    if held.protocol is Protocol.RELIABILITY:
        return True
    ours = {graph.target: graph.sample_indices for graph in analysis.graphs}
    same = (ours.get(target) == samples for target, samples in held.split.inferred_on.items())
    alike = not set(differing(held.settings, analysis.settings)) - RUN
    return alike and held.split.analysis_data_sha256 == analysis.data.sha256 and all(same)


def explains(held: SavedMaps, analysis: AnalysisFile) -> bool:
    """Return whether explanations are of the graphs of an analysis, as far as that is known."""
    ours = {graph.target: _necessary(graph) for graph in analysis.graphs}
    known = {target: maps.necessary.tolist() for target, maps in held.classes.items() if maps.necessary is not None}
    return all(ours.get(target) == nodes for target, nodes in known.items())


def repairs(held: SideEffectsFile, digest: str) -> bool:
    """Return whether masks were chosen by an analysis, or by none that is known."""
    return held.analysis_sha256 in (None, digest)


def left_behind(folder: Path) -> tuple[str, ...]:
    """Return the files in an analysis's folder that are of another analysis, by name; what cannot be read is none."""
    page = folder / PAGE_FILE
    evaluated, repaired = sorted(folder.glob(EVALUATIONS)), sorted(folder.glob(RECORDS))
    explained = folder / ARCHIVE
    if not (page.is_file() or explained.is_file() or evaluated or repaired):
        return ()
    digest, analysis = analysis_sha256(folder), read_analysis(folder)
    found = [page.name] if page.is_file() and _is_of_another(page, digest) else []
    for path in evaluated:
        with suppress(*UNREADABLE):
            found += [] if evaluates(read_evaluation(path), analysis) else [path.name]
    with suppress(*UNREADABLE):
        found += [] if not explained.is_file() or explains(read_maps(explained), analysis) else [explained.name]
    for path in repaired:
        with suppress(*UNREADABLE):
            found += [] if repairs(read_side_effects(path), digest) else [path.name]
    return tuple(found)


def _necessary(graph: GraphRecord) -> list[list[int]]:
    """Return the necessary nodes of a graph, as explanations keep them."""
    tested = (layer.nodes for layer in graph.layers if layer.nodes)
    found = necessary_nodes([node.index for node in nodes if node.role is Role.NECESSARY] for nodes in tested)
    return [[int(position), int(node)] for position, node in found]


def _is_of_another(page: Path, digest: str) -> bool:
    with suppress(OSError), plain_file(page) as file:
        return analysis_of_page(file.read(HEAD)) not in ("", digest)
    return False
