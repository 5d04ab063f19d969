"""A bound that the operating system holds the memory of this process to, as far as it has one that counts what matters.

Linux bounds what a process may write to (`RLIMIT_DATA`): mapped files of weights do not count, memory that is asked
for does, before it is filled. Stacks of threads count too, though they are hardly used, so that room for those of each
session is added. Elsewhere there is no such bound.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import cpu_count
from threading import Lock

import psutil

if sys.platform == "linux":
    import resource

STACK = 8 * 2**20
"""Bytes of a thread's stack, where the system does not say."""
UNLIMITED = 2**60
"""From here on a stack's limit is none."""
LIBRARIES = 2**28
"""Bytes that libraries which are loaded on the way may take beside the work."""


@dataclass(slots=True)
class _Held:
    """What this process is held to.

    Attributes:
        jobs: how many jobs run under it, the first of which set it.
        most: bytes it may take, but for stacks of threads that start later.
        threads: how many there were.
        before: the limit that is set again in the end.
    """

    jobs: int = 0
    most: int = 0
    threads: int = 0
    before: int = 0


_HELD, _LOCK = _Held(), Lock()


def has_bound() -> bool:
    """Whether the operating system has such a bound."""
    return sys.platform == "linux"


@contextmanager
def memory_bound(allowed: int | None) -> Iterator[None]:
    """Bound what this process may take from now on; inside another bound that one stays.

    Args:
        allowed: bytes beside what it has now; None bounds nothing.
    """
    if allowed is None or not has_bound():
        yield
        return
    with _LOCK:
        _HELD.jobs += 1
        if _HELD.jobs == 1:
            _begin(allowed + LIBRARIES)
    try:
        yield
    finally:
        with _LOCK:
            _HELD.jobs -= 1
            if not _HELD.jobs:
                _set(_HELD.before)


def bound_for_good(allowed: int) -> None:
    """Bound what this process may take beside what it has now, to its end."""
    with _LOCK:
        _HELD.jobs += 1
        _begin(allowed)


@contextmanager
def room_for_threads() -> Iterator[None]:
    """Leave room for the stacks of threads that a session starts."""
    _fit(cpu_count() or 1)
    try:
        yield
    finally:
        _fit(0)


def _fit(more: int) -> None:
    """Fit the bound to the threads there are, and so many more."""
    with _LOCK:
        if _HELD.jobs:
            threads = psutil.Process().num_threads() + more - _HELD.threads
            _set(_HELD.most + max(0, threads) * _stack())


def _begin(allowed: int) -> None:
    if sys.platform == "linux":
        process = psutil.Process()
        _HELD.before = resource.getrlimit(resource.RLIMIT_DATA)[0]
        _HELD.most, _HELD.threads = int(process.memory_info().data) + allowed, process.num_threads()
        _set(_HELD.most)


def _set(limit: int) -> None:
    """Set the limit, as far as whoever started this process allows."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        fewest = [size for size in (limit, _HELD.before, hard) if size != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(fewest, default=resource.RLIM_INFINITY), hard))


def _stack() -> int:
    size = resource.getrlimit(resource.RLIMIT_STACK)[0] if sys.platform == "linux" else STACK
    return size if 0 < size < UNLIMITED else STACK
