"""Runs that are watched."""

import pickle
import threading
from time import monotonic, sleep
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.runner import BoundSession, Runner, deadline, run_feeds, run_op
from onnxcausal.onnxgraph.runner.deadline import StoppedError, Watch, ending, watched
from onnxcausal.onnxgraph.runner.provider import CPU, Provider
from onnxcausal.onnxgraph.runner.single import run_samples
from onnxcausal.samples.source import InputSpec
from tests.support.hostile_parts import integers, model_of, op

SHORT, PATIENT = 0.5, 3600
X = np.ones((2, 3), np.float32)


def endless(*, in_branch: bool = False) -> onnx.ModelProto:
    """Return a model with a loop that never ends, if asked for in a branch of an If."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [op("Identity", ["go"], "go_"), op("Neg", ["v"], "v_")],
        "body",
        [value("trip", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("go_", TensorProto.BOOL, []), value("v_", TensorProto.FLOAT, None)],
    )
    name = "inner" if in_branch else "scores"
    loop = op("Loop", ["trips", "", "x"], name, body=body)
    trips = helper.make_tensor("trips", TensorProto.INT64, [], [2**62])
    if not in_branch:
        return model_of([loop], [trips])
    made = [value(name, TensorProto.FLOAT, None)]
    branch = helper.make_graph([loop], "branch", [], made)
    other = helper.make_graph([op("Identity", ["x"], name)], "other", [], made)
    ops = [
        op("Shape", ["x"], "sizes"),
        op("Gather", ["sizes", "zero"], "size"),
        op("Cast", ["size"], "any", to=TensorProto.BOOL),
        op("Squeeze", ["any"], "is_any"),
        op("If", ["is_any"], "scores", then_branch=branch, else_branch=other),
    ]
    return model_of(ops, [trips, integers("zero", 0)])


def by_runner(proto: onnx.ModelProto) -> None:
    """Run it as a network is run."""
    Runner(proto, InputSpec("x", (None, 3)), "m.onnx", Provider(CPU)).run(X, ["scores"])


def by_tensors(proto: onnx.ModelProto) -> None:
    """Run it as shapes are looked at."""
    Runner(proto, InputSpec("x", (None, 3)), "m.onnx", Provider(CPU)).trace(X, ["scores"])


def bound(proto: onnx.ModelProto) -> None:
    """Run it as suffixes are run."""
    session = BoundSession(proto, "m.onnx", Provider(CPU))
    session.put("x", X)
    session.run()


def by_feeds(proto: onnx.ModelProto) -> None:
    """Run it as forms of files are compared."""
    run_feeds(proto, "m.onnx", [{"x": X}])


def by_samples(proto: onnx.ModelProto) -> None:
    """Run it as first samples are tried."""
    run_samples(proto, "m.onnx", "x", [X])


def by_op(proto: onnx.ModelProto) -> None:
    """Run its loop as a single op."""
    run_op(proto.graph.node[0], [np.array(2**62), None, X], 17)


@pytest.mark.parametrize("run", [by_runner, by_tensors, bound, by_feeds, by_samples, by_op])
def test_every_kind_of_run_is_stopped(run: Any) -> None:
    with watched(Watch(SHORT)), pytest.raises(StoppedError) as raised:
        run(endless())
    assert "within 0.5 s" in raised.value.why
    assert "--limits time=5" in raised.value.remedy
    assert raised.value.exit_code == 3


def test_a_loop_in_a_branch_is_stopped() -> None:
    with watched(Watch(SHORT)), pytest.raises(StoppedError):
        by_runner(endless(in_branch=True))


def test_sessions_go_on_after_one_of_their_runs_was_stopped() -> None:
    quick = Runner(model_of([op("Neg", ["x"], "scores")]), InputSpec("x", (None, 3)), "m.onnx", Provider(CPU))
    for _ in range(2):
        with watched(Watch(SHORT)), pytest.raises(StoppedError):
            by_runner(endless())
        with watched(Watch(PATIENT)):
            np.testing.assert_array_equal(quick.run(X, ["scores"])[0], -X)


def test_runs_are_watched_inside_alone_and_each_by_its_own_limit() -> None:
    with ending("m.onnx") as options:
        assert options is None
    with watched(Watch(PATIENT)):
        with pytest.raises(StoppedError):
            fail_when_stopped()
        with watched(None), ending("m.onnx") as outer:
            sleep(2 * deadline.TICK)
            assert outer is not None
            assert not outer.terminate
        with pytest.raises(ValueError, match="own"), ending("m.onnx"):
            raise ValueError("own")


def fail_when_stopped() -> None:
    """Do as a session does whose run is told to end."""
    with watched(Watch(SHORT)), ending("m.onnx") as options:
        wait_for(lambda: options is not None and options.terminate)
        raise ValueError


def test_the_watching_thread_ends_when_there_is_nothing_to_watch() -> None:
    with watched(Watch(PATIENT)), ending("m.onnx"):
        (thread,) = [thread for thread in threading.enumerate() if thread.name == deadline.THREAD]
    thread.join(60)
    assert not thread.is_alive()
    with watched(Watch(SHORT)), ending("m.onnx") as options:
        wait_for(lambda: options is not None and options.terminate)


@pytest.mark.parametrize("ends", [True, False])
def test_a_run_that_does_not_end_ends_the_process_where_that_does_nothing_else(
    *, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Exception] = []
    monkeypatch.setattr(deadline, "GRACE", 0.1)
    monkeypatch.setattr(deadline, "end_process", ended.append)
    with watched(Watch(SHORT, ends_process=ends)), ending("m.onnx") as options:
        wait_for(lambda: bool(ended) if ends else options is not None and options.terminate)
        sleep(3 * deadline.TICK)
    assert bool(ended) is ends
    assert all(str(error).startswith("error: a run of the model was stopped") for error in ended)


def test_a_process_is_ended_with_the_message_and_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    error = StoppedError("m.onnx", 3.0)
    deadline.end_process(error)
    assert codes == [3]
    assert capsys.readouterr().err == f"{error}\n"


def test_the_error_is_the_same_in_another_process() -> None:
    error = StoppedError("m.onnx", 2.5)
    other = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (type(other), str(other), other.longest) == (StoppedError, str(error), 2.5)


def wait_for(holds: Any) -> None:
    """Wait until something holds, for a minute at most."""
    begin = monotonic()
    while not holds() and monotonic() - begin < 60:
        sleep(0.01)
    assert holds()
