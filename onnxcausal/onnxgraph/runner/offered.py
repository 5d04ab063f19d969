"""Which execution providers really run here: each is tried with a model of one op."""

import contextlib
import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.provider import CPU, CUDA, NVIDIA
from onnxcausal.onnxgraph.runner.nvidia import load_libraries, nvidia_devices

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
    """Return all providers that ONNX Runtime was built with, and whether they run.

    What ONNX Runtime lists as available are those it was built with: without a device it runs on the CPU in silence.
    """
    return tuple(Offer(name, why_not(name)) for name in ort.get_available_providers())


@cache
def why_not(name: str) -> str:
    """Return why a provider does not run here; empty where it does. It is tried once."""
    if name not in ort.get_available_providers():
        return f"ONNX Runtime offers {', '.join(ort.get_available_providers())} here"
    if name in NVIDIA and not nvidia_devices():
        return "no device"
    if name in NVIDIA:
        load_libraries()
    ort.set_default_logger_severity(FATAL_ONLY)  # what goes wrong is told once, and not by its log
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _tried(name)
    finally:
        ort.set_default_logger_severity(WARNINGS)


def idle_device() -> str:
    """Return why an NVIDIA device that is here does not run models; empty where it does, or there is none."""
    return why_not(CUDA) if nvidia_devices() else ""


def _tried(name: str) -> str:
    """Return why a provider does not run; empty where it does."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(_model().SerializeToString(), options, providers=[(name, {})], enable_fallback=0)
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
