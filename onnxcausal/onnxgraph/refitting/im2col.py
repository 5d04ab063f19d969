"""A layer as a linear map: what each place of its output is made of."""

from math import ceil, prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import NodeProto

from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import integers

Values = NDArray[np.floating]


def rows_of(
    layer: Layer, op: NodeProto, data: Values, output: Values, *, most: int, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Return features and targets of some places of a layer's output: `[places, features]`, `[places, children]`.

    The features of a place are the parents that it is made of; of a Conv without groups, with all places of the kernel:
    in the order in which `as_matrix` has the weight's rows.

    Args:
        layer: a Conv, Gemm or MatMul.
        op: its op.
        data: what it reads.
        output: what it makes of that, or is to make.
        most: places, at most; drawn by chance where there are more.
        rng: draws them.
    """
    if layer.op_type == "Conv":
        return _of_conv(op, layer.weight_shape[2:], data, output, most=most, rng=rng)
    x = np.moveaxis(data, layer.parent_axis, -1).reshape(-1, layer.parents)
    assert layer.child_axis is not None
    y = np.moveaxis(output, layer.child_axis, -1).reshape(-1, layer.children)
    places = _drawn(len(x), most, rng)
    return x[places], y[places]


def as_matrix(layer: Layer, weight: Values) -> Values:
    """Return a weight as `[features, children]`."""
    assert layer.weight_child_axis is not None
    return np.moveaxis(weight, layer.weight_child_axis, -1).reshape(-1, layer.children)


def from_matrix(layer: Layer, matrix: Values) -> Values:
    """Return the weight that a matrix `[features, children]` is."""
    assert layer.weight_child_axis is not None
    rest = list(layer.weight_shape)
    del rest[layer.weight_child_axis]
    return np.moveaxis(matrix.reshape(*rest, layer.children), -1, layer.weight_child_axis)


def _of_conv(
    op: NodeProto, kernel: tuple[int, ...], data: Values, output: Values, *, most: int, rng: np.random.Generator
) -> tuple[Values, Values]:
    sizes = output.shape[2:]
    places = _drawn(len(output) * prod(sizes), most, rng)
    sample, *where = np.unravel_index(places, (len(output), *sizes))
    windows = _windows(op, kernel, data, sizes)
    # As the last axes, what stands at a place comes out in the order of the weight.
    axes = range(1, 1 + len(sizes))
    maps = np.moveaxis(windows, [axis + 1 for axis in axes], list(axes))
    x = maps[(sample, *where)].reshape(len(places), -1)
    return x, np.moveaxis(output, 1, -1)[(sample, *where)]


def _windows(op: NodeProto, kernel: tuple[int, ...], data: Values, sizes: tuple[int, ...]) -> Values:
    """Return what the kernel covers at each place, `[samples, channels, places..., kernel...]`, as a view."""
    axes = len(kernel)
    strides = integers(op, "strides") or (1,) * axes
    dilations = integers(op, "dilations") or (1,) * axes
    spans = tuple(step * (size - 1) + 1 for size, step in zip(kernel, dilations, strict=True))
    pads = _pads(op, data.shape[2:], spans, strides)
    padded = np.pad(data, [(0, 0), (0, 0), *pads])
    every = sliding_window_view(padded, spans, axis=tuple(range(2, 2 + axes)))
    steps = (*(slice(None, None, step) for step in strides), *(slice(None, None, step) for step in dilations))
    windows = every[(slice(None), slice(None), *steps)]
    assert windows.shape[2 : 2 + axes] == sizes, (windows.shape, sizes)
    return windows


def _pads(
    op: NodeProto, sizes: tuple[int, ...], spans: tuple[int, ...], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Return how many zeros stand before and after each axis."""
    automatic = next((entry.s for entry in op.attribute if entry.name == "auto_pad"), b"NOTSET")
    if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
        found = []
        for size, span, stride in zip(sizes, spans, strides, strict=True):
            total = max(0, (ceil(size / stride) - 1) * stride + span - size)
            less, more = total // 2, total - total // 2
            found.append((less, more) if automatic == b"SAME_UPPER" else (more, less))
        return found
    given = None if automatic == b"VALID" else integers(op, "pads")
    given = given or (0,) * (2 * len(sizes))
    return list(zip(given[: len(sizes)], given[len(sizes) :], strict=True))


def _drawn(total: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if total <= most:
        return np.arange(total)
    return np.sort(rng.choice(total, most, replace=False))
