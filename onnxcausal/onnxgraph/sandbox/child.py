"""Doing something to an unknown file in a process of its own, under limits: asking, and answering."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from onnxcausal import errors
from onnxcausal.errors import ModelError, OnnxCausalError
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.memory import shown_size
from onnxcausal.onnxgraph.runner.system_bound import bound_for_good, has_bound

STARTING = 60.0
"""Seconds that starting the process may take beside the limit."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process of its own does.

    Attributes:
        module: run as a program; it calls `answer`.
        what: what it does, for errors.
    """

    module: str
    what: str


def ask(job: Job, path: Path, limits: Limits, asked: Mapping[str, object]) -> str:
    """Return what a process of its own answers about a file.

    Args:
        job: what it does.
        path: the file.
        limits: what the process may take.
        asked: what it is told beside that.

    Raises:
        OnnxCausalError: what it raised, or a ModelError that says which limit was reached.
    """
    whole = {**asked, "path": str(path), "limits": asdict(limits) | {"memory": limits.bytes}}
    longest, told = limits.seconds + STARTING, json.dumps(whole).encode()
    # Without -P, Python files in the current folder, often that of the unpacked download, would be run in place of
    # the modules of their names.
    command = [sys.executable, "-P", "-m", job.module]
    try:
        ended = subprocess.run(command, input=told, capture_output=True, timeout=longest, check=False)  # noqa: S603  # itself
    except subprocess.TimeoutExpired as error:
        raise _too_slow(job, path, limits) from error
    return _answer(ended, job, path, limits)


def answer(job: Callable[[Path, dict[str, Any]], str]) -> None:
    """Do a job on the file that is asked about on stdin, within limits, and print its result or what it raised.

    Args:
        job: takes the file and what else was told.
    """
    asked = json.loads(sys.stdin.read())
    bound_process(asked["limits"]["seconds"], asked["limits"]["memory"])
    try:
        told = {"answer": job(Path(asked["path"]), asked)}
    except OnnxCausalError as error:
        lines = {"what": error.what, "where": error.where, "why": error.why, "remedy": error.remedy}
        kind = next(held.__name__ for held in type(error).__mro__ if getattr(errors, held.__name__, None) is held)
        told = {"kind": kind, **lines}
    print(json.dumps(told))  # noqa: T201  # to the process that asked


def _answer(ended: "subprocess.CompletedProcess[bytes]", job: Job, path: Path, limits: Limits) -> str:
    """Return what the process found, or raise what it raised or died of."""
    if ended.returncode in (-getattr(signal, "SIGALRM", 0), -getattr(signal, "SIGXCPU", 0)) and ended.returncode:
        raise _too_slow(job, path, limits)
    try:
        told = json.loads(ended.stdout.decode().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise _crashed(job, path, limits, ended) from error
    if "answer" in told:
        return str(told["answer"])
    kind = getattr(errors, told["kind"])
    raised: OnnxCausalError = kind(told["what"], where=told["where"], why=told["why"], remedy=told["remedy"])
    raise raised


def _too_slow(job: Job, path: Path, limits: Limits) -> ModelError:
    return ModelError(
        f"{job.what} takes too long",
        where=str(path),
        why=f"it did not end within {limits.seconds:g} s: the model is very large, or made to never end",
        remedy=f"if you trust the file, give it longer: --limits time={limits.seconds * 10:g}",
    )


def _crashed(job: Job, path: Path, limits: Limits, ended: "subprocess.CompletedProcess[bytes]") -> ModelError:
    last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
    return ModelError(
        f"{job.what} crashes",
        where=str(path),
        why=f"the process that did it ended with {how}{': ' + last[0][:200] if last else ''}; most often memory ran "
        f"out, of which it may take {shown_size(limits.bytes)}",
        remedy="if you trust the file, give it more: --limits memory=SIZE",
    )


def bound_process(seconds: float, memory: int) -> None:
    """Bound this process: the time by an alarm that kills it, the memory by what the system counts."""
    try:
        import resource  # noqa: PLC0415  # not on Windows, where time alone is bounded, by the parent
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if has_bound():
        bound_for_good(memory)
    else:
        mapped = int(psutil.Process().memory_info().vms)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = mapped + memory
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, seconds)
