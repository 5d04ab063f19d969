"""Along which axis of an input the samples stand: in recurrent states, `[layers, batch, hidden]`, not the first."""

import re

import onnx

BATCH_NAMES = frozenset({"batch", "batch_size", "batchsize", "n", "samples", "num_samples"})
"""Names of open axes that say they are the samples'."""
STATE_NAMES = re.compile(r"(^|[^a-z])(state|hidden|cache|memory|mem|h|c|hn|cn|h0|c0)s?([^a-z]|$)", re.IGNORECASE)
"""Names of tensors that are handed from one step of a sequence to the next."""
LEAST_OF_STATES = 3
"""Axes of a recurrent state."""


def sample_axis(value: onnx.ValueInfoProto, main: onnx.ValueInfoProto | None = None) -> int:
    """Return the axis of an input along which the samples stand.

    It is the first one, unless the input has an axis later on that is named as the samples' axis of the main input is,
    or like a batch; or is one of three axes or more whose first has a size and whose only open one has no name.

    Args:
        value: the input.
        main: the input that takes the samples, if that is another one.
    """
    sizes = value.type.tensor_type.shape.dim
    open_axes = [axis for axis, size in enumerate(sizes) if _is_open(size)]
    first = None if main is None else next(iter(main.type.tensor_type.shape.dim), None)
    for axis in open_axes:
        if sizes[axis].dim_param and first is not None and sizes[axis].dim_param == first.dim_param:
            return axis
    if not len(sizes) or _is_open(sizes[0]):
        return 0
    for axis in open_axes:
        if sizes[axis].dim_param.lower() in BATCH_NAMES:
            return axis
    alone = len(open_axes) == 1 and not sizes[open_axes[0]].dim_param and len(sizes) >= LEAST_OF_STATES
    return open_axes[0] if alone and first is not None and _is_open(first) else 0


def is_state(output: onnx.ValueInfoProto, inputs: list[onnx.ValueInfoProto]) -> bool:
    """Return whether an output is what an input of its shape is given at the next step, by their names."""
    for value in inputs:
        follows = bool(value.name) and output.name.startswith(value.name)
        named = STATE_NAMES.search(value.name) and (follows or STATE_NAMES.search(output.name))
        if named and _may_be_alike(output, value):
            return True
    return False


def _may_be_alike(one: onnx.ValueInfoProto, other: onnx.ValueInfoProto) -> bool:
    """Whether two tensors have as many axes, and no two sizes that are known and differ."""
    pairs = list(zip(one.type.tensor_type.shape.dim, other.type.tensor_type.shape.dim, strict=False))
    ranks = {len(value.type.tensor_type.shape.dim) for value in (one, other)}
    return len(ranks) == 1 and all(_is_open(a) or _is_open(b) or a.dim_value == b.dim_value for a, b in pairs)


def _is_open(size: onnx.TensorShapeProto.Dimension) -> bool:
    return bool(size.dim_value <= 0)
