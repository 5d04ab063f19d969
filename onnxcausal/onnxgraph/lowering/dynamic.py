"""Products of tensors that are quantised while the model runs, by their own smallest and largest value."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.lowering.expansion import Expansion, expand
from onnxcausal.onnxgraph.lowering.integers import centred

STEPS = 255.0
"""Largest value of an unsigned 8-bit number."""
AXES_AS_INPUT = 18
"""Opset from which ReduceMin and ReduceMax take their axes as an input."""


def dynamic_quantize_matmul(e: Expansion) -> bool:
    """DynamicQuantizeMatMul of com.microsoft: a, b, b_scale, b_zero, bias."""
    quantised, scale, zero = (e.name(part) for part in ("quantised", "scale", "zero"))
    e.ops.append(helper.make_node("DynamicQuantizeLinear", [e.given(0)], [quantised, scale, zero]))
    return _to_float(
        e, centred(e, quantised, zero), centred(e, e.given(1), e.given(3)), (scale, e.given(2)), e.given(4)
    )


def matmul_integer_to_float(e: Expansion) -> bool:
    """MatMulIntegerToFloat of com.microsoft: a, b, a_scale, b_scale, a_zero, b_zero, bias."""
    operands = centred(e, e.given(0), e.given(4)), centred(e, e.given(1), e.given(5))
    return _to_float(e, *operands, (e.given(2), e.given(3)), e.given(6))


def _to_float(e: Expansion, a: str, b: str, scales: tuple[str, str], bias: str) -> bool:
    total = e.add("MatMul", [a, b], name=e.op.name)
    scaled = e.add("Mul", [total, e.add("Mul", list(scales))], output="" if bias else e.op.output[0])
    if bias:
        e.add("Add", [scaled, bias], output=e.op.output[0])
    return True


def quantise_by_sample(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which every sample of a batch is quantised as if it were alone.

    Right where the samples stand along the first axis of what is quantised, one index each; the caller compares.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    opset = opset_of(proto)
    rules = {("", "DynamicQuantizeLinear"): lambda e: _by_sample(e, opset)}
    expand(changed, index_graph(changed, opset), rules, names_in(changed.graph))
    return changed


def _by_sample(e: Expansion, opset: int) -> bool:
    """As ONNX defines it, with the range of each sample: the first axis is kept, all others are reduced."""
    x = e.given(0)
    zero, steps = e.constant(np.float32(0)), e.constant(np.float32(STEPS))
    # [samples, 1, ..., 1], whatever the number of axes: reduced flat, then shaped to stand along the first axis.
    flat = e.add("Flatten", [x], axis=1)
    axes: dict[str, Any] = {} if opset >= AXES_AS_INPUT else {"axes": [1]}
    last = [e.shape(1)] if opset >= AXES_AS_INPUT else []
    rank = e.add("Shape", [e.add("Shape", [x])])
    ones = e.add("ConstantOfShape", [rank], value=numpy_helper.from_array(np.array([1], np.int64)))
    first = e.add("Slice", [e.add("Shape", [x]), e.shape(0), e.shape(1)])
    sizes = e.add("Concat", [first, e.add("Slice", [ones, e.shape(1), e.shape(2**31)])], axis=0)
    highest = e.add("Max", [e.add("ReduceMax", [flat, *last], keepdims=1, **axes), zero])
    lowest = e.add("Min", [e.add("ReduceMin", [flat, *last], keepdims=1, **axes), zero])
    step = e.add("Div", [e.add("Sub", [highest, lowest]), steps])
    positive = e.add("Where", [e.add("Equal", [step, zero]), e.constant(np.float32(1)), step])
    scale = e.add("Reshape", [positive, sizes], output=e.op.output[1])
    offset = e.add("Round", [e.add("Div", [e.add("Neg", [lowest]), positive])])
    flat_zero = e.add("Cast", [e.add("Min", [e.add("Max", [offset, zero]), steps])], to=TensorProto.UINT8)
    shaped = e.add("Reshape", [flat_zero, sizes], output=e.op.output[2])
    shifted = e.add("Add", [e.add("Round", [e.add("Div", [x, scale])]), e.to_float(shaped)])
    clipped = e.add("Min", [e.add("Max", [shifted, zero]), steps])
    e.add("Cast", [clipped], output=e.op.output[0], to=TensorProto.UINT8)
    return True
