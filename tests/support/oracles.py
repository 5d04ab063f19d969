"""Independent computations that tests hold the package to: float64, from the definitions, slow."""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnxcausal.onnxgraph.file.model import opset_of
from tests.support.oracle_ops import POOLS, ROUNDING, ops_of

Array = NDArray[np.float64]
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
"""Types that are computed in float64."""
STEPS = frozenset(["QuantizeLinear", "DynamicQuantizeLinear", "Round"])
"""Ops that round to steps: which step is taken is defined for operands of the model's own float type."""


def to_float64(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model in float64: stored tensors, constants, casts, inputs and outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    _widen_graph(copy.graph)
    return copy


def run_float64(
    proto: onnx.ModelProto, tensor: str, x: NDArray[np.floating], weights: Mapping[tuple[str, int], Array] | None = None
) -> Array:
    """Return a tensor of the model in float64, by ONNX's reference evaluator.

    In a model that rounds to steps every op is computed in float64 (pools in ONNX Runtime's order of summation) and
    its result rounded to float32, the type that the model gives it. At the border of two steps a value that was not
    rounded could take another one than ops of that type do.

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
    ops = ops_of(opset_of(model))
    if any(op.op_type in STEPS for op in model.graph.node):
        assert TensorProto.FLOAT16 not in {initializer.data_type for initializer in proto.graph.initializer}
        _round_results(model)
        ops += POOLS
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    fed = next(value.name for value in model.graph.input if value.name not in stored)
    (result,) = ReferenceEvaluator(model, new_ops=ops).run(None, {fed: x.astype(np.float64)})
    return np.asarray(result)


def _round_results(model: onnx.ModelProto) -> None:
    """Round what each op gives to float32; values stay in float64."""
    ops = []
    for op in model.graph.node:
        results = [name for name in op.output if name]
        op.output[:] = [f"unrounded/{name}" if name else "" for name in op.output]
        ops.append(op)
        ops += [helper.make_node("RoundToFloat32", [f"unrounded/{name}"], [name], domain=ROUNDING) for name in results]
    del model.graph.node[:]
    model.graph.node.extend(ops)
    model.opset_import.append(helper.make_opsetid(ROUNDING, 1))


def _widen_graph(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _widen(tensor)
    for op in graph.node:
        for attribute in op.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            elif attribute.type == onnx.AttributeProto.GRAPH:
                _widen_graph(attribute.g)
            elif op.op_type == "Cast" and attribute.name == "to" and attribute.i in FLOATS:
                attribute.i = TensorProto.DOUBLE
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type in FLOATS:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in FLOATS:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
