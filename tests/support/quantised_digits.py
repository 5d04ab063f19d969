"""A classifier of the digits whose int8 form loses one layer: a row of weights leaves the others no steps."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tests.support.variants import TRAINED_ON, digits, trained, written

ROW, FACTOR = 3, 2000.0
"""A hidden unit, and how much larger its weights are; what reads it has weights as much smaller."""
BAD, GOOD = "/gemm_0/Gemm", "/gemm_2/Gemm"
"""The layer that int8 breaks, and the other."""


class _Images(CalibrationDataReader):  # type: ignore[misc]  # the package ships no types
    def __init__(self) -> None:
        self._batches = iter([{"x": digits()[0][:TRAINED_ON]}])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def unbalanced(folder: Path, name: str = "float") -> Path:
    """Write the float model, whose function is that of the balanced one."""
    weights, biases = trained()
    first, second = weights[0].copy(), weights[1].copy()
    bias = biases[0].copy()
    first[ROW] *= FACTOR
    bias[ROW] *= FACTOR
    second[:, ROW] /= FACTOR
    return written(folder, name, [first, second], [bias, biases[1]])


def quantised(parent: Path, name: str, layers: list[str] | None = None, **settings: Any) -> Path:
    """Write the int8 form of a model, of some layers alone where they are named."""
    path = parent.with_name(f"{name}.onnx")
    quantize_static(
        parent,
        path,
        _Images(),
        quant_format=settings.pop("quant_format", QuantFormat.QDQ),
        weight_type=QuantType.QInt8,
        per_channel=False,
        nodes_to_quantize=layers,
        **settings,
    )
    path.with_suffix(".toml").write_text(parent.with_suffix(".toml").read_text())
    return path


def halved(parent: Path, name: str) -> Path:
    """Write a model with its weights in half precision, computed in float."""
    model = onnx.load(parent)
    ops = []
    for tensor in model.graph.initializer:
        half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        ops.append(onnx.helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{tensor.name}_half"))
    ops += list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(ops)
    path = parent.with_name(f"{name}.onnx")
    onnx.save(model, path)
    path.with_suffix(".toml").write_text(parent.with_suffix(".toml").read_text())
    return path
