"""The bounds of a machine, within which every job runs."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import onnxcausal
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.runner.deadline import ending
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.provider import CUDA, Provider
from onnxcausal.onnxgraph.runner.system_bound import has_bound
from onnxcausal.pipeline import (
    analyze,
    apply,
    compare,
    compress,
    estimate,
    evaluate,
    explain,
    remeasure,
    repair,
    unmask,
    verify,
)
from onnxcausal.pipeline.preparing import machine
from onnxcausal.pipeline.preparing.machine import Machine, bounded

if sys.platform == "linux":
    import resource

DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"
GIB = 2**30
JOBS = (
    *(analyze.run, apply.run, compare.run, compress.run, evaluate.run, explain.run, repair.run, verify.run),
    *(estimate.estimate, remeasure.remeasure, unmask.unmask),
)
needs_bound = pytest.mark.skipif(not has_bound(), reason="the system has no bound on memory")


def limit() -> int:
    """Return what this process may take."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


@pytest.mark.parametrize("job", JOBS)
def test_every_job_that_runs_a_model_is_bounded(job: Callable[..., object]) -> None:
    assert job.__code__ is bounded(lambda: None).__code__


@needs_bound
def test_runs_are_watched_and_memory_is_bounded_inside_a_job_alone() -> None:
    before, seen = limit(), list[object]()

    @bounded
    def job(_: Machine, *, last: int) -> int:
        with ending("m.onnx") as options:
            seen.extend([options is not None, 0 < limit() < 2**50])
        return last

    assert job(Machine.of(memory="1GiB"), last=3) == 3
    assert seen == [True, True]
    with ending("m.onnx") as options:
        assert options is None
    assert limit() == before


@needs_bound
def test_a_trusted_file_is_not_bounded() -> None:
    before = limit()
    with Machine.of(memory="1GiB", limits="none").bounds(), ending("m.onnx") as options:
        assert options is None
        assert limit() == before


@needs_bound
@pytest.mark.parametrize("used", [Machine(provider=Provider(CUDA)), Machine(devices=(0,))])
def test_memory_is_not_bounded_where_a_device_is_used(used: Machine) -> None:
    before = limit()
    with used.bounds():
        assert limit() == before


@needs_bound
def test_a_device_that_is_used_unasked_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = limit()
    monkeypatch.setattr(machine, "why_not", lambda _: "")
    with Machine().bounds():
        assert limit() == before


@needs_bound
def test_memory_that_runs_out_in_python_is_told() -> None:
    with pytest.raises(ModelError, match="more memory than it may") as raised, Machine.of(memory="1GiB").bounds():
        np.ones(2**30)
    assert raised.value.exit_code == 3


def test_a_first_run_may_take_what_the_run_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 10 * GIB)
    assert Machine.of(limits="time=5,memory=2GiB", memory="1GiB").first_run == Limits(5, 2 * GIB)
    assert Machine.of(limits="time=5,memory=2GiB", memory="3GiB").first_run == Limits(5, 3 * GIB)
    assert Machine.of(limits="time=5,memory=2GiB").first_run == Limits(5, 6 * GIB)
    assert Machine.of(limits="none").first_run is None


@needs_bound
def test_an_analysis_leaves_no_limit_behind() -> None:
    before = limit()
    assert onnxcausal.analyze(DIGITS, targets=[3], samples=10).targets == (3,)
    assert limit() == before
