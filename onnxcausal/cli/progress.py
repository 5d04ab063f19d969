"""Progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TextIO

from onnxcausal.report.text import printable, shortened

REDRAW_SECONDS = 0.1
"""Shortest time between two drawings on a terminal."""
LINE_SECONDS = 10.0
"""Shortest time between two plain lines."""


class ConsoleProgress:
    """Shows what a job does, how far it is and how long it will take; counts for the statistics."""

    def __init__(self, stream: TextIO = sys.stderr, *, quiet: bool = False) -> None:
        """Take the stream to write to; `quiet` writes nothing and only counts."""
        self._done = 0.0
        self._stream = stream
        self._quiet = quiet
        self._terminal = stream.isatty()
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

    def target(self, title: str) -> None:
        """Begin a class."""
        self._step = [f"class {printable(title)}", ""]
        if not self._terminal:
            self._write(self._line() + "\n")

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
        self._write(("\r\x1b[K" if self._terminal else "") + printable(text) + "\n")

    def close(self) -> None:
        """Remove the line from a terminal."""
        if self._terminal:
            self._write("\r\x1b[K")

    def _draw(self) -> None:
        """Draw if it is time."""
        if time.monotonic() - self._drawn >= (REDRAW_SECONDS if self._terminal else LINE_SECONDS):
            self._write(f"\r\x1b[K{self._line()}" if self._terminal else self._line() + "\n")

    def statistics(self) -> dict[str, float]:
        """Return how many interventions were run, in how many seconds."""
        return {
            "interventions": self.interventions,
            "seconds": self.seconds,
            "interventions_per_second": self.interventions / self.seconds,
        }

    def _line(self) -> str:
        share = self.interventions / self._total if self._total else 0.0
        rest = f", {_clock(self.seconds * (1 - share) / share)} left" if share else ""
        step = " ".join(part for part in self._step if part)
        return f"{share:4.0%}  {step}  {self.interventions:,} of {self._total:,.0f} interventions{rest}"

    def _write(self, text: str) -> None:
        self._drawn = time.monotonic()
        if not self._quiet:
            self._stream.write(text)
            self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
