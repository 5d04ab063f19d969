"""Whether a saved analysis fits the model and the settings at hand."""

import os
from pathlib import Path

from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.saved_analysis import check_model, check_settings
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.pipeline.preparing.configuration import Configured, as_json, what_was_set
from onnxcausal.pipeline.preparing.data import in_full
from onnxcausal.pipeline.preparing.fitting import fitted


def check_saved(saved: AnalysisFile, model: Model, configured: Configured, where: str) -> None:
    """Refuse an analysis that is of another model, or made with settings other than those asked for."""
    check_model(saved, model.sha256, where)
    chosen = {
        key: value
        for key, value in as_json(configured.values.analysis).items()
        if key != "targets" and configured.given(f"analysis.{key}")
    }
    reading = what_was_set(in_full(configured.values, model).model)
    preprocess = what_was_set(fitted(configured.values, model).preprocess)
    # Of data that was taken as it is, no preprocessing is recorded.
    held = {"preprocess": preprocess} if saved.settings.preprocess else {}
    check_settings(saved, {**chosen, **held, "reading": reading}, where)


def is_analysis(path: Path) -> bool:
    """Return whether a path is of an analysis, and not of a model."""
    return os.path.isdir(path) or path.suffix == ".json"  # noqa: PTH112  # unlike Path, it takes any name
