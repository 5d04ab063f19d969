"""How far the scores of a QDQ model may be from those of the float model it was made from, derived from its steps.

A pair of QuantizeLinear and DequantizeLinear moves a value within its range by half a step at most. A weight is off by
half its step at most: with `|dW| <= D` and `|dx| <= e`, a product `W x` is off by `W dx`, and by another
`D (|x| + e)` at most. So each value `u` of the quantised model is `v + sum_k g_k t_k + r`: `v` of the float model, some
`|t_k| <= 1` of each pair's value, and `|r| <= box`. Products and means act on the `g_k` as they do on values, signs
kept, and on `box` by their absolute values. Where `v` is farther from a bend (of ReLU, or of the ends of a range) than
`u` may be from `v`, the bend is passed on one side; elsewhere both ReLU and clipping enlarge no distance, and all of it
is counted in `box`. What `v` itself loses at the end of a range (saturation) adds to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnxcausal.onnxgraph.graph.index import attribute
from tests.support.oracle_ops import RANGES
from tests.support.oracles import Array, to_float64

Removed = tuple[str, NDArray[np.bool_]]
"""Name of a layer's op, and which of its weights an intervention removes."""
NEAREST = 0.504
"""Largest distance to the nearest step, in steps: half of one, and what float32 is off in a quotient of up to 2^16."""
LAST = "_QuantizeLinear_Input"
"""What the quantiser appends to the name of an output before its pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """Scores of the float model, and how far those of the quantised one may be from them.

    Attributes:
        scores: in float64, `[samples, classes]`.
        bound: of the same shape, with what saturation adds.
        saturated: samples of which the float model leaves the range of some pair, `[samples]`.
    """

    scores: Array
    bound: Array
    saturated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor of the float model, and how far that of the quantised one may be off.

    Attributes:
        exact: `v`.
        parts: `g` of each pair, by its name, `[values of the pair, samples, ...]`.
        box: largest rest.
    """

    exact: Array
    parts: Mapping[str, Array]
    box: Array

    @property
    def off(self) -> Array:
        total = self.box.copy()
        for part in self.parts.values():
            total += np.abs(part).sum(axis=0)
        return total


def bounded(parent: onnx.ModelProto, quantised: onnx.ModelProto, x: Array, removed: Removed | None = None) -> Bounded:
    """Return scores of the float model and the bound, some weights of both models at 0.

    Args:
        parent: the float model.
        quantised: the QDQ model made from it; its ops and tensors keep their names.
        x: inputs, `[samples, ...]`.
        removed: what an intervention removes.
    """
    wanted = float_tensors(parent, x, removed)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer}
    values = {quantised.graph.input[0].name: Value(x, {}, np.zeros_like(x))}
    saturated = np.zeros(len(x), np.bool_)
    for op in quantised.graph.node:
        match op.op_type:
            case "DequantizeLinear" if op.input[0] in stored:
                original = wanted[op.input[0].removesuffix("_quantized")]
                value = _stored(op, original, stored)
            case "QuantizeLinear":
                value, beyond = _paired(op, values[op.input[0]], wanted[op.input[0].removesuffix(LAST)], stored)
                saturated |= beyond.reshape(len(x), -1).any(axis=1)
            case "DequantizeLinear":
                value = values[op.input[0]]
            case "Conv" | "Gemm" | "MatMul":
                kept = 1 - removed[1] if removed is not None and removed[0] == op.name else np.ones(())
                value = _product(op, [values[name] for name in op.input], kept)
            case _:
                value = _combined(op, [values[name] for name in op.input])
        values[op.output[0]] = value
    result = values[quantised.graph.output[0].name]
    return Bounded(result.exact, result.off, saturated)


def float_tensors(parent: onnx.ModelProto, x: Array, removed: Removed | None = None) -> dict[str, Array]:
    """Return every tensor of a float model in float64, some weights at 0."""
    model = to_float64(parent)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for op in model.graph.node:
        if removed is not None and op.name == removed[0]:
            weights[op.input[1]] = weights[op.input[1]] * ~removed[1]
    del model.graph.initializer[:], model.graph.output[:]
    model.graph.initializer.extend(numpy_helper.from_array(weight, name) for name, weight in weights.items())
    given, names = model.graph.input[0].name, [op.output[0] for op in model.graph.node]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return {given: x, **weights} | dict(zip(names, ReferenceEvaluator(model).run(None, {given: x}), strict=True))


def _stored(op: onnx.NodeProto, original: Array, stored: Mapping[str, NDArray[Any]]) -> Value:
    """Return a weight or bias, off by half its step."""
    axis = attribute(op, "axis", 1)
    shape = [-1 if number == axis else 1 for number in range(original.ndim)]
    step, zero = (
        stored[name].astype(np.float64).reshape(shape if stored[name].size > 1 else [1] * original.ndim)
        for name in op.input[1:3]
    )
    half = np.broadcast_to(step * NEAREST, original.shape)
    found = (stored[op.input[0]].astype(np.float64) - zero) * step
    changed = original == 0  # an intervention has removed it; the file has not
    assert (np.abs(found - original) <= half).all(where=~changed), op.input[0]
    return Value(original, {}, half)


def _paired(
    op: onnx.NodeProto, value: Value, wanted: Array, stored: Mapping[str, NDArray[Any]]
) -> tuple[Value, NDArray[np.bool_]]:
    """Return what a pair makes of a tensor, and where the float model leaves its range.

    A value half a step beyond an end of the range is rounded to that end: it is off by half a step still. A range
    that begins at 0 may stand for the ReLU that the float model has there.
    """
    step, zero = stored[op.input[1]].astype(np.float64), stored[op.input[2]]
    low, high = ((end - float(zero)) * step for end in RANGES[zero.dtype.name])
    beyond = np.minimum(
        *(np.abs(np.clip(value.exact, low - room, high + room) - wanted) for room in (0, step * NEAREST))
    )
    beyond[beyond < 1e-9 * step] = 0  # what float64 rounds
    least, most = value.exact - value.off, value.exact + value.off
    ended = (most <= low) | (least >= high)
    bent = _bent(value, (least >= low - step * NEAREST) & (most <= high + step * NEAREST), ended)
    box = bent.box + beyond + np.where(ended, 0, step * NEAREST)
    own = np.zeros((box[0].size, *box.shape))
    places = np.arange(box[0].size)
    own.reshape(len(own), len(box), -1)[places, :, places] = box.reshape(len(box), -1).T
    return Value(wanted, {**bent.parts, op.name: own}, np.zeros_like(box)), beyond > 0


def _bent(value: Value, straight: NDArray[np.bool_], ended: NDArray[np.bool_]) -> Value:
    """Return a tensor after a bend: as it is where it is passed straight, off by nothing where all ends in one."""
    box = np.where(straight, value.box, np.where(ended, 0, value.off))
    return Value(value.exact, {name: part * straight for name, part in value.parts.items()}, box)


def _product(op: onnx.NodeProto, operands: list[Value], kept: NDArray[Any]) -> Value:
    """Return what a layer makes of its input; a weight that was removed is 0 in both models, without any error."""
    x, weight, *bias = operands
    exact = _times(op, x.exact, weight.exact)
    parts = {
        pair: _times(op, part.reshape(-1, *x.exact.shape[1:]), weight.exact).reshape(len(part), *exact.shape)
        for pair, part in x.parts.items()
    }
    box = _times(op, x.box, np.abs(weight.exact)) + _times(op, np.abs(x.exact) + x.off, weight.box * kept)
    if bias:
        shape = [-1 if axis == 1 else 1 for axis in range(exact.ndim)]
        exact, box = exact + bias[0].exact.reshape(shape), box + bias[0].box.reshape(shape)
    return Value(exact, parts, box)


def _times(op: onnx.NodeProto, x: Array, weight: Array) -> Array:
    """Return the op on an input and a weight, in float64, without its bias."""
    alone = helper.make_node(op.op_type, ["x", "w"], ["y"])
    alone.attribute.extend(op.attribute)
    given = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in ("x", "w", "y")]
    graph = helper.make_graph([alone], "product", given[:2], given[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (result,) = ReferenceEvaluator(model).run(None, {"x": x, "w": weight})
    return np.asarray(result)


def _combined(op: onnx.NodeProto, operands: list[Value]) -> Value:
    """Return what an op without weights makes of its inputs."""
    first = operands[0]
    match op.op_type:
        case "Relu":
            passed, ended = first.exact - first.off >= 0, first.exact + first.off <= 0
            bent = _bent(first, passed, ended & ~passed)
            return Value(np.maximum(first.exact, 0), bent.parts, bent.box)
        case "Add":
            return _sum(*operands)
        case "GlobalAveragePool":
            return _each(first, lambda values: values.mean(axis=(-2, -1), keepdims=True))
        case "Flatten":
            return _each(first, lambda values: values.reshape(*values.shape[:-3], -1))
    raise AssertionError(op.op_type)


def _each(value: Value, change: Callable[[Array], Array]) -> Value:
    """Return a tensor whose channels and places were averaged or put in another form."""
    parts = {name: change(part) for name, part in value.parts.items()}
    return Value(change(value.exact), parts, change(value.box))


def _sum(first: Value, second: Value) -> Value:
    """Return the sum of two tensors; what one pair did to both is counted with its sign."""
    parts = dict(first.parts)
    for name, part in second.parts.items():
        parts[name] = parts[name] + part if name in parts else part
    return Value(first.exact + second.exact, parts, first.box + second.box)
