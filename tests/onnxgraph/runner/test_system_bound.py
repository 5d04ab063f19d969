"""The bound of the operating system on memory."""

import sys
from threading import Event, Thread

import psutil
import pytest

from onnxcausal.onnxgraph.runner import system_bound
from onnxcausal.onnxgraph.runner.system_bound import allow_more, has_bound, memory_bound, room_for_threads, stack_size

if sys.platform == "linux":
    import resource

pytestmark = pytest.mark.skipif(not has_bound(), reason="the system has no such bound")
GIB = 2**30


def limit() -> int:
    """Return what this process may take."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_more_than_allowed_is_refused_and_the_limit_is_as_before_afterwards() -> None:
    before = limit()
    with memory_bound(GIB, GIB):
        assert 0 < limit() < psutil.Process().memory_info().data + 2 * GIB
        assert len(bytearray(GIB // 2)) == GIB // 2
        with pytest.raises(MemoryError):
            bytearray(2 * GIB)
    assert limit() == before
    with pytest.raises(KeyError), memory_bound(GIB, GIB):
        raise KeyError
    assert limit() == before


def test_a_job_inside_a_job_stays_within_the_outer_bound() -> None:
    before = limit()
    with memory_bound(GIB, GIB):
        outer = limit()
        with memory_bound(8 * GIB, 8 * GIB):
            assert limit() == outer
        assert limit() == outer
    assert limit() == before


def test_nothing_is_bounded_where_nothing_is_asked_for() -> None:
    before = limit()
    with memory_bound(None, GIB):
        assert limit() == before
        allow_more(GIB)
        with room_for_threads():
            assert limit() == before
    assert limit() == before


def test_a_limit_that_was_set_before_is_never_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    least = psutil.Process().memory_info().data + GIB // 4
    resource.setrlimit(resource.RLIMIT_DATA, (least, before[1]))
    try:
        with memory_bound(4 * GIB, 4 * GIB):
            assert limit() == least
        assert limit() == least
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_more_is_allowed_as_far_as_it_is_free() -> None:
    with memory_bound(GIB, 2 * GIB):
        first = limit()
        allow_more(GIB // 2)
        assert limit() == first + GIB // 2
        allow_more(4 * GIB)
        assert limit() == first + GIB - GIB // 4  # a part of what is free was allowed beside it


def test_stacks_of_threads_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_bound, "cpu_count", lambda: 16)
    done = Event()
    threads = [Thread(target=done.wait, daemon=True) for _ in range(8)]
    with memory_bound(GIB, GIB):
        first, stack = limit(), stack_size()
        with room_for_threads():
            assert limit() == first + 16 * stack
            for thread in threads:
                thread.start()
        assert limit() == first + 8 * stack
        done.set()
        for thread in threads:
            thread.join()
