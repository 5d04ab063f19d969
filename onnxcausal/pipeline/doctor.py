"""The job `doctor`: whether this environment can do the work, and what to do where it cannot.

Whatever may be broken is imported where it is looked at, so that the others are told all the same.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.runner.provider import CPU, NVIDIA

NEEDED = ("onnx", "numpy", "scipy", "onnx-graphsurgeon", "pydantic", "matplotlib", "pillow", "psutil", "typer", "rich")
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
EXTRAS = {"scikit-image": ("evaluate", "superpixels of onnxcausal evaluate faithfulness")}
"""Optional packages: the extra that brings each, and what it is needed for."""
OLDEST_PYTHON = (3, 11)
LITTLE_MEMORY, LITTLE_DISK = 2**30, 2**30
"""Bytes below which a run is likely to fail."""
AGAIN = "pip install --force-reinstall onnxruntime-gpu, or onnxruntime where there is none"
LONGEST = 60
"""Seconds that importing OpenCV may take."""


class State(StrEnum):
    """How something stands."""

    GOOD = "ok"
    """It works."""
    LACKING = "lacking"
    """Something does not work without it, but most does."""
    BROKEN = "broken"
    """Nothing works without it."""


@dataclass(frozen=True, slots=True)
class EnvironmentCheck:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        state: how it stands.
        found: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def versions() -> str:
    """Return versions and execution providers, a line each, as `--version` prints them."""
    found = _installed(("onnxcausal", "onnx", *RUNTIMES, "numpy"))
    lines = [f"{name} {version}" for name, version in found.items() if version is not None]
    running = [finding.name for finding in _providers() if finding.state is State.GOOD]
    lines += [
        f"providers {', '.join(running) or 'none'}",
        f"Python {platform.python_version()} ({platform.system()} {platform.machine()})",
    ]
    return "".join(f"{line}\n" for line in lines)


def examine(folder: Path) -> tuple[EnvironmentCheck, ...]:
    """Return what was found, the essential first.

    Args:
        folder: where outputs would be written.
    """
    return (*_programs(), *_runtime(), *_providers(), _opencv(), *_extras(), _memory(), _bound(), _disk(folder))


def check_health(findings: tuple[EnvironmentCheck, ...]) -> None:
    """Make sure that nothing essential is broken.

    Raises:
        GateError: something is.
    """
    broken = [finding for finding in findings if finding.state is State.BROKEN]
    if broken:
        raise GateError(
            "onnxcausal cannot work here",
            where=", ".join(finding.name for finding in broken),
            why=broken[0].found,
            remedy=broken[0].remedy,
        )


def _programs() -> Iterator[EnvironmentCheck]:
    python = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield EnvironmentCheck("Python", State.BROKEN, python, "install Python 3.11 or newer")
    else:
        yield EnvironmentCheck("Python", State.GOOD, f"{python}, {platform.system()} {platform.machine()}")
    yield EnvironmentCheck("onnxcausal", State.GOOD, version_of("onnxcausal"))
    for name, version in _installed(NEEDED).items():
        if version is None:
            yield EnvironmentCheck(name, State.BROKEN, "not installed", f"pip install {name}")
        else:
            yield EnvironmentCheck(name, State.GOOD, version)


def _runtime() -> Iterator[EnvironmentCheck]:
    """Yield what is to be said of ONNX Runtime, of which two builds share one place."""
    held = {name: version for name, version in _installed(RUNTIMES).items() if version is not None}
    told = ", ".join(f"{name} {version}" for name, version in held.items())
    if len(held) > 1:
        remedy = f"pip uninstall -y {' '.join(held)}, then pip install the one you want"
        yield EnvironmentCheck("ONNX Runtime", State.LACKING, f"{told}: the one installed last wins in silence", remedy)
    else:
        yield EnvironmentCheck(
            "ONNX Runtime", State.GOOD if held else State.BROKEN, told or "not installed", "" if held else AGAIN
        )


def _providers() -> Iterator[EnvironmentCheck]:
    try:
        from onnxcausal.onnxgraph.runner import offers  # noqa: PLC0415
    except ImportError as error:
        yield EnvironmentCheck(CPU, State.BROKEN, f"ONNX Runtime cannot be imported: {error}", AGAIN)
        return
    for offer in offers():
        if not offer.why_not:
            yield EnvironmentCheck(offer.name, State.GOOD, "runs a model")
        elif offer.name == CPU:
            yield EnvironmentCheck(offer.name, State.BROKEN, offer.why_not, AGAIN)
        else:
            remedy = "leave it, or install its driver and libraries"
            if offer.name in NVIDIA:
                remedy = "with an NVIDIA GPU: install its driver, and pip install 'onnxruntime-gpu[cuda,cudnn]'"
            yield EnvironmentCheck(offer.name, State.LACKING, offer.why_not, remedy)


def _opencv() -> EnvironmentCheck:
    """Return whether OpenCV can be imported, in a process of its own: its libraries may be missing."""
    command = [sys.executable, "-c", "import cv2; print(cv2.__version__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return EnvironmentCheck("OpenCV", State.LACKING, str(error), "install opencv-python again")
    if not done.returncode:
        return EnvironmentCheck("OpenCV", State.GOOD, f"{done.stdout.strip()}, runs repaired files too")
    last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    remedy = "pip install opencv-python"
    if ".so" in last:
        remedy = "apt-get install libgl1 libglib2.0-0 libxcb1, or pip install opencv-python-headless in its place"
    return EnvironmentCheck("OpenCV", State.LACKING, f"repaired files cannot be tried in it: {last}", remedy)


def _extras() -> Iterator[EnvironmentCheck]:
    for name, version in _installed(EXTRAS).items():
        extra, use = EXTRAS[name]
        if version is None:
            yield EnvironmentCheck(
                name, State.LACKING, f"not installed; for {use}", f"pip install 'onnxcausal[{extra}]'"
            )
        else:
            yield EnvironmentCheck(name, State.GOOD, f"{version}, for {use}")


def _memory() -> EnvironmentCheck:
    try:
        from onnxcausal.onnxgraph.runner.memory import free_memory  # noqa: PLC0415
    except ImportError as error:
        return EnvironmentCheck("memory", State.BROKEN, str(error), "pip install --force-reinstall psutil")
    free = free_memory()
    if free < LITTLE_MEMORY:
        return EnvironmentCheck("memory", State.LACKING, f"{_shown(free)} free", "end other programs, or give --memory")
    return EnvironmentCheck("memory", State.GOOD, f"{_shown(free)} free")


def _bound() -> EnvironmentCheck:
    """Return what bounds the memory that a file nobody knows can take."""
    try:
        from onnxcausal.onnxgraph.runner.control_groups import group_limit  # noqa: PLC0415
        from onnxcausal.onnxgraph.runner.system_bound import has_bound  # noqa: PLC0415
    except ImportError as error:
        return EnvironmentCheck("memory bound", State.BROKEN, str(error), "pip install --force-reinstall psutil")
    limit = group_limit()
    group = "" if limit is None else f"a control group: {_shown(limit)}"
    if has_bound():
        own = "of each run on a CPU by RLIMIT_DATA: --memory, or what is free"
        return EnvironmentCheck("memory bound", State.GOOD, f"{own}; of all of it by {group}" if group else own)
    if group:
        return EnvironmentCheck("memory bound", State.GOOD, group)
    remedy = "analyse files you do not trust on Linux, or in a container with a limit"
    return EnvironmentCheck("memory bound", State.LACKING, "none: the system has none for a process", remedy)


def _disk(folder: Path) -> EnvironmentCheck:
    free = shutil.disk_usage(folder).free
    if free < LITTLE_DISK:
        return EnvironmentCheck(
            "disk", State.LACKING, f"{_shown(free)} free in this folder", "free some, or give --out"
        )
    return EnvironmentCheck("disk", State.GOOD, f"{_shown(free)} free in this folder")


def _shown(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _installed(names: tuple[str, ...] | Mapping[str, object]) -> dict[str, str | None]:
    """Return the version of each package; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version_of(name)
        except PackageNotFoundError:
            found[name] = None
    return found
