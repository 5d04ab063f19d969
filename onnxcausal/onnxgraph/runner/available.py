"""Which execution providers really run here: each is tried with a model of one op."""

import contextlib
import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.runner.nvidia import nvidia_devices
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA, NVIDIA

IR_VERSION, OPSET = 8, 17
"""Of the model that is tried: old enough for every version of ONNX Runtime that is supported."""
FATAL_ONLY, WARNINGS = 4, 2
"""Severities from which ONNX Runtime logs; it starts with the second."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An execution provider that ONNX Runtime was built with.

    Attributes:
        name: its name.
        why_not: why it does not run here; empty where it does.
    """

    name: str
    why_not: str


def offers() -> tuple[Offer, ...]:
    """Return all providers that ONNX Runtime was built with, and CUDA where it could be used; and whether they run.

    What ONNX Runtime lists as available are those it was built with: without a device it runs on the CPU in silence.
    """
    names = list(ort.get_available_providers())
    if nvidia_devices() and CUDA not in names:
        names.append(CUDA)
    return tuple(Offer(name, why_not(name)) for name in names)


@cache
def why_not(name: str, device: int = 0) -> str:
    """Return why a provider does not run here; empty where it does. It is tried once.

    Args:
        name: the provider.
        device: the device's number, of providers of NVIDIA.
    """
    offered = ort.get_available_providers()
    if name not in offered:
        return f"ONNX Runtime offers {', '.join(offered)} here"
    if name not in NVIDIA:
        return _tried(name, {})
    if device >= nvidia_devices():
        return "no device" if device == 0 else f"no device {device}"
    load_libraries()
    ort.set_default_logger_severity(FATAL_ONLY)  # what goes wrong is told once, and not by its log
    try:
        return _tried(name, {"device_id": str(device)})
    finally:
        ort.set_default_logger_severity(WARNINGS)


def idle_device() -> str:
    """Return why an NVIDIA device that is here does not run models; empty where it does, or there is none."""
    return why_not(CUDA) if nvidia_devices() else ""


@cache
def load_libraries() -> None:
    """Load CUDA and cuDNN from where pip puts them, in which ONNX Runtime does not look of itself."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        ort.preload_dlls()


def _tried(name: str, settings: dict[str, str]) -> str:
    """Return why a provider does not run; empty where it does."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(
            _model().SerializeToString(), options, providers=[(name, settings)], enable_fallback=0
        )
        session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:  # noqa: BLE001  # ONNX Runtime's exceptions share no base class
        return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    running = session.get_providers()
    if name == CPU or name in running:
        return ""
    lacking = "its libraries are not found, and " if name in NVIDIA else ""
    return f"{lacking}ONNX Runtime runs on {', '.join(running)} in its place"


def _model() -> onnx.ModelProto:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tried", value[:1], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
