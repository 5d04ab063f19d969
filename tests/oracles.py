"""Independent computations that tests hold the package to: float64, from the definitions, slow."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = NDArray[np.float64]


def to_float64(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a float32 model in float64: stored tensors, constants, casts, inputs and outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    for tensor in graph.initializer:
        _widen(tensor)
    for op in graph.node:
        for attribute in op.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            elif op.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]
    return copy


def run_float64(
    proto: onnx.ModelProto, tensor: str, x: NDArray[np.floating], weights: Mapping[tuple[str, int], Array] | None = None
) -> Array:
    """Return a tensor of the model in float64, by ONNX's reference evaluator.

    Args:
        proto: a float32 model.
        tensor: name of the tensor.
        x: the model's only fed input.
        weights: weights to use in place of the model's, by (output of the op, position of the input).
    """
    model = to_float64(proto)
    stored = {initializer.name for initializer in model.graph.initializer}
    for number, ((output, position), weight) in enumerate((weights or {}).items()):
        op = next(op for op in model.graph.node if output in op.output)
        op.input[position] = f"edited_weight_{number}"
        model.graph.initializer.append(numpy_helper.from_array(weight, op.input[position]))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    fed = next(value.name for value in model.graph.input if value.name not in stored)
    (result,) = ReferenceEvaluator(model, new_ops=[ConvTranspose]).run(None, {fed: x.astype(np.float64)})
    return np.asarray(result)


class ConvTranspose(OpRun):
    """The operator from its definition: each input value adds the kernel, scaled, to the output.

    It stands in for that of ONNX's reference evaluator, which fails on more than one group.
    """

    op_domain = ""

    def _run(  # the evaluator's names
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        assert auto_pad in (None, "NOTSET")
        assert output_shape is None
        del kernel_shape
        axes, kernel = x.ndim - 2, weight.shape[2:]
        strides, dilations = strides or [1] * axes, dilations or [1] * axes
        extra, pads, group = output_padding or [0] * axes, pads or [0] * 2 * axes, group or 1
        sizes = [(x.shape[2 + i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + extra[i] for i in range(axes)]
        children = weight.shape[1]
        full = np.zeros((len(x), children * group, *sizes))
        for number, (inputs, part) in enumerate(zip(np.split(x, group, 1), np.split(weight, group, 0), strict=True)):
            outputs = full[:, number * children : (number + 1) * children]
            for position in np.ndindex(*kernel):
                window = tuple(
                    slice(
                        position[i] * dilations[i],
                        position[i] * dilations[i] + (x.shape[2 + i] - 1) * strides[i] + 1,
                        strides[i],
                    )
                    for i in range(axes)
                )
                outputs[(slice(None), slice(None), *window)] += np.einsum(
                    "nc...,cm->nm...", inputs, part[(slice(None), slice(None), *position)]
                )
        cut = tuple(slice(pads[i], sizes[i] - pads[axes + i]) for i in range(axes))
        result = full[(slice(None), slice(None), *cut)]
        return (result if bias is None else result + bias.reshape(1, -1, *[1] * axes),)


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
