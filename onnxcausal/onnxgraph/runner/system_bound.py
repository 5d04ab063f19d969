"""A bound that the operating system holds the memory of this process to, as far as it has one that counts what matters.

Linux bounds what a process may write to (`RLIMIT_DATA`): mapped files of weights do not count, memory that is asked
for does, before it is filled. Stacks of threads count too, though they are hardly used, so that room for those of each
session is added. Elsewhere there is no such bound.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from mmap import mmap
from os import cpu_count
from threading import Lock

import psutil

if sys.platform == "linux":
    import resource
    from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE

STACK = 8 * 2**20
"""Bytes of a thread's stack, where the system does not say."""
UNLIMITED = 2**60
"""From here on a stack's limit is none."""
TRIED = 2**24
"""Bytes that are left when the bound is tried, and a part of those that are asked for then."""
LIBRARIES, GAPS = 2**28, 4
"""Bytes that libraries which are loaded on the way may take beside the work, and the part of the work that is added:
memory that was given back stays in the heap, between what is in use, and counts."""


@dataclass(slots=True)
class _Held:
    """What this process is held to.

    Attributes:
        jobs: how many jobs run under it, the first of which set it.
        most: bytes it may take, but for stacks of threads that start later.
        ceiling: what that is never raised above.
        threads: how many there were.
        before: the limit that is set again in the end, which is never exceeded; -1 for none.
    """

    jobs: int = 0
    most: int = 0
    ceiling: int = 0
    threads: int = 0
    before: int = 0


_HELD, _LOCK = _Held(), Lock()


@cache
def has_bound() -> bool:
    """Whether the operating system has such a bound, and keeps it: it is tried once, as some only pretend to."""
    if sys.platform != "linux":
        return False
    before = resource.getrlimit(resource.RLIMIT_DATA)
    least = int(psutil.Process().memory_info().data) + TRIED
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (least, before[1]))
        mmap(-1, 4 * TRIED, MAP_PRIVATE | MAP_ANONYMOUS, PROT_READ | PROT_WRITE).close()
    except (OSError, ValueError):  # the limit that there is may be lower still
        return True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    return False


@contextmanager
def memory_bound(allowed: int | None, free: int) -> Iterator[None]:
    """Bound what this process may take from now on; inside another bound that one stays.

    Args:
        allowed: bytes beside what it has now; None bounds nothing.
        free: bytes that are free, of which more may be allowed later.
    """
    if allowed is None or not has_bound():
        yield
        return
    with _LOCK:
        _HELD.jobs += 1
        if _HELD.jobs == 1:
            most = allowed + allowed // GAPS + LIBRARIES
            _begin(most, max(most, free + LIBRARIES))
    try:
        yield
    finally:
        with _LOCK:
            _HELD.jobs -= 1
            if not _HELD.jobs:
                _set(_HELD.before)


def bound_for_good(allowed: int) -> None:
    """Bound what this process, which was started for one job, may take beside what it has now, to its end."""
    with _LOCK:
        _HELD.jobs += 1
        _begin(allowed, allowed)
        _HELD.before = -1  # that of the process which started this one is its own
        _set(_HELD.most)


def allow_more(size: int) -> None:
    """Raise the bound, for a model's own weights, as far as memory is free; nothing where there is no bound."""
    with _LOCK:
        _HELD.most = min(_HELD.most + size, _HELD.ceiling)
    _fit(0)


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
            _set(_HELD.most + max(0, threads) * stack_size())


def _begin(allowed: int, ceiling: int) -> None:
    if sys.platform == "linux":
        process = psutil.Process()
        _HELD.before = resource.getrlimit(resource.RLIMIT_DATA)[0]
        held = int(process.memory_info().data)
        _HELD.most, _HELD.ceiling, _HELD.threads = held + allowed, held + ceiling, process.num_threads()
        _set(_HELD.most)


def _set(limit: int) -> None:
    """Set the limit, as far as whoever started this process allows."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        fewest = [size for size in (limit, _HELD.before, hard) if size != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(fewest, default=resource.RLIM_INFINITY), hard))


def stack_size() -> int:
    """Return the bytes that the stack of a thread takes."""
    size = resource.getrlimit(resource.RLIMIT_STACK)[0] if sys.platform == "linux" else STACK
    return size if 0 < size < UNLIMITED else STACK
