"""Sessions and providers."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.provider import CPU, CUDA, Provider
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.samples.source import InputSpec
from tests.networks import Builder

SPEC = InputSpec("x", (None, 4))


def session_providers(
    monkeypatch: pytest.MonkeyPatch, devices: list[str], asked: Provider | None
) -> tuple[Any, Runner]:
    """Return what a session was asked for on a machine with the given devices, and the runner on it."""
    requested: list[Any] = []
    real = ort.InferenceSession

    def session(content: bytes, options: ort.SessionOptions, providers: Any, **_: Any) -> ort.InferenceSession:
        requested.append(providers)
        return real(content, options, providers=[CPU])

    monkeypatch.setattr(ort, "InferenceSession", session)
    monkeypatch.setattr(ort, "get_ep_devices", lambda: [SimpleNamespace(ep_name=name) for name in devices])
    b = Builder(np.random.default_rng(0))
    return requested, Runner(b.model(["N", 4], b.add("Relu", ["x"])), SPEC, "m.onnx", asked)


def test_cuda_is_asked_for_where_there_is_a_device_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,), runner = session_providers(monkeypatch, [CPU, CUDA], None)
    assert [name for name, _ in wanted] == [CUDA, CPU]
    assert wanted[0][1]["use_tf32"] == "0"
    assert runner.providers == (CPU,)  # what the session has, not what was asked for


def test_without_a_device_only_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,), _ = session_providers(monkeypatch, [CPU], None)
    assert wanted == [(CPU, {})]


def test_a_provider_that_a_session_does_not_get_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="not to be had"):
        session_providers(monkeypatch, [CPU, CUDA], Provider(CUDA))


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("cpu", CPU, {}),
        ("CUDA:device_id=1,use_tf32=1", CUDA, {"device_id": "1", "use_tf32": "1"}),
        ("OpenVINOExecutionProvider", "OpenVINOExecutionProvider", {}),
    ],
)
def test_providers_are_written_by_name_with_options(text: str, name: str, options: dict[str, str]) -> None:
    assert Provider.parse(text) == Provider(name, options)


def test_a_batch_of_any_size_gives_the_rows_of_each_sample() -> None:
    b = Builder(np.random.default_rng(0))
    runner = Runner(b.model([3, 4], b.add("Relu", ["x"])), InputSpec("x", (3, 4)), "m.onnx")
    x = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
    (result,) = runner.run(x, ["relu_0"])
    np.testing.assert_array_equal(result, np.maximum(x, 0))
