"""Find by intervention which neurons of an ONNX model cause its decisions, with error control.

`analyze` is the main job; `explain` and `evaluate` go on from its result. The command line `onnxcausal` does the same.
Importing this package loads neither onnx nor ONNX Runtime; using a job does.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxcausal.pipeline.analyze import analyze
    from onnxcausal.pipeline.evaluate import evaluate
    from onnxcausal.pipeline.explain import explain

__all__ = ["__version__", "analyze", "evaluate", "explain"]

__version__ = version("onnxcausal")

JOBS = ("analyze", "evaluate", "explain")
"""Functions of the modules of their names."""


def __getattr__(name: str) -> object:
    """Load a job when it is first used."""
    if name in JOBS:
        return getattr(import_module(f"onnxcausal.pipeline.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what there is to use."""
    return sorted(__all__)
