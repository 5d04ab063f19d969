"""What hostile model files are made of: a small sound classifier, and ways to break it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
FILE = "model.onnx"
HUGE = 2**36
"""Values of a tensor that no machine should be made to hold: 256 GiB of floats."""

Write: TypeAlias = Callable[[Path], Path]
Change: TypeAlias = Callable[[onnx.ModelProto], object]


@dataclass(frozen=True, slots=True)
class HostileFile:
    """A file that must not harm who opens it.

    Attributes:
        name: as a reader of a table sees it.
        write: writes the file, and what lies around it, into an empty folder; returns the path of the .onnx.
        harmless: the file is odd but fine and must be analysed.
    """

    name: str
    write: Write
    harmless: bool = False


def sound() -> onnx.ModelProto:
    """Return a classifier `x [N, 1, 4, 4] -> scores [N, 3]`: Conv, Relu, Flatten, Gemm."""
    rng = np.random.default_rng(0)
    stored = {"w": (2, 1, 3, 3), "b": (2,), "v": (3, 8), "c": (3,)}
    ops = [
        op("Conv", ["x", "w", "b"], "maps", kernel_shape=[3, 3]),
        op("Relu", ["maps"], "active"),
        op("Flatten", ["active"], "flat"),
        op("Gemm", ["flat", "v", "c"], "scores", transB=1),
    ]
    weights = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), name) for name, s in stored.items()]
    return model_of(ops, weights, shape=["N", 1, 4, 4], classes=3)


def model_of(
    ops: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto] = (),
    *,
    shape: Sequence[int | str] = ("N", 3),
    classes: int = 3,
    **settings: Any,
) -> onnx.ModelProto:
    """Return a model from `x` of the given shape to `scores [N, classes]`."""
    graph = helper.make_graph(
        ops,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", classes])],
        list(weights),
    )
    settings = {"opset_imports": [helper.make_opsetid("", OPSET)], "ir_version": IR_VERSION} | settings
    return helper.make_model(graph, **settings)


def op(op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """Return an op of one output, named after it."""
    return helper.make_node(op_type, list(inputs), [output], name=f"/{output}/{op_type}", **attributes)


def integers(name: str, *values: int) -> onnx.TensorProto:
    """Return a stored list of integers."""
    return numpy_helper.from_array(np.array(values, np.int64), name)


def floats(name: str, values: NDArray[np.float32]) -> onnx.TensorProto:
    """Return a stored float tensor."""
    return numpy_helper.from_array(values.astype(np.float32), name)


def named(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    """Return a stored tensor of a model."""
    found: TensorProto = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    return found


def put(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    """Replace a stored tensor by another of the same name."""
    named(model, tensor.name).CopyFrom(tensor)


def before_scores(
    model: onnx.ModelProto, ops: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto] = ()
) -> None:
    """Let the ops make `scores [N, 3]` from what the last op made, which is called `inner` now."""
    model.graph.node[-1].output[0] = "inner"
    model.graph.node.extend(ops)
    model.graph.initializer.extend(weights)


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Set an attribute, in place of one of the same name."""
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def content(data: bytes | Callable[[], bytes], file: str = FILE) -> Write:
    """Return what writes these bytes."""

    def write(folder: Path) -> Path:
        path = folder / file
        path.write_bytes(data if isinstance(data, bytes) else data())
        return path

    return write


def built(build: Callable[[], onnx.ModelProto]) -> Write:
    """Return what writes a model, which is built then."""
    return content(lambda: bytes(build().SerializeToString(deterministic=True)))


def changed(*changes: Change) -> Write:
    """Return what writes the sound classifier, changed in place."""

    def build() -> onnx.ModelProto:
        model = sound()
        for change in changes:
            change(model)
        return model

    return built(build)


def field(number: int, payload: bytes) -> bytes:
    """Return a length-delimited protobuf field: appended to a message, it is merged into it."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    """Return a protobuf variable-length integer.

    >>> varint(300).hex()
    'ac02'
    """
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
