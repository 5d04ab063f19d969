"""NVIDIA devices: found by their driver, used where ONNX Runtime can."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import onnxruntime as ort
import pytest

from onnxcausal.onnxgraph.provider import CPU, CUDA
from onnxcausal.onnxgraph.runner import offered
from onnxcausal.onnxgraph.runner.nvidia import load_libraries, nvidia_devices
from onnxcausal.onnxgraph.runner.offered import idle_device, why_not
from onnxcausal.pipeline import analyze as analysing
from onnxcausal.pipeline.progress import Silent

MODEL = Path(__file__).parents[2] / "models" / "digits_lenet.onnx"
without_cuda = pytest.mark.skipif(
    CUDA not in ort.get_available_providers() or nvidia_devices() > 0, reason="of a machine on which CUDA does not run"
)


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    """Forget what was found of this machine, before and after."""
    for found in (nvidia_devices, load_libraries, why_not):
        found.cache_clear()
    yield
    for found in (nvidia_devices, load_libraries, why_not):
        found.cache_clear()


def driver(monkeypatch: pytest.MonkeyPatch, *, starts: int = 0, devices: int = 0, answers: int = 0) -> None:
    """Put a driver in place that answers so; its functions give 0 where they succeed."""

    def count(place: object) -> int:
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int)).contents.value = devices  # type: ignore[arg-type]  # by reference
        return answers

    held = SimpleNamespace(cuInit=lambda _: starts, cuDeviceGetCount=count)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: held)


def test_the_driver_says_how_many_devices_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, devices=2)
    assert nvidia_devices() == 2


@pytest.mark.parametrize("failing", [{"starts": 100}, {"answers": 3}])
def test_a_driver_that_does_not_work_has_no_devices(failing: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, devices=2, **failing)
    assert nvidia_devices() == 0


def test_without_a_driver_there_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", lacking)
    assert nvidia_devices() == 0
    assert idle_device() == ""
    if CUDA in ort.get_available_providers():
        assert why_not(CUDA) == "no device"


def test_a_provider_that_onnx_runtime_does_not_have_is_not_tried() -> None:
    assert why_not("MagicExecutionProvider").startswith("ONNX Runtime offers ")
    assert why_not(CPU) == ""


@without_cuda
def test_a_device_without_libraries_is_told_once_without_noise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded: list[None] = []
    monkeypatch.setattr(offered, "nvidia_devices", lambda: 1)
    monkeypatch.setattr(offered, "load_libraries", lambda: loaded.append(None))
    for _ in range(2):
        assert (
            idle_device() == "its libraries are not found, and ONNX Runtime runs on CPUExecutionProvider in its place"
        )
    assert len(loaded) == 1
    assert capfd.readouterr() == ("", "")


def test_looking_for_libraries_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_libraries()
    assert capfd.readouterr() == ("", "")


def test_an_analysis_tells_of_a_device_that_it_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Told(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    monkeypatch.setattr(analysing, "idle_device", lambda: "its libraries are not found")
    for provider in (None, "cpu"):
        analysing.analyze(MODEL, targets=[3], samples=5, provider=provider, progress=Told())
    assert told == ["an NVIDIA device is here, but not used: its libraries are not found (see onnxcausal doctor)"]
