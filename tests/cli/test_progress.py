"""Progress on a terminal and elsewhere."""

import io
import re

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


def test_a_terminal_gets_one_line_with_the_time_left_that_is_removed(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    work(ConsoleProgress(stream), clock)
    *_, drawn = (line for line in stream.getvalue().split("\r") if "interventions" in line)
    told = re.sub(r"\x1b\[[0-9;]*[mK]", "", drawn).split("\n")[0]
    assert told == " 50%  class 3 fc\ufffd[2J  50 of 100 interventions, 1:00 left"
    assert re.search(r"\r\x1b\[1A\x1b\[2K$", stream.getvalue())  # up to the line, which is erased


def test_a_terminal_shows_notes_above_the_line_and_takes_nothing_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    shown = ConsoleProgress(stream)
    shown.begin(10)
    shown.target("[red]3[/red] :smile:")
    shown.done(1)
    shown.note("[bold]said[/bold] 17 \x1b[2J")
    shown.close()
    assert "[bold]said[/bold] 17 \ufffd[2J\n" in stream.getvalue()
    assert "[red]3[/red] :smile:" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


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
