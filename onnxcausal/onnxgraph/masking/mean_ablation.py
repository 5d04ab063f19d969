"""What takes the place of masked paths: the contribution of their parents' means, one number per child.

Masks take `sum_j (1 - m_ij) f(W_ij, a_j)` from child `i` of a layer. On a map that holds the mean of parent `j`
everywhere that is, away from borders, `(1 - m_ij) mean_j` times the sum of `W_ij` over the kernel: the same number at
every place, which a bias can hold. At borders less of a kernel is used; there the number is that of the inside.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph, integers
from onnxcausal.onnxgraph.graph.trace import Rows, Trace
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.samples.source import Inputs

MOST_BYTES = 2**28
"""What the data of all layers should take in one batch."""
ON_THE_LEFT = -2
"""Axis of the children of `MatMul(weight, data)`."""


def child_shifts(layer: Layer, op: onnx.NodeProto, weight: NDArray[np.generic], mask: Floats, means: Floats) -> Floats:
    """Return what is added to a layer's output, of a shape that broadcasts to it: `[1, children, 1, ...]` for maps.

    In a ConvTranspose with strides a kernel's values fall on different places; the number is their average over
    places, the sum over the kernel divided by the strides.

    Args:
        layer: the layer.
        op: its op, for what multiplies its product, and its strides.
        weight: its weight where the op uses it.
        mask: its mask, of the shape `mask_shape`.
        means: mean of each parent, `[parents]`; 0 for those that nothing takes the place of.

    Raises:
        ModelError: the weight is several matrices, so that a child has several numbers.
    """
    if layer.weight_child_axis is not None and layer.op_type == "MatMul" and weight.size != mask.size:
        raise ModelError(
            "a mean cannot take the place of the layer's paths",
            where=f"layer {layer.name}",
            why=f"its weight is several matrices, of the shape {list(weight.shape)}",
            remedy="leave its means out: the paths are removed then, with nothing in their place",
        )
    shifts = _of_children(_by_edge(layer, weight), _by_edge(layer, mask), means.reshape(layer.groups, -1))
    shifts *= next((entry.f for entry in op.attribute if entry.name == "alpha"), 1.0)
    match layer.op_type:
        case "Conv":
            return shifts.reshape(1, -1, *(1 for _ in range(weight.ndim - 2)))
        case "ConvTranspose":
            places = math.prod(integers(op, "strides") or ())
            return shifts.reshape(1, -1, *(1 for _ in range(weight.ndim - 2))) / places
        case "Gemm":
            return shifts if layer.child_axis == 1 else shifts[:, None]
        case _:
            if layer.child_axis is None:
                return shifts.reshape(())
            return shifts[:, None] if layer.child_axis == ON_THE_LEFT else shifts


def shifts_of(
    network: Network, wiring: Wiring, masks: Mapping[str, Floats], means: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return what takes the place of masked paths in memory, by the layer's name: `shifts` of `with_masks`.

    Args:
        network: the model.
        wiring: its layers.
        masks: masks by the layer's name.
        means: mean of each parent, `[parents]`, by the layer's name (`parent_means`); other layers get nothing.

    Raises:
        ModelError: as `child_shifts` says.
    """
    index = index_graph(network.proto, network.model.opset)
    found = {}
    for layer in wiring.flow.layers:
        if layer.name in masks and layer.name in means:
            op = index.ops[layer.op]
            weight = value_of(index, op.input[layer.weight_input])
            assert weight is not None
            found[layer.name] = child_shifts(layer, op, weight, masks[layer.name], means[layer.name])
    return found


def parent_means(network: Network, wiring: Wiring, x: Inputs) -> dict[str, Floats]:
    """Return the mean of each layer's parents over samples and places, `[parents]`, by the layer's name.

    A layer whose data is not laid out by samples, beside its parents, is absent. In a quantised layer it is the mean
    of the whole numbers less their zero point, as the analysis computes the layer.

    Args:
        network: the model.
        wiring: its layers, and the shapes of one run.
        x: samples, `[samples, ...]`, at least one.
    """
    layers = [layer for layer in wiring.flow.layers if _has_samples(layer, wiring.trace)]
    totals = {layer.name: np.zeros(layer.parents) for layer in layers}
    for name, count, values in _parents(network, wiring, layers, x):
        totals[name] += np.asarray(values.mean(axis=1, dtype=np.float64) * count)
    return {name: total / len(x) for name, total in totals.items()}


def parent_ranges(
    network: Network, wiring: Wiring, x: Inputs, names: Collection[str]
) -> dict[str, tuple[Floats, Floats]]:
    """Return the least and the largest value of each parent over samples and places, by the layer's name.

    A layer without means (`parent_means`) is absent. What is no number, or infinite, is left out: a parent without any
    other value has the range from infinity to less than nothing, in which no number lies.

    Args:
        network: the model.
        wiring: its layers, and the shapes of one run.
        x: samples, `[samples, ...]`, at least one.
        names: the layers.
    """
    layers = [layer for layer in wiring.flow.layers if layer.name in names and _has_samples(layer, wiring.trace)]
    ranges = {layer.name: (np.full(layer.parents, np.inf), np.full(layer.parents, -np.inf)) for layer in layers}
    for name, _, values in _parents(network, wiring, layers, x):
        least, most = ranges[name]
        finite = np.isfinite(values)
        np.minimum(least, np.where(finite, values, np.inf).min(axis=1), out=least)
        np.maximum(most, np.where(finite, values, -np.inf).max(axis=1), out=most)
    return ranges


def _parents(
    network: Network, wiring: Wiring, layers: Collection[Layer], x: Inputs
) -> Iterator[tuple[str, int, NDArray[np.generic]]]:
    """Yield, batch by batch, each layer's name, how many samples they are, and its parents' values."""
    trace = wiring.trace
    inner = sorted({layer.data for layer in layers} - {network.spec.name})
    runner = network.runner(cut_at(network.proto, inner)) if inner else None
    held = sum(map(trace.of_sample, inner))
    size = network.plain.batch or max(1, min(network.batch, MOST_BYTES // max(1, held)))
    for start in range(0, len(x), size):
        batch = x[start : start + size]
        found: dict[str, NDArray[np.generic]] = {network.spec.name: batch}
        if runner is not None:
            found |= zip(inner, runner.tensors(batch, inner), strict=True)
        for layer in layers:
            yield layer.name, len(batch), _by_parent(layer, found[layer.data], trace.rows[layer.data], len(batch))


def _by_edge(layer: Layer, values: NDArray[Any]) -> NDArray[Any]:
    """Return a weight or a mask as `[groups, children of a group, parents of a group, kernel]`."""
    shape = layer.groups, layer.children // layer.groups, layer.parents // layer.groups
    if layer.op_type == "Conv":
        return values.reshape(*shape, -1)
    if layer.op_type == "ConvTranspose":
        return values.reshape(shape[0], shape[2], shape[1], -1).swapaxes(1, 2)
    if layer.weight_child_axis is None:
        return values.reshape(*shape, 1)
    axes = [axis % values.ndim for axis in (layer.weight_child_axis, layer.weight_parent_axis)]
    return np.moveaxis(values, axes, (-2, -1)).reshape(*shape, 1)


def _of_children(weight: NDArray[np.generic], mask: Floats, means: Floats) -> Floats:
    """Return the shift of each child, `[children]`, given means `[groups, parents of a group]`.

    Sums are rounded once, so that they are the same on every machine: a repaired file is verified by making it again.
    """
    found: list[float] = []
    for of_group, taken, mean in zip(weight, 1 - mask, means, strict=True):
        replaced = np.flatnonzero((mean != 0) & (taken != 0).any(axis=(0, 2)))
        terms = of_group[:, replaced].astype(np.float64) * taken[:, replaced] * mean[replaced, None]
        found += [math.fsum(row.tolist()) for row in terms.reshape(len(terms), -1)]
    return np.array(found)


def _has_samples(layer: Layer, trace: Trace) -> bool:
    """Whether samples stand along an axis of a layer's data, and parents along another."""
    rows = trace.rows.get(layer.data)
    return rows is not None and rows.axis != layer.parent_axis % len(trace.shapes[layer.data])


def _by_parent(layer: Layer, value: NDArray[np.generic], rows: Rows, count: int) -> NDArray[np.generic]:
    """Return what each parent takes at the places of the first samples, `[parents, values]`."""
    own = value.take(np.arange(count * rows.multiple), axis=rows.axis)  # a fixed batch was filled up
    return np.moveaxis(own, layer.parent_axis, 0).reshape(layer.parents, -1)
