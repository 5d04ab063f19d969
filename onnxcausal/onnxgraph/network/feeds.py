"""One input that takes the samples, out of several: fixed to a value, or joined side by side."""

from collections.abc import Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import input_spec, spec_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.sample_axis import sample_axis
from onnxcausal.samples.source import InputSpec

SampleShapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Shape of one sample of each of several inputs, by name."""
NOT_JOINED: SampleShapes = MappingProxyType({})
"""No inputs that the data gives side by side."""
NUMBERS = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BOOL,
        TensorProto.INT8,
        TensorProto.INT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.UINT8,
        TensorProto.UINT16,
        TensorProto.UINT32,
        TensorProto.UINT64,
    }
)
"""Element types that samples can be cast to."""
MOST_HELD = 4096
"""Values of an input of one value that is written out, at most."""


def open_inputs(part: onnx.ModelProto, reading: Reading) -> tuple[InputSpec, ...]:
    """Return the inputs that samples must be given for, in the model's order.

    Args:
        part: the model, cut at its scores, so that every input decides them.
        reading: which inputs have a fixed value.
    """
    return tuple(spec_of(value) for value in part.graph.input if value.name not in reading.fixed)


def sample_axes(part: onnx.ModelProto, reading: Reading) -> Mapping[str, int]:
    """Return along which axis the samples stand in each input that they must be given for, by name.

    Args:
        part: the model, cut at its scores.
        reading: which inputs have a fixed value.
    """
    open_ones = [value for value in part.graph.input if value.name not in reading.fixed]
    return {value.name: sample_axis(value, open_ones[0]) for value in open_ones}


def fixed_values(proto: onnx.ModelProto, fixed: Mapping[str, float]) -> Mapping[str, NDArray[np.generic]]:
    """Return what inputs hold that have one value for every sample, of those whose sizes are all known.

    Args:
        proto: the model.
        fixed: the value of each, by name.

    Raises:
        ConfigError: an input's type does not hold its value.
    """
    found = {}
    for value in proto.graph.input:
        sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
        is_tensor = value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")
        if value.name in fixed and is_tensor and all(size > 0 for size in sizes) and prod(sizes) <= MOST_HELD:
            found[value.name] = np.full(sizes, _held(value, fixed[value.name]))
    return found


def with_one_input(
    part: onnx.ModelProto, name: str, reading: Reading, joined: SampleShapes = NOT_JOINED
) -> tuple[onnx.ModelProto, InputSpec]:
    """Return a model that takes the samples by one input, and that input.

    Args:
        part: the model, cut at its scores.
        name: the model's name, for errors.
        reading: which inputs have a fixed value.
        joined: inputs that the data gives side by side, by name, with the shape of one sample of each.

    Raises:
        ModelError: several inputs must be given samples.
        ConfigError: a fixed input does not exist.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(part)
    open_ones = [spec.name for spec in open_inputs(part, reading)]
    if reading.fixed and not open_ones:
        raise ConfigError(
            "no input is left for the samples",
            where=f"{name}, inputs {', '.join(reading.fixed)}",
            why="every input has a fixed value",
            remedy="leave one of them out of --set",
        )
    ahead: list[onnx.NodeProto] = []
    taken = names_in(part.graph)
    if len(open_ones) > 1 and set(open_ones) == set(joined):
        ahead += _join(changed, joined, open_ones, taken)
    main = next((value for value in changed.graph.input if value.name not in reading.fixed), None)
    for value in list(changed.graph.input):
        if value.name in reading.fixed and main is not None:
            ahead += _fix(changed, value, reading.fixed[value.name], main, taken)
    ops = [*ahead, *changed.graph.node]
    if ahead:
        copies = [onnx.NodeProto.FromString(op.SerializeToString()) for op in ops]
        del changed.graph.node[:]
        changed.graph.node.extend(copies)
    return changed, input_spec(changed, name, None if joined else reading.input)


def _fix(
    proto: onnx.ModelProto, value: onnx.ValueInfoProto, number: float, main: onnx.ValueInfoProto, taken: set[str]
) -> list[onnx.NodeProto]:
    """Return ops that make an input of one value; it is no longer an input.

    An open axis has the size of the axis of that name of the samples' input, the first one the number of samples.
    """
    stored = numpy_helper.from_array(_held(value, number), fresh("onnxcausal/value", taken))
    sizes: list[int | str] = []
    of_samples = sample_axis(value, main)
    for axis, size in enumerate(value.type.tensor_type.shape.dim):
        if size.dim_value > 0:
            sizes.append(size.dim_value)
        else:
            sizes.append("0" if axis == of_samples else _size_of(main, size.dim_param, axis, value.name))
    whole = fresh("onnxcausal/sizes", taken)
    ops, parts = [], []
    for size in sizes:
        part = fresh("onnxcausal/size", taken)
        if isinstance(size, int):
            proto.graph.initializer.append(numpy_helper.from_array(np.array([size], np.int64), part))
        else:
            shape = fresh("onnxcausal/shape", taken)
            axis = numpy_helper.from_array(np.array([int(size)], np.int64), fresh("onnxcausal/axis", taken))
            proto.graph.initializer.append(axis)
            ops += [
                helper.make_node("Shape", [main.name], [shape]),
                helper.make_node("Gather", [shape, axis.name], [part], axis=0),
            ]
        parts.append(part)
    if parts:
        ops.append(helper.make_node("Concat", parts, [whole], axis=0))
        ops.append(helper.make_node("Expand", [stored.name, whole], [value.name]))
    else:
        ops.append(helper.make_node("Identity", [stored.name], [value.name]))
    proto.graph.initializer.append(stored)
    proto.graph.input.remove(value)
    return ops


def _held(value: onnx.ValueInfoProto, number: float) -> NDArray[np.generic]:
    """Return a number in the type of an input.

    Raises:
        ConfigError: that type does not hold it.
    """
    dtype = helper.tensor_dtype_to_np_dtype(_number_type(value))
    with np.errstate(invalid="ignore", over="ignore"):
        held: NDArray[np.generic] = np.array(number).astype(dtype)
    if dtype.kind == "f" or float(held) == number:
        return held
    raise ConfigError(
        f"the input {value.name} does not take the value {number:g}",
        where=f"--set {value.name}={number:g}",
        why=f"its type is {dtype}",
        remedy="give it a value of that type",
    )


def _size_of(main: onnx.ValueInfoProto, name: str, axis: int, fixed: str) -> str:
    """Return the axis of the samples' input, as text, that has the size of an open axis."""
    sizes = main.type.tensor_type.shape.dim
    named = [number for number, size in enumerate(sizes) if name and size.dim_param == name]
    if named:
        return str(named[0])
    raise ModelError(
        "the shape of an input with a fixed value is not known",
        where=f"input {fixed}, axis {axis}",
        why=f"its size is left open ({name or 'unnamed'}), and the samples' input has no axis of that name",
        remedy="supply its values with the data, as an array of its name",
    )


def _join(proto: onnx.ModelProto, shapes: SampleShapes, names: Sequence[str], taken: set[str]) -> list[onnx.NodeProto]:
    """Return ops that take inputs out of the columns of one input, which takes their place."""
    values = {value.name: value for value in proto.graph.input}
    main = values[names[0]]
    first = main.type.tensor_type.shape.dim
    batch = first[0].dim_value if first and first[0].dim_value > 0 else "samples"
    width = sum(int(np.prod(shapes[name])) for name in names)
    joined = helper.make_tensor_value_info(fresh("onnxcausal/samples", taken), TensorProto.FLOAT, [batch, width])
    ops, start = [], 0
    for name in names:
        stop = start + int(np.prod(shapes[name]))
        bounds = []
        for number in (start, stop, 1):
            bounds.append(fresh("onnxcausal/bound", taken))
            proto.graph.initializer.append(numpy_helper.from_array(np.array([number], np.int64), bounds[-1]))
        shape = numpy_helper.from_array(np.array([-1, *shapes[name]], np.int64), fresh("onnxcausal/shape", taken))
        proto.graph.initializer.append(shape)
        columns, shaped = fresh("onnxcausal/columns", taken), fresh("onnxcausal/shaped", taken)
        ops += [
            helper.make_node("Slice", [joined.name, *bounds], [columns]),
            helper.make_node("Reshape", [columns, shape.name], [shaped]),
        ]
        axis = sample_axis(values[name], main)
        if axis:
            turned = fresh("onnxcausal/turned", taken)
            order = [*range(1, axis + 1), 0, *range(axis + 1, len(shapes[name]) + 1)]
            ops.append(helper.make_node("Transpose", [shaped], [turned], perm=order))
            shaped = turned
        ops.append(helper.make_node("Cast", [shaped], [name], to=_number_type(values[name])))
        start = stop
    kept = [value for value in proto.graph.input if value.name not in names]
    del proto.graph.input[:]
    proto.graph.input.extend([joined, *kept])
    return ops


def _number_type(value: onnx.ValueInfoProto) -> int:
    kind = int(value.type.tensor_type.elem_type)
    if kind in NUMBERS:
        return kind
    raise ModelError(
        "an input does not take numbers",
        where=f"input {value.name}",
        why=f"its type is {value.type.WhichOneof('value')}, element type {kind}",
        remedy="give it a fixed value beforehand, or export the model without it",
    )
