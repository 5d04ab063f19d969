"""What in an analysis's folder was made with another analysis of the same model: an earlier one, or one elsewhere."""

import hashlib
from contextlib import suppress
from pathlib import Path

from onnxcausal.analysis.evaluation import EvaluationFile, Protocol, read_evaluation
from onnxcausal.analysis.explanation import ARCHIVE
from onnxcausal.analysis.file import AnalysisFile
from onnxcausal.analysis.folder import ANALYSIS_FILE
from onnxcausal.analysis.read import read_analysis
from onnxcausal.analysis.savedmaps import SavedMaps, read_maps
from onnxcausal.analysis.sideeffects import RECORDS, SideEffectsFile, read_side_effects
from onnxcausal.errors import ConfigError
from onnxcausal.report.page.assemble import analysis_of_page

PAGE_FILE = "report.html"
HEAD = 4096
"""Bytes at the beginning of a page that tell which model and analysis it is of."""
EVALUATIONS = "evaluation-*.json"


def digest_of(path: Path) -> str:
    """Return the hash of the file that holds an analysis."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluates(held: EvaluationFile, analysis: AnalysisFile) -> bool:
    """Return whether an evaluation is of the graphs of an analysis; the reliability protocol infers its own."""
    if held.protocol is Protocol.RELIABILITY:
        return True
    ours = _samples(analysis)
    same = (ours.get(target) == samples for target, samples in held.split.inferred_on.items())
    return held.split.analysis_data_sha256 == analysis.data.sha256 and all(same)


def explains(held: SavedMaps, analysis: AnalysisFile) -> bool:
    """Return whether explanations are of the graphs of an analysis, as far as that is known."""
    ours = _samples(analysis)
    known = {target: maps.samples.tolist() for target, maps in held.classes.items() if maps.samples is not None}
    return all(ours.get(target) == samples for target, samples in known.items())


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
    digest, analysis = digest_of(folder / ANALYSIS_FILE), read_analysis(folder)
    found = [page.name] if page.is_file() and _is_of_another(page, digest) else []
    for path in evaluated:
        with suppress(ConfigError):
            found += [] if evaluates(read_evaluation(path), analysis) else [path.name]
    with suppress(ConfigError):
        found += [] if not explained.is_file() or explains(read_maps(explained), analysis) else [explained.name]
    for path in repaired:
        with suppress(ConfigError):
            found += [] if repairs(read_side_effects(path), digest) else [path.name]
    return tuple(found)


def _samples(analysis: AnalysisFile) -> dict[int, list[int]]:
    """Return the positions of the samples that each graph was inferred from."""
    return {graph.target: graph.sample_indices for graph in analysis.graphs}


def _is_of_another(page: Path, digest: str) -> bool:
    with page.open("rb") as file:
        shown = analysis_of_page(file.read(HEAD))
    return shown not in ("", digest)
