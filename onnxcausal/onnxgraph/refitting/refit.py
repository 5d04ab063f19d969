"""Layers of a pruned model fitted anew, in closed form: what is left of a layer makes up for what it lost."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.causal.least_squares import fit_correction, no_moments, with_samples
from onnxcausal.onnxgraph.flow.layers import FLOAT_TYPES, Layer, find_layers
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.original.edit import store
from onnxcausal.onnxgraph.pruning import stored_by_name
from onnxcausal.onnxgraph.refitting.im2col import Values, as_matrix, from_matrix, rows_of
from onnxcausal.samples.source import Inputs

MOST_PLACES = 32768
"""Places of a layer's output that it is fitted on, over all samples."""
MOST_FEATURES = 8192
"""Weights of a child, at most: their products stand in memory."""
CHUNK = 64
"""Samples of one half that are run at once."""


@dataclass(frozen=True, slots=True)
class Lossy:
    """A layer that lost parents.

    Attributes:
        name: its name.
        output: the tensor it makes, in both models.
        children: those of its children that are left, as the original counts them.
    """

    name: str
    output: str
    children: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Refitted:
    """A layer that was fitted.

    Attributes:
        name: its name.
        values: what its stored tensors hold now, by their names: its weight, and its bias if that was fitted.
        ridge: the ridge that did best.
        left: share of the squared error of its output that is left on the samples it was fitted on.
    """

    name: str
    values: Mapping[str, NDArray[np.generic]]
    ridge: float
    left: float


class Unfit(NamedTuple):
    """A layer that lost parents and stays as it is, and why."""

    name: str
    why: str


class _Place(NamedTuple):
    """A layer in the pruned model: with its op, its stored weight, and its stored bias where that can be fitted."""

    layer: Layer
    op: onnx.NodeProto
    weight: TensorProto
    bias: TensorProto | None


def refit(
    networks: tuple[Network, Network],
    layers: Iterable[Lossy],
    blocks: Callable[[], Iterable[Inputs]],
    count: int,
    seed: int,
) -> tuple[list[Refitted], list[Unfit]]:
    """Return the layers of a pruned model with weights that make their outputs those of the original.

    Layer by layer in file order, on what the layers before it, fitted already, make of the samples. Each gets the
    least-squares solution (`fit_correction`), be it through an activation or a residual sum that it is read.

    Args:
        networks: the unmodified model, and the pruned one; its message is not changed.
        layers: its layers that lost parents, in file order.
        blocks: gives samples, `[samples, ...]` each; asked once for every layer.
        count: how many samples these are.
        seed: of the places that are drawn.
    """
    part = onnx.ModelProto()
    part.CopyFrom(networks[1].proto)
    found: list[Refitted] = []
    unfit: list[Unfit] = []
    for number, lossy in enumerate(layers):
        place = _place(index_graph(part, networks[1].model.opset), part, lossy)
        if isinstance(place, str):
            unfit.append(Unfit(lossy.name, place))
            continue
        rng = np.random.default_rng([seed, 12, number])
        rows = _rows(networks, part, lossy, place, blocks(), most=MOST_PLACES / count, rng=rng)
        done = _fitted(lossy.name, place, rows)
        if done is None:
            unfit.append(Unfit(lossy.name, "its data or output does not have one row for each sample"))
            continue
        for tensor in (place.weight, place.bias):
            if tensor is not None:
                store(tensor, done.values[tensor.name], [])
        found.append(done)
    return found, unfit


def _place(index: GraphIndex, part: onnx.ModelProto, lossy: Lossy) -> _Place | str:
    """Return a layer in the pruned model, or why it cannot be fitted."""
    layer = next((layer for layer in find_layers(index) if layer.output == lossy.output), None)
    if layer is None:
        return "it does not stand in the smaller model as a layer of its own"
    op = index.ops[layer.op]
    held = stored_by_name(part)
    why = _why_not(index, layer, op, held)
    if why:
        return why
    name = op.input[2] if len(op.input) > 2 else ""  # noqa: PLR2004  # data, weight, bias
    bias = held.get(name)
    fits = bias is not None and _is_own(index, name) and _plain_sum(op) and _size(bias) == layer.children
    return _Place(layer, op, held[op.input[layer.weight_input]], bias if fits else None)


def _why_not(index: GraphIndex, layer: Layer, op: onnx.NodeProto, held: Mapping[str, TensorProto]) -> str:
    weight = held.get(op.input[layer.weight_input])
    if weight is None or weight.data_type not in FLOAT_TYPES:
        return "its weight is not stored as it is used: it is quantised, or other ops make it"
    flaws = {
        "it is a ConvTranspose": layer.op_type == "ConvTranspose",
        "it is in groups": layer.groups > 1,
        "something else uses its weight too": not _is_own(index, op.input[layer.weight_input]),
        "its weight is no matrix": layer.weight_child_axis is None
        or (layer.op_type == "MatMul" and len(weight.dims) > 2),  # noqa: PLR2004
        "its product has a factor": layer.op_type == "Gemm" and _factor(op, "alpha") != 1,
        f"each child has more than {MOST_FEATURES:,} weights": _size(weight) // layer.children > MOST_FEATURES,
    }
    return next((why for why, holds in flaws.items() if holds), "")


def _is_own(index: GraphIndex, name: str) -> bool:
    return len(index.uses.get(name, ())) == 1


def _plain_sum(op: onnx.NodeProto) -> bool:
    return op.op_type == "Conv" or _factor(op, "beta") == 1


def _factor(op: onnx.NodeProto, name: str) -> float:
    return next((float(entry.f) for entry in op.attribute if entry.name == name), 1.0)


def _size(tensor: TensorProto) -> int:
    return int(np.prod(tuple(tensor.dims)))


def _rows(
    networks: tuple[Network, Network],
    part: onnx.ModelProto,
    lossy: Lossy,
    place: _Place,
    blocks: Iterable[Inputs],
    *,
    most: float,
    rng: np.random.Generator,
) -> Iterator[tuple[int, Values, Values] | None]:
    """Yield features and errors of the layer's output, and the half of the samples they are of; None: not by sample."""
    layer = place.layer
    original, pruned = networks
    before = original.runner(cut_at(original.proto, [lossy.output]))
    now = pruned.runner(cut_at(part, [layer.data, layer.output]))
    for x in blocks:
        for half in (0, 1):
            own = x[half::2]
            for start in range(0, len(own), CHUNK):
                some = own[start : start + CHUNK]
                (wanted,) = before.run(some, [lossy.output], batch=original.batch)
                data, output = now.run(some, [layer.data, layer.output], batch=pruned.batch)
                if any(len(one) != len(some) for one in (wanted, data, output)):
                    yield None
                    return
                assert layer.child_axis is not None
                error = wanted.take(lossy.children, axis=layer.child_axis).astype(np.float64) - output
                yield half, *rows_of(layer, place.op, data, error, most=max(1, round(most * len(some))), rng=rng)


def _fitted(name: str, place: _Place, rows: Iterator[tuple[int, Values, Values] | None]) -> Refitted | None:
    """Return a layer with the fitted weight, and bias if it has one of its own."""
    layer = place.layer
    before = as_matrix(layer, numpy_helper.to_array(place.weight).astype(np.float64))
    halves = [no_moments(*before.shape), no_moments(*before.shape)]
    for held in rows:
        if held is None:
            return None
        half, x, r = held
        halves[half] = with_samples(halves[half], x, r)
    found = fit_correction((halves[0], halves[1]), intercept=place.bias is not None)
    weight = from_matrix(layer, before + found.weights)
    values = {place.weight.name: weight.astype(_type(place.weight))}
    if place.bias is not None:
        bias = numpy_helper.to_array(place.bias).astype(np.float64)
        values[place.bias.name] = (bias + found.intercept.reshape(bias.shape)).astype(_type(place.bias))
    return Refitted(name, values, found.ridge, found.left)


def _type(tensor: TensorProto) -> np.dtype[np.generic]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
