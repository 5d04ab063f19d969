"""The command line: arguments, progress, exit codes; no logic. Loads neither onnx nor ONNX Runtime by itself."""

from onnxcausal.cli.main import main

__all__ = ["main"]
