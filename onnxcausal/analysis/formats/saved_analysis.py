"""Reading an analysis back from its folder."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from onnxcausal.analysis.formats.analysis_file import (
    EARLIER,
    FORMAT,
    AnalysisFile,
    GraphRecord,
    LayerRecord,
)
from onnxcausal.analysis.formats.output_folder import ANALYSIS_FILE
from onnxcausal.analysis.formats.reading import read_record
from onnxcausal.analysis.formats.settings_record import SettingsRecord, settings_by_key
from onnxcausal.analysis.formats.soundness import check_sound
from onnxcausal.causal.route import Route, Step
from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.reading import plain_file


def read_analysis(folder: Path) -> AnalysisFile:
    """Return the analysis in a folder, or in an `analysis.json` itself.

    Raises:
        ConfigError: there is none, it is damaged, of another format, or contradicts itself.
    """
    path = _file_of(folder)
    remedy = "name a folder that onnxcausal analyze wrote"
    record = read_record(path, AnalysisFile, FORMAT, what="analysis", remedy=remedy, earlier=EARLIER)
    check_sound(record, folder)
    return record


def analysis_sha256(folder: Path) -> str:
    """Return the hash of a saved analysis, from its folder or its file."""
    with plain_file(_file_of(folder)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def routes_of(analysis: AnalysisFile) -> tuple[Route, ...]:
    """Return the routes of all analysed classes."""
    return tuple(_route(graph) for graph in analysis.graphs)


def settings_sha256(settings: SettingsRecord) -> str:
    """Return a hash of an analysis's settings."""
    return hashlib.sha256(json.dumps(settings_by_key(settings), sort_keys=True).encode()).hexdigest()


def check_model(analysis: AnalysisFile, sha256: str, where: str) -> None:
    """Refuse the analysis of another model.

    Args:
        analysis: the analysis.
        sha256: hash of the model at hand.
        where: the analysis's folder.

    Raises:
        ConfigError: the hashes differ.
    """
    if analysis.model.sha256 != sha256:
        raise ConfigError(
            "the analysis is of another model",
            where=where,
            why=f"it is of {analysis.model.file} with the hash {analysis.model.sha256}; this model has {sha256}",
            remedy="analyse this model, or name the analysis that belongs to it",
        )


def check_settings(analysis: AnalysisFile, asked: Mapping[str, object], where: str) -> None:
    """Refuse an analysis made with other settings than those asked for.

    Args:
        analysis: the analysis.
        asked: settings that must hold, as `analysis.json` records them.
        where: the analysis's folder.

    Raises:
        ConfigError: one of them differs.
    """
    held = settings_by_key(analysis.settings)
    other = [name for name, value in asked.items() if held.get(name) != value]
    if other:
        wanted = TypeAdapter(SettingsRecord).validate_python(held | dict(asked))
        name = other[0]
        raise ConfigError(
            "the analysis was made with other settings",
            where=where,
            why=f"{name} was {held.get(name)!r}, asked for is {asked[name]!r} (hash of its settings "
            f"{settings_sha256(analysis.settings)}, of those asked for {settings_sha256(wanted)})",
            remedy="leave the setting out, or analyse with it",
        )


def _file_of(folder: Path) -> Path:
    """Return the file of a saved analysis, of which the folder or the file itself is named."""
    return folder / ANALYSIS_FILE if folder.is_dir() else folder


def _route(graph: GraphRecord) -> Route:
    steps = tuple(_step(layer) for layer in graph.layers if layer.nodes)
    left_out = frozenset(layer.name for layer in graph.layers if layer.left_out)
    return Route(graph.target, np.array(graph.sample_indices, np.int64), steps, left_out)


def _step(layer: LayerRecord) -> Step:
    ate = np.array([np.nan if node.ate is None else node.ate for node in layer.nodes])
    return Step(layer.name, np.array(layer.targets, np.int64), ate, tuple(node.role for node in layer.nodes))
