"""Sessions and providers."""

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.runner import Runner, sessions
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA, Provider
from onnxcausal.samples.source import InputSpec
from tests.support.networks import Builder

SPEC = InputSpec("x", (None, 4))


def session_providers(monkeypatch: pytest.MonkeyPatch, why_no_cuda: str, asked: Provider | None) -> tuple[Any, Runner]:
    """Return what a session was asked for on a machine where CUDA runs, or why it does not, and the runner on it."""
    requested: list[Any] = []
    real = ort.InferenceSession

    def session(content: bytes, options: ort.SessionOptions, providers: Any, **_: Any) -> ort.InferenceSession:
        requested.append(providers)
        return real(content, options, providers=[CPU])

    monkeypatch.setattr(ort, "InferenceSession", session)
    monkeypatch.setattr(sessions, "why_not", lambda *_: why_no_cuda)
    b = Builder(np.random.default_rng(0))
    return requested, Runner(b.model(["N", 4], b.add("Relu", ["x"])), SPEC, "m.onnx", asked)


def test_cuda_is_asked_for_where_it_runs_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,), runner = session_providers(monkeypatch, "", None)
    assert [name for name, _ in wanted] == [CUDA, CPU]
    assert wanted[0][1]["use_tf32"] == "0"
    assert runner.providers == (CPU,)  # what the session has, not what was asked for


def test_where_cuda_does_not_run_only_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,), _ = session_providers(monkeypatch, "no device", None)
    assert wanted == [(CPU, {})]


def test_asking_for_a_provider_that_does_not_run_tells_why_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="not to be had") as caught:
        session_providers(monkeypatch, "its libraries are not found", Provider(CUDA))
    assert caught.value.why == "its libraries are not found"
    assert "onnxruntime-gpu[cuda,cudnn]" in caught.value.remedy


def test_a_device_that_fails_does_not_become_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    real = ort.InferenceSession

    def session(*given: Any, **settings: Any) -> ort.InferenceSession:
        asked.append(settings)
        return real(*given, **settings)

    monkeypatch.setattr(ort, "InferenceSession", session)
    b = Builder(np.random.default_rng(0))
    Runner(b.model(["N", 4], b.add("Relu", ["x"])), SPEC, "m.onnx")
    assert [settings["enable_fallback"] for settings in asked] == [0]


def test_a_provider_that_a_session_does_not_get_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="not to be had"):
        session_providers(monkeypatch, "", Provider(CUDA))


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
