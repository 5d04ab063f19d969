"""Ending runs that take too long: whatever session is run, by a thread that watches all of them.

ONNX Runtime ends a run between two ops, also those in bodies. An op that does not end by itself can be ended with its
process alone: that is done where the process does nothing else.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep

import onnxruntime as ort

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.runner.available import FATAL_ONLY

TICK = 0.2
"""Seconds between two looks at the runs."""
GRACE = 10.0
"""Seconds that a run which was told to end may take to do so, where the process is ended else."""
THREAD = "onnxcausal watches runs"
"""Name of the thread."""


class StoppedError(ModelError):
    """A run of the model was stopped: it takes too long."""

    def __init__(self, where: str, longest: float) -> None:
        """Take the model's name and how many seconds it may take."""
        self.longest = longest
        super().__init__(
            "a run of the model was stopped",
            where=where,
            why=f"it did not end within {longest:g} s: on these samples the model is very slow, or never ends",
            remedy=f"if you trust the file, give it longer: --limits time={longest * 10:g}",
        )

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return how to make the error again in another process."""
        return partial(type(self), longest=self.longest), (self.where,)


@dataclass(frozen=True, slots=True)
class Watch:
    """How runs are watched.

    Attributes:
        longest: seconds that each may take.
        ends_process: end this process where a run does not end when it is told to.
    """

    longest: float
    ends_process: bool = False


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


@dataclass(slots=True, eq=False)
class _Run:
    """A run that is watched."""

    where: str
    watch: Watch
    options: ort.RunOptions
    since: float = field(default_factory=monotonic)


class _Watcher:
    """A thread that looks at the runs while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: set[_Run] = set()
        self._thread: threading.Thread | None = None

    def add(self, run: _Run) -> None:
        with self._lock:
            self._runs.add(run)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name=THREAD, daemon=True)
                self._thread.start()

    def remove(self, run: _Run) -> None:
        with self._lock:
            self._runs.discard(run)

    def _look(self) -> None:
        while True:
            sleep(TICK)
            with self._lock:
                if not self._runs:
                    self._thread = None
                    return
                runs = tuple(self._runs)
            for run in runs:
                over = monotonic() - run.since - run.watch.longest
                if over > 0:
                    run.options.terminate = True
                if over > GRACE and run.watch.ends_process:
                    end_process(StoppedError(run.where, run.watch.longest))


_WATCHER = _Watcher()


def end_process(error: ModelError) -> None:
    """End this process at once, with an error's message and exit code."""
    print(error, file=sys.stderr, flush=True)  # noqa: T201  # nobody above can tell it any more
    os._exit(error.exit_code)


@contextmanager
def watched(watch: Watch | None) -> Iterator[None]:
    """Watch all runs that this thread makes inside; None leaves it as it is.

    Args:
        watch: how.
    """
    if watch is None:
        yield
        return
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


@contextmanager
def ending(where: str) -> Iterator[ort.RunOptions | None]:
    """Give the options of a run that is ended when it takes too long; None where runs are not watched.

    Args:
        where: the model's name, for the error.

    Raises:
        StoppedError: it was ended, in place of what ONNX Runtime raises then.
    """
    watch = _WATCH.get()
    if watch is None:
        yield None
        return
    options = ort.RunOptions()
    options.log_severity_level = FATAL_ONLY
    run = _Run(where, watch, options)
    _WATCHER.add(run)
    try:
        yield options
    except Exception as error:
        if options.terminate:
            raise StoppedError(where, watch.longest) from error
        raise
    finally:
        _WATCHER.remove(run)
