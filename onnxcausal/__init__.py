"""Find by intervention which neurons of an ONNX model cause its decisions, with error control.

`analyze` is the main job; `explain`, `evaluate`, `repair` and `compress` go on from its result. `apply`, `unmask` and
`verify` put masks into model files, take them out and prove what a file is; `compare` tells how two models differ. The
command line `onnxcausal` does the same. Importing this package loads neither onnx nor ONNX Runtime; using a job does.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxcausal.pipeline.analyze import analyze
    from onnxcausal.pipeline.apply import apply
    from onnxcausal.pipeline.compare import compare
    from onnxcausal.pipeline.compress import compress
    from onnxcausal.pipeline.evaluate import evaluate
    from onnxcausal.pipeline.explain import explain
    from onnxcausal.pipeline.preparing.machine import Machine
    from onnxcausal.pipeline.repair import repair
    from onnxcausal.pipeline.unmask import unmask
    from onnxcausal.pipeline.verify import verify

# Since 1.29 ONNX Runtime collects for its maker what models it opens (names, hashes, ops), unless this is set before
# its library is loaded: nothing that is analysed here is told to anyone. Processes started from here inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = [
    "Machine",
    "__version__",
    "analyze",
    "apply",
    "compare",
    "compress",
    "evaluate",
    "explain",
    "repair",
    "unmask",
    "verify",
]

__version__ = version("onnxcausal")

JOBS = ("analyze", "apply", "compare", "compress", "evaluate", "explain", "repair", "unmask", "verify")
"""Functions of the modules of their names."""
PLACES = {**{job: f"onnxcausal.pipeline.{job}" for job in JOBS}, "Machine": "onnxcausal.pipeline.preparing.machine"}
"""Modules of what is loaded when it is first used."""


def __getattr__(name: str) -> object:
    """Load a job, or what it takes, when it is first used."""
    if name in PLACES:
        return getattr(import_module(PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what there is to use."""
    return sorted(__all__)
