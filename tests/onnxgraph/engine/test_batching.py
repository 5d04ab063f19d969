"""Dividing pairs of node and sample into runs."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays

from onnxcausal.onnxgraph.engine.batching import RunShape, divide, shape_of_runs


@given(
    active=arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    rows=st.integers(1, 40),
    fixed=st.booleans(),
)
def test_every_active_pair_is_run_once_within_the_shape(active: np.ndarray, rows: int, *, fixed: bool) -> None:
    shape = shape_of_runs(rows, *active.shape)
    assert shape.width * shape.height <= max(rows, 1)
    count = np.zeros(active.shape, int)
    for run in divide(active, shape, fixed=fixed):
        assert len(run.nodes) <= shape.width
        height = run.window.stop - run.window.start
        assert height == min(shape.height, active.shape[1]) if fixed else 0 < height <= shape.height
        assert ((run.samples >= run.window.start) & (run.samples < run.window.stop)).all()
        count[run.nodes[run.slots], run.samples] += 1
    np.testing.assert_array_equal(count, active)


def test_runs_are_of_like_size() -> None:
    windows = [run.window for run in divide(np.ones((1, 100), np.bool_), RunShape(1, 64))]
    assert windows == [slice(0, 50), slice(50, 100)]
    assert shape_of_runs(900, 10, 100) == RunShape(5, 180)


def test_only_the_samples_asked_for_are_at_hand() -> None:
    active = np.zeros((3, 100), np.bool_)
    active[:, 30:50] = True
    assert [run.window for run in divide(active, RunShape(3, 64))] == [slice(30, 50)]


def test_nothing_active_is_no_run() -> None:
    assert not list(divide(np.zeros((3, 4), np.bool_), RunShape(2, 2)))
