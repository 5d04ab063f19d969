"""How much memory a run may take: what is free, what was asked for, what is in use."""

import ctypes
import os
import re
from dataclasses import dataclass

import psutil

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.runner.control_groups import free_in_groups
from onnxcausal.onnxgraph.runner.nvidia import free_device_memory

LARGEST_BATCH = 64
"""Samples run at once by the unmodified model, at most."""
FREE_SHARE = 0.6
"""Share of the free memory that a run may take unless another bound is given."""
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_size(text: str, where: str = "--memory") -> int:
    """Return a number of bytes written like `800MB`, `2GiB` or `2g`.

    Args:
        text: the size.
        where: what it was given for, for the error.

    Raises:
        ConfigError: it is no such size.

    >>> parse_size("2GiB"), parse_size("1.5 GB"), parse_size("4096")
    (2147483648, 1500000000, 4096)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?i?)b?\s*", text.lower())
    if match is None or match[2] not in UNITS:
        raise ConfigError(
            "the size cannot be read",
            where=f"{where} {text}",
            why="it is not a number with a unit",
            remedy="write it like 800MB, 2GiB or 1.5GB",
        )
    return int(float(match[1]) * UNITS[match[2]])


def shown_size(size: float) -> str:
    """Return a size as people read it.

    >>> shown_size(1500), shown_size(3 * 2**30)
    ('2 KiB', '3.0 GiB')
    """
    if size < 2**20:
        return f"{-(-int(size) // 2**10)} KiB"
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def free_memory() -> int:
    """Return the bytes that this process can still take: of the machine, and of its container."""
    free, left = int(psutil.virtual_memory().available), free_in_groups()
    return free if left is None else min(free, left)


def resident_memory() -> int:
    """Return the bytes this process has in memory."""
    return int(psutil.Process().memory_info().rss)


def _hand_back() -> None:
    """Give the system back what was freed here: the C library keeps it, and it would count as being in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # of glibc alone
        trim(0)


def batch_within(memory: "Memory", row_bytes: int) -> int:
    """Return how many samples the unmodified model runs at once.

    Args:
        memory: how much a run may take.
        row_bytes: what the tensors of one sample take at most at once.
    """
    return min(LARGEST_BATCH, max(1, memory.run // max(1, row_bytes)))


@dataclass(frozen=True, slots=True)
class Memory:
    """How a bound on memory is divided; all in bytes.

    Attributes:
        bound: the bound.
        used: what the process has before the work.
        kept: for tensors of the unmodified model.
        run: for the tensors of one run.
        sessions: for sessions that are kept open.
        device: for the tensors of one run on a device; 0 where none is used.
    """

    bound: int
    used: int
    kept: int
    run: int
    sessions: int
    device: int = 0

    @classmethod
    def of(cls, bound: int | None = None, device: int | None = None) -> "Memory":
        """Return the division of a bound; default: the free share of what the machine has left, and what is in use.

        Args:
            bound: in bytes; it holds for the machine's memory and for the device's likewise.
            device: number of the NVIDIA device that is used, if any.
        """
        _hand_back()
        used = resident_memory()
        total = used + int(FREE_SHARE * free_memory()) if bound is None else bound
        rest = max(0, total - used)
        # The remaining fifth is for what numpy holds for a moment and for gaps between allocations.
        return cls(total, used, rest * 2 // 5, rest // 5, rest // 5, 0 if device is None else _on_device(bound, device))

    def needed(self, kept: int, run: int) -> int:
        """Return the least bound under which one sample fits; arguments as for `check`."""
        return self.used + max(kept * 5 // 2, run * 5)

    def check(self, kept: int, run: int, what: str) -> None:
        """Refuse a bound under which not even one sample fits.

        Args:
            kept: bytes of the unmodified model's tensors of one sample.
            run: bytes of the tensors of one run on one sample.
            what: what they are of, for the error.

        Raises:
            ConfigError: it does not fit; says what would.
        """
        needed = self.needed(kept, run)
        if needed > self.bound:
            raise ConfigError(
                "one sample does not fit into the memory the run may take",
                where=what,
                why=f"the bound is {shown_size(self.bound)}, {shown_size(self.used)} of it are in use before the work; "
                f"one sample takes {shown_size(run)} in a run",
                remedy=f"give at least --memory {-(-needed // 2**20)}MiB, or use a machine with more",
            )


def _on_device(bound: int | None, device: int) -> int:
    """Return what one run may take of a device's memory: half of the bound, as weights and arenas need room too.

    Raises:
        ConfigError: the free memory is not known and there is no bound.
    """
    free = free_device_memory(device)
    if free is None and bound is None:
        raise ConfigError(
            "the device's free memory is not known",
            where=f"device {device}",
            why="the driver does not tell",
            remedy="give a bound with --memory",
        )
    shared = int(FREE_SHARE * free) if free is not None else bound
    assert shared is not None
    return min(shared, bound or shared) // 2
