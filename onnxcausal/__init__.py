"""Find by intervention which neurons of an ONNX model cause its decisions, with error control.

`analyze` is the main job; the command line `onnxcausal` does the same. Importing this package loads neither onnx nor
ONNX Runtime; using `analyze` does.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxcausal.pipeline.analyze import analyze

__all__ = ["analyze"]


def __getattr__(name: str) -> object:
    """Load the main job when it is first used."""
    if name in __all__:
        from onnxcausal.pipeline.analyze import analyze  # noqa: PLC0415

        return analyze
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
