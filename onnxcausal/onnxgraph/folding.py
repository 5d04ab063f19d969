"""Masks multiplied into the weights of a file: the graph stays as it is.

A weight that only its layer uses is changed where it is stored, also through ops that merely move values around. One
that something else uses too is left alone, and the layer gets a copy of its own. A quantised weight can lose paths, by
its zero point, but take no other factor without being rounded, which is refused; so is what ops in between compute. A
weight that is an input with a default gets another default: what is fed there is used as it is, as before.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.constants import value_of
from onnxcausal.onnxgraph.external import is_external
from onnxcausal.onnxgraph.index import GraphIndex, attribute, index_graph
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.masks import OLDEST_OVERRIDABLE_IR
from onnxcausal.onnxgraph.original import Original
from onnxcausal.onnxgraph.rewrite import fresh, names_in
from onnxcausal.onnxgraph.runner import run_op

MOVING = frozenset(["Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"])
"""Ops whose outputs are the values of their first input, in another order or shape."""
BYTES = frozenset([TensorProto.INT8, TensorProto.UINT8])
"""Quantised weights of these types can be changed where they are stored."""

Mask = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A file with masks in its weights.

    Attributes:
        proto: its message.
        data: content of the file of the weights that stood in other files, by its name.
    """

    proto: onnx.ModelProto
    data: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file while masks are put into it.

    Attributes:
        name: the model's name, for errors.
        proto: the message that is changed.
        index: the graph as it was, with all weights.
        shown: tensors that are outputs of the graph.
        fed: stored tensors that may be fed in place of their values.
        copied: uses of each tensor that have gone to a copy.
        taken: names in use.
        outside: tensors that were changed and stood in another file.
    """

    name: str
    proto: onnx.ModelProto
    index: GraphIndex
    shown: frozenset[str]
    fed: frozenset[str]
    copied: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    outside: list[TensorProto] = field(default_factory=list)


def fold_masks(original: Original, layers: Mapping[str, Layer], masks: Mapping[str, Mask]) -> Folded:
    """Return a file with weights multiplied by masks.

    Args:
        original: the file.
        layers: its layers, by any names.
        masks: mask of each of them, of the shape `mask_shape`.

    Raises:
        ModelError: the weight of a layer cannot be changed exactly.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(original.proto)
    inputs = frozenset(value.name for value in proto.graph.input)
    file = _File(
        name=original.model.name,
        proto=proto,
        index=index_graph(original.model.proto, original.model.opset),
        shown=frozenset(value.name for value in proto.graph.output),
        fed=inputs if proto.ir_version >= OLDEST_OVERRIDABLE_IR else frozenset(),
        taken=names_in(proto.graph),
    )
    for name, layer in layers.items():
        _fold(file, name, layer, np.broadcast_to(masks[name], layer.weight_shape))
    return Folded(proto, _put_outside(file.outside))


def _fold(file: _File, name: str, layer: Layer, mask: Mask) -> None:
    """Multiply the weight of one layer."""
    tensor = file.index.ops[layer.op].input[layer.weight_input]
    way = _way(file, tensor)
    strange = [op for op in way if op.op_type not in MOVING and op.op_type != "DequantizeLinear"]
    if strange:
        raise _not_foldable(file, name, f"its weight is made by {_told(strange[-1])}")
    stored = _stored(file, layer.weight)
    used = (layer.weight, *(op.output[0] for op in way))
    alone = stored if all(_has_one_use(file, tensor) for tensor in used) else None
    if any(op.op_type == "DequantizeLinear" for op in way):
        _fold_quantised(file, name, layer, mask, alone)
    elif alone is None and layer.weight in file.fed:
        why = f"its weight {layer.weight} is an input with a default, and something else uses it too"
        raise _not_foldable(file, name, why)
    elif alone is None:
        _give_copy(file, name, layer, tensor, mask)
    else:
        weight = _value(file, layer.weight)
        _store(file, alone, weight * _moved_back(file, way, mask, weight.shape).astype(weight.dtype))


def _fold_quantised(file: _File, name: str, layer: Layer, mask: Mask, stored: TensorProto | None) -> None:
    """Set quantised weights, which the layer alone uses, to their zero point where the factor is 0."""
    first, *moving = _way(file, file.index.ops[layer.op].input[layer.weight_input])
    reasons = (
        (stored is None, "something else uses it too"),
        (not np.isin(mask, (0.0, 1.0)).all(), "a factor between 0 and 1 would be rounded"),
        (
            first.op_type != "DequantizeLinear" or any(op.op_type not in MOVING for op in moving),
            "it is moved before that",
        ),
        (stored is not None and stored.data_type not in BYTES, "its whole numbers are not of 8 bits"),
        (attribute(first, "block_size", 0) != 0, "it is quantised in blocks"),
    )
    for applies, reason in reasons:
        if applies:
            raise _not_foldable(file, name, f"its weight comes through {_told(first)}, and {reason}")
    assert stored is not None
    weight = _value(file, layer.weight)
    zero = np.zeros((), weight.dtype)
    if len(first.input) > 2 and first.input[2]:  # noqa: PLR2004  # data, scale, zero point
        zero = np.asarray(_value(file, first.input[2]))
    if zero.ndim == 1:
        axis = attribute(first, "axis", 1) % weight.ndim if zero.size > 1 else 0
        zero = zero.reshape([-1 if number == axis else 1 for number in range(weight.ndim)])
    removed = _moved_back(file, moving, mask, weight.shape) == 0
    _store(file, stored, np.where(removed, zero, weight).astype(weight.dtype))


def _told(op: onnx.NodeProto) -> str:
    return f"op {op.name or op.output[0]} ({op.op_type})"


def _way(file: _File, tensor: str) -> list[onnx.NodeProto]:
    """Return the ops between the stored weight and its use, the first one first; a Constant op is none of them."""
    ops: list[onnx.NodeProto] = []
    while (op := file.index.producing(tensor)) is not None and op.op_type != "Constant":
        ops.insert(0, op)
        tensor = next(name for name in op.input if name)
    return ops


def _has_one_use(file: _File, tensor: str) -> bool:
    """Whether the layer alone uses a tensor, other layers that have copies by now left out."""
    uses = len(file.index.uses.get(tensor, ())) - file.copied[tensor]
    return uses == 1 and tensor not in file.shown


def _stored(file: _File, name: str) -> TensorProto | None:
    """Return the tensor of the file that holds a weight; None where it is no plain tensor."""
    held: TensorProto
    if name in file.index.initializers:
        held = next(tensor for tensor in file.proto.graph.initializer if tensor.name == name)
        return held
    entries = file.proto.graph.node[file.index.producer[name]].attribute
    for entry in entries:
        if entry.name == "value":
            held = entry.t
            return held
    return None


def _moved_back(file: _File, way: list[onnx.NodeProto], mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return a mask of a weight where it is used as one of the stored weight."""
    origin: NDArray[np.generic] = np.arange(mask.size).reshape(shape)
    for op in way:
        others = [_value(file, name) if name else None for name in op.input[1:]]
        (origin,) = run_op(op, [origin, *others], file.index.opset)
    back = np.empty(mask.size)
    back[origin.ravel()] = mask.ravel()
    return back.reshape(shape)


def _give_copy(file: _File, name: str, layer: Layer, tensor: str, mask: Mask) -> None:
    """Store the weight of a layer, multiplied, for it alone."""
    weight = _value(file, tensor)
    held = numpy_helper.from_array(weight * mask.astype(weight.dtype), fresh(f"{name}.folded_weight", file.taken))
    file.proto.graph.initializer.append(held)
    if file.proto.ir_version < OLDEST_OVERRIDABLE_IR:  # IR 3 lists every initializer as an input
        value = helper.make_tensor_value_info(held.name, held.data_type, list(held.dims))
        file.proto.graph.input.append(value)
    file.proto.graph.node[layer.op].input[layer.weight_input] = held.name
    file.copied[tensor] += 1
    leaf = _stored(file, layer.weight)
    if leaf is not None and is_external(leaf):
        file.outside.append(file.proto.graph.initializer[-1])


def _store(file: _File, tensor: TensorProto, values: NDArray[np.generic]) -> None:
    """Change what a stored tensor holds."""
    if is_external(tensor):
        file.outside.append(tensor)
    held = numpy_helper.from_array(np.ascontiguousarray(values))
    for typed in ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "external_data"):
        tensor.ClearField(typed)
    tensor.ClearField("data_location")
    tensor.raw_data = held.raw_data


def _value(file: _File, tensor: str) -> NDArray[np.generic]:
    value = value_of(file.index, tensor)
    assert value is not None
    return value


def _put_outside(tensors: list[TensorProto]) -> dict[str, bytes]:
    """Move the content of tensors to a file whose name tells its content; return the file."""
    if not tensors:
        return {}
    content = b"".join(tensor.raw_data for tensor in tensors)
    name = f"onnxcausal-{hashlib.sha256(content).hexdigest()[:16]}.data"
    offset = 0
    for tensor in tensors:
        length = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        offset += length
    return {name: content}


def _not_foldable(file: _File, name: str, why: str) -> ModelError:
    return ModelError(
        "the mask cannot be multiplied into the weight",
        where=f"{file.name}, layer {name}",
        why=why,
        remedy="use --form masked, which leaves the weight as it is",
    )
