"""Which execution providers really run here: each is tried with a model of one op."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.provider import CPU, NVIDIA

IR_VERSION, OPSET = 8, 17
"""Of the model that is tried: old enough for every version of ONNX Runtime that is supported."""
FATAL_ONLY = 4


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
    devices = {device.ep_name for device in ort.get_ep_devices()}
    found = []
    for name in ort.get_available_providers():
        missing = name in NVIDIA and name not in devices
        found.append(Offer(name, "no device" if missing else _tried(name)))
    return tuple(found)


def _tried(name: str) -> str:
    """Return why a provider does not run; empty where it does."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(_model().SerializeToString(), options, providers=[name])
        session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:  # noqa: BLE001  # ONNX Runtime's exceptions share no base class
        return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    running = session.get_providers()
    return "" if name == CPU or name in running else f"ONNX Runtime runs on {', '.join(running)} in its place"


def _model() -> onnx.ModelProto:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tried", value[:1], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
