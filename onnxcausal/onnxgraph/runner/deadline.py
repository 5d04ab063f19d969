"""Ending a run that takes too long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import onnxruntime as ort

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.runner.available import FATAL_ONLY


@contextmanager
def ending(longest: float | None) -> Iterator[ort.RunOptions | None]:
    """Give the options of a run that ONNX Runtime ends between two ops, also those in bodies, after some time.

    Args:
        longest: seconds; None for a run that may take any time, which needs no options.
    """
    if longest is None:
        yield None
        return
    options = ort.RunOptions()
    options.log_severity_level = FATAL_ONLY
    timer = threading.Timer(longest, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def stopped(where: str, longest: float | None, options: ort.RunOptions | None) -> ModelError | None:
    """Return the error for a run that was ended, if it was."""
    if longest is None or options is None or not options.terminate:
        return None
    return ModelError(
        "a run of the model was stopped",
        where=where,
        why=f"it did not end within {longest:g} s: on these samples the model is very slow, or never ends",
        remedy=f"if you trust the file, give it longer: --limits time={longest * 10:g}",
    )
