"""Kills commands at random moments and says what they left; prints one line of JSON for each moment.

Run as `python -m tests.support.killed_runner COMMAND COUNT`. The processes are forked from this one, which has loaded
everything and opened no session.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from onnxcausal.analysis.formats.journal import BESIDE, JOURNAL_FILE
from onnxcausal.causal.intervention import Replace
from onnxcausal.pipeline.analyze import analyze
from onnxcausal.pipeline.compress import compress
from onnxcausal.pipeline.compressing.options import CompressOptions
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.repair import repair
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.pipeline.report import report

MODELS = Path(__file__).parents[2] / "models"
MODEL, DATA = MODELS / "digits_lenet.onnx", MODELS / "digits.npz"
MACHINE = Machine.of(limits="none")
MASKED = RepairOptions(portion=0.2, beta=0.0, replace=Replace.ZERO, count=20)
SMALLER = CompressOptions(target_size=0.9, count=20)
JOURNAL = {JOURNAL_FILE + ending for ending in BESIDE}
TIMED = {".json", ".png"}
"""Endings of what a repair or compression records, in which measured times stand."""


def analysed(folder: Path) -> None:
    """Analyse two classes."""
    analyze(MODEL, DATA, targets=[3, 8], samples=12, out=folder / "out", machine=MACHINE)


def repaired(folder: Path) -> None:
    """Mask nodes."""
    repair(MODEL, folder / "repaired.onnx", data=DATA, analysis=folder / "out", options=MASKED, machine=MACHINE)


def compressed(folder: Path) -> None:
    """Take channels out."""
    compress(MODEL, folder / "smaller.onnx", data=DATA, analysis=folder / "out", options=SMALLER, machine=MACHINE)


def reported(folder: Path) -> None:
    """Write the page."""
    report(folder / "out", out=folder / "report.html")


COMMANDS: Mapping[str, Callable[[Path], None]] = {
    "analyze": analysed,
    "repair": repaired,
    "compress": compressed,
    "report": reported,
}


def forked(command: Callable[[Path], None], folder: Path, after: float | None = None) -> tuple[int, str]:
    """Run a command in a process of its own, killed after some seconds; return how it ended, and with which error."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = 0
        try:
            command(folder)
        except BaseException:  # noqa: BLE001  # whatever it is, it is told
            os.write(theirs, traceback.format_exc()[-4000:].encode())
            code = 1
        os._exit(code)
    os.close(theirs)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(ours, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def visible(folder: Path) -> dict[str, str]:
    """Return the hash of every file that is not hidden; of records with times, that they can be read."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.parent == folder and path.suffix in TIMED:
            found[name] = "whole" if path.suffix == ".png" or json.loads(path.read_bytes()) else "empty"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main() -> None:
    """Print what each killed run left, and what the run after it made."""
    name, count = sys.argv[1], int(sys.argv[2])
    command = COMMANDS[name]
    rng = random.Random(f"killed {name}")  # noqa: S311  # moments, not secrets
    with tempfile.TemporaryDirectory() as made:
        start = Path(made) / "start"
        start.mkdir()
        if command is not analysed:
            assert forked(analysed, start)[0] == 0
        whole = Path(made) / "whole"
        shutil.copytree(start, whole)
        begun = time.monotonic()
        assert forked(command, whole) == (0, "")
        seconds = time.monotonic() - begun
        expected = visible(whole)
        for number in range(count):
            folder = Path(made) / f"{number}"
            shutil.copytree(start, folder)
            killed, _ = forked(command, folder, rng.uniform(0, seconds))
            left = {path: held for path, held in visible(folder).items() if Path(path).name not in JOURNAL}
            broken = sorted(path for path, held in left.items() if expected.get(path) != held)
            again, told = forked(command, folder)
            same = visible(folder) == expected
            line = {"killed": killed, "broken": broken, "again": again, "told": told, "same": same}
            print(json.dumps(line), flush=True)  # noqa: T201
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
