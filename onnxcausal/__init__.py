"""Find by intervention which neurons of an ONNX model cause its decisions, with error control.

`analyze` is the main job; the command line `onnxcausal` does the same. Importing this package loads neither onnx nor
ONNX Runtime; using `analyze` does.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxcausal.pipeline.analyze import analyze

__all__ = ["__version__", "analyze"]

__version__ = version("onnxcausal")


def __getattr__(name: str) -> object:
    """Load the main job when it is first used."""
    if name == "analyze":
        from onnxcausal.pipeline.analyze import analyze  # noqa: PLC0415

        return analyze
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what there is to use."""
    return sorted(__all__)
