"""The result of an analysis and its file format."""

from onnxcausal.analysis.file import AnalysisFile, to_json
from onnxcausal.analysis.folder import check_folder, save, write_file
from onnxcausal.analysis.result import Analysis, LayerShape, Settings, Skipped

__all__ = [
    "Analysis",
    "AnalysisFile",
    "LayerShape",
    "Settings",
    "Skipped",
    "check_folder",
    "save",
    "to_json",
    "write_file",
]
