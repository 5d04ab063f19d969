"""What the program says of the environment it runs in."""

import json
import platform
import re
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from onnxcausal.onnxgraph import runner
from onnxcausal.onnxgraph.runner import Offer, memory, offers
from onnxcausal.onnxgraph.runner.nvidia import nvidia_devices
from onnxcausal.pipeline import doctor
from onnxcausal.pipeline.doctor import State, examine
from tests.support.commands import run

Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024  # as shutil has it


def test_version_names_what_makes_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--version")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"onnxcausal \d+\.\d+\.\d+", lines[0])
    assert lines[1] == f"onnx {version('onnx')}"
    assert re.fullmatch(rf"onnxruntime(-gpu)? {re.escape(ort.__version__)}", lines[2])
    assert lines[4].startswith("providers ")
    assert "CPUExecutionProvider" in lines[4]
    assert lines[5].startswith(f"Python {platform.python_version()}")


def test_a_provider_counts_only_if_it_runs() -> None:
    found = {offer.name: offer.why_not for offer in offers()}
    assert set(found) == set(ort.get_available_providers())
    assert not found["CPUExecutionProvider"]
    if "CUDAExecutionProvider" in found and not nvidia_devices():
        assert found["CUDAExecutionProvider"] == "no device"


def test_a_healthy_environment_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "doctor")
    assert (code, err) == (0, "")
    for name in ("Python", "onnx", "CPUExecutionProvider", "OpenCV", "memory", "disk"):
        assert re.search(rf"^  \w+ +{name} ", out, re.MULTILINE), name
    assert "broken" not in out


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "doctor", "--json")
    held = json.loads(out)
    assert code == 0
    assert held["format"] == "onnxcausal-doctor/1"
    states = {finding["name"]: finding["state"] for finding in held["findings"]}
    assert states["CPUExecutionProvider"] == "ok"
    assert all(finding["remedy"] or finding["state"] == "ok" for finding in held["findings"])


def lacking(name: str) -> Callable[[str], str]:
    def version_of(asked: str) -> str:
        if asked == name:
            raise PackageNotFoundError(asked)
        return "1.0"

    return version_of


def test_what_is_essential_and_missing_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "version_of", lacking("scipy"))
    code, out, err = run(capsys, "doctor")
    assert code == 1
    assert re.search(r"broken +scipy", out)
    assert err.startswith("error: onnxcausal cannot work here\n  where: scipy\n")
    assert "pip install scipy" in err


@pytest.mark.parametrize(
    "case",
    [
        ("memory", (memory, "free_memory"), lambda: 2**29, "0.5 GiB free", "--memory"),
        ("disk", (shutil, "disk_usage"), lambda _: Usage(1, 1, 2**29), "0.5 GiB free", "--out"),
        ("scikit-image", (doctor, "version_of"), lacking("scikit-image"), "superpixels", "onnxcausal[evaluate]"),
        ("ONNX Runtime", (doctor, "version_of"), lambda _: "1.0", "the one installed last wins", "pip uninstall"),
        (
            "CUDAExecutionProvider",
            (runner, "offers"),
            lambda: (Offer("CPUExecutionProvider", ""), Offer("CUDAExecutionProvider", "no device")),
            "no device",
            "onnxruntime-gpu[cuda,cudnn]",
        ),
    ],
)
def test_what_is_lacking_is_told_with_its_remedy(
    case: tuple[str, tuple[Any, str], Callable[..., object], str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, patched, value, told, remedy = case
    monkeypatch.setattr(*patched, value)
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    text = out[out.index(f" {name} ") :]
    assert told in text.splitlines()[0]
    assert remedy in text.splitlines()[1]


def test_missing_system_libraries_of_opencv_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        error = "Traceback\nImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"
        return subprocess.CompletedProcess([], 1, "", error)

    monkeypatch.setattr(subprocess, "run", failed)
    (found,) = [finding for finding in examine(Path.cwd()) if finding.name == "OpenCV"]
    assert found.state is State.LACKING
    assert "libGL.so.1" in found.found
    assert "apt-get install libgl1" in found.remedy


def test_a_cpu_that_runs_nothing_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "offers", lambda: (Offer("CPUExecutionProvider", "illegal instruction"),))
    code, _, err = run(capsys, "doctor")
    assert code == 1
    assert "illegal instruction" in err


def test_a_runtime_that_cannot_be_imported_is_broken_and_the_rest_is_told_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(runner, "offers")
    code, out, err = run(capsys, "doctor")
    assert code == 1
    assert "ONNX Runtime cannot be imported" in err
    assert re.search(r"ok +disk", out)
