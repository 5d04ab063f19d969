"""NVIDIA devices: found by their driver, used where ONNX Runtime can."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from onnxcausal.onnxgraph.runner import available, nvidia, offers
from onnxcausal.onnxgraph.runner.available import idle_device, why_not
from onnxcausal.onnxgraph.runner.nvidia import free_device_memory, nvidia_devices
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA
from onnxcausal.pipeline import analyze as analysing
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.progress import Silent

MODEL = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"
without_cuda = pytest.mark.skipif(
    CUDA not in ort.get_available_providers() or nvidia_devices() > 0, reason="of a machine on which CUDA does not run"
)


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    """Forget what was found of this machine, before and after."""
    kept = (nvidia_devices, nvidia.driver, available.load_libraries, why_not)
    for found in kept:
        found.cache_clear()
    yield
    for found in kept:
        found.cache_clear()


def put(place: Any, kind: type[Any], value: int) -> None:
    """Write a number where a driver was told to."""
    ctypes.cast(place, ctypes.POINTER(kind)).contents.value = value


def with_driver(monkeypatch: pytest.MonkeyPatch, *, devices: int = 0, free: int = 0, **failing: int) -> list[str]:
    """Put a driver in place that answers so; return the names of its functions in the order they are called.

    Its functions give 0 where they succeed, what is asked for where they fail.
    """
    called: list[str] = []
    writes: dict[str, Callable[..., None]] = {
        "cuDeviceGetCount": lambda count: put(count, ctypes.c_int, devices),
        "cuDeviceGet": lambda handle, number: put(handle, ctypes.c_int, number),
        "cuMemGetInfo_v2": lambda place, _: put(place, ctypes.c_size_t, free),
    }

    class Held:
        def __getattr__(self, name: str) -> Callable[..., int]:
            def answered(*given: Any) -> int:
                called.append(name)
                if name in writes:
                    writes[name](*given)
                return failing.get(name, 0)

            return answered

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Held())
    return called


def test_the_driver_says_how_many_devices_there_are_and_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    called = with_driver(monkeypatch, devices=2, free=2**35)
    assert nvidia_devices() == 2
    assert free_device_memory(1) == 2**35
    assert free_device_memory(2) is None
    taken, given_back = (
        ("cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2"),
        ("cuDevicePrimaryCtxRelease_v2", "cuCtxPopCurrent_v2"),
    )
    assert [called.count(name) for name in (*taken, *given_back)] == [1, 1, 1, 1]


@pytest.mark.parametrize("name", ["cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"])
def test_what_a_driver_does_not_tell_is_not_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = with_driver(monkeypatch, devices=1, free=2**35, **{name: 1})
    assert free_device_memory(0) is None
    assert ("cuDevicePrimaryCtxRelease_v2" in called) is (name.startswith(("cuCtx", "cuMem")))


@pytest.mark.parametrize("name", ["cuInit", "cuDeviceGetCount"])
def test_a_driver_that_does_not_work_has_no_devices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, devices=2, **{name: 100})
    assert nvidia_devices() == 0


def test_without_a_driver_there_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", lacking)
    assert nvidia_devices() == 0
    assert free_device_memory(0) is None
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
    monkeypatch.setattr(available, "nvidia_devices", lambda: 1)
    monkeypatch.setattr(available, "load_libraries", lambda: loaded.append(None))
    for _ in range(2):
        assert (
            idle_device() == "its libraries are not found, and ONNX Runtime runs on CPUExecutionProvider in its place"
        )
    assert len(loaded) == 1
    assert capfd.readouterr() == ("", "")


def test_each_device_is_tried_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[dict[str, str]] = []
    monkeypatch.setattr(available, "nvidia_devices", lambda: 2)

    def succeeds(_: str, settings: dict[str, str]) -> str:
        tried.append(settings)
        return ""

    monkeypatch.setattr(available, "_tried", succeeds)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    assert [why_not(CUDA, device) for device in (1, 1, 0, 2)] == ["", "", "", "no device 2"]
    assert [settings["device_id"] for settings in tried] == ["1", "0"]


def test_cuda_is_told_of_where_there_is_a_device_but_no_build_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "nvidia_devices", lambda: 1)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    assert {offer.name: offer.why_not for offer in offers()} == {CPU: "", CUDA: f"ONNX Runtime offers {CPU} here"}


def test_looking_for_libraries_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    available.load_libraries()
    assert capfd.readouterr() == ("", "")


def test_an_analysis_tells_of_a_device_that_it_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Told(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    monkeypatch.setattr(analysing, "idle_device", lambda: "its libraries are not found")
    for provider in (None, "cpu"):
        analysing.analyze(MODEL, targets=[3], samples=5, machine=Machine.of(provider=provider), progress=Told())
    assert told == ["an NVIDIA device is here, but not used: its libraries are not found (see onnxcausal doctor)"]
