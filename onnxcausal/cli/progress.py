"""Progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TYPE_CHECKING, TextIO

from onnxcausal.report.text import printable, shortened

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_SECONDS = 10.0
"""Shortest time between two plain lines."""


class ConsoleProgress:
    """Shows what a job does, how far it is and how long it will take; counts for the statistics."""

    def __init__(self, stream: TextIO = sys.stderr, *, quiet: bool = False) -> None:
        """Take the stream to write to; `quiet` writes nothing and only counts."""
        self._done = 0.0
        self._stream = stream
        self._quiet = quiet
        self._bar = _bar(stream) if stream.isatty() and not quiet else None
        self._started = self._drawn = time.monotonic()
        self._total = 0.0
        self._step = ["", ""]

    @property
    def interventions(self) -> int:
        """Interventions finished."""
        return round(self._done)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def begin(self, interventions: int) -> None:
        """Begin the job, of so many interventions at most."""
        self._total += interventions
        if self._bar is not None:
            self._bar.start()
            self._draw()

    def target(self, title: str) -> None:
        """Begin a class."""
        self._step = [f"class {printable(title)}", ""]
        if self._bar is None:
            self._write(self._line())

    def layer(self, name: str) -> None:
        """Begin a layer."""
        self._step[1] = shortened(name, 30)

    def done(self, interventions: float) -> None:
        """Count finished interventions, and draw if it is time."""
        self._done += interventions
        self._draw()

    def skip(self, interventions: float) -> None:
        """Count interventions that need not be made."""
        self._total -= interventions

    def note(self, text: str) -> None:
        """Write a line of its own."""
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False, emoji=False, soft_wrap=True)
        else:
            self._write(printable(text))

    def close(self) -> None:
        """Remove the line from a terminal."""
        if self._bar is not None:
            self._bar.stop()

    def statistics(self) -> dict[str, float]:
        """Return how many interventions were run, in how many seconds."""
        return {
            "interventions": self.interventions,
            "seconds": self.seconds,
            "interventions_per_second": self.interventions / self.seconds,
        }

    def _draw(self) -> None:
        """Tell the terminal's line how far the job is, or write a plain one if it is time."""
        if self._bar is not None:
            (task,) = self._bar.task_ids
            self._bar.update(task, description=self._line())
        elif time.monotonic() - self._drawn >= LINE_SECONDS:
            self._write(self._line())

    def _line(self) -> str:
        share = self.interventions / self._total if self._total else 0.0
        rest = f", {_clock(self.seconds * (1 - share) / share)} left" if share else ""
        step = " ".join(part for part in self._step if part)
        return f"{share:4.0%}  {step}  {self.interventions:,} of {self._total:,.0f} interventions{rest}"

    def _write(self, line: str) -> None:
        self._drawn = time.monotonic()
        if not self._quiet:
            self._stream.write(line + "\n")
            self._stream.flush()


def _bar(terminal: TextIO) -> "Progress":
    """Return a line of a terminal that tells of a job, not shown yet; nothing in it is taken for markup."""
    from rich.console import Console  # noqa: PLC0415  # --help must not load it
    from rich.progress import Progress, TextColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        console=Console(file=terminal),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("")
    return bar


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
