"""How much time and memory opening an unknown model may take."""

import re
from dataclasses import dataclass

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.runner.memory import FREE_SHARE, free_memory, parse_size

SECONDS = 180
"""Time that opening a model and running it once may take unless another is given."""
KEYS = ("time", "memory")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process that opens a model, or runs it on the first samples, may take.

    Attributes:
        seconds: of time; of each run elsewhere too.
        memory: in bytes, beside what the process has before it opens the model; None for a share of what is free.
    """

    seconds: float = SECONDS
    memory: int | None = None

    @property
    def bytes(self) -> int:
        """Bytes that may be taken."""
        return self.memory if self.memory is not None else int(FREE_SHARE * free_memory())


def parse_limits(text: str) -> Limits | None:
    """Return limits written like `time=60,memory=2GiB`; None for `none`: the model is opened without a check.

    Raises:
        ConfigError: they cannot be read.

    >>> parse_limits("time=60,memory=2GiB"), parse_limits("none")
    (Limits(seconds=60.0, memory=2147483648), None)
    """
    if text.strip() == "none":
        return None
    found: dict[str, str] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        if key not in KEYS or key in found:
            raise _wrong(text)
        found[key] = value
    time = found.get("time", str(SECONDS))
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", time) or float(time) <= 0:
        raise _wrong(text)
    return Limits(float(time), parse_size(found["memory"], "--limits") if "memory" in found else None)


def _wrong(text: str) -> ConfigError:
    return ConfigError(
        "the limits cannot be read",
        where=f"--limits {text}",
        why="they are not of the form time=SECONDS,memory=SIZE",
        remedy="write them like time=60,memory=2GiB, either or both, or none for a file you trust",
    )
