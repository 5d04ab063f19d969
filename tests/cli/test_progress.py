"""Progress on a terminal and elsewhere."""

import io

import pytest

from onnxcausal.cli.progress import ConsoleProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def work(shown: ConsoleProgress, clock: list[float]) -> None:
    shown.begin(200)
    shown.target("3")
    shown.layer("fc\x1b[2J")
    for _ in range(50):
        clock[0] += 1
        shown.done(1)
    shown.skip(100)
    clock[0] += 10
    shown.done(0)
    shown.close()


def test_a_terminal_gets_one_line_with_the_time_left_that_is_removed(clock: list[float]) -> None:
    stream = Terminal()
    work(ConsoleProgress(stream), clock)
    lines = stream.getvalue().split("\r\x1b[K")
    assert lines[-1] == ""
    assert lines[-2] == " 50%  class 3 fc\ufffd[2J  50 of 100 interventions, 1:00 left"
    assert "\n" not in stream.getvalue()


def test_elsewhere_there_are_few_plain_lines(clock: list[float]) -> None:
    stream = io.StringIO()
    work(ConsoleProgress(stream), clock)
    assert stream.getvalue().startswith("  0%  class 3  0 of 200 interventions\n")
    assert stream.getvalue().count("\n") == 7
    assert "\r" not in stream.getvalue()


def test_quiet_writes_nothing_and_still_counts(clock: list[float]) -> None:
    stream = Terminal()
    shown = ConsoleProgress(stream, quiet=True)
    work(shown, clock)
    assert stream.getvalue() == ""
    assert shown.statistics() == {"interventions": 50, "seconds": 60.0, "interventions_per_second": 50 / 60}
