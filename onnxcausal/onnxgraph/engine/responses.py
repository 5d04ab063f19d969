"""What layers make of some of their parents alone: the responses behind attributions (docs/method.md, "Attributions").

The weight stays as it is; each parent is multiplied by how much it counts, which by linearity is the same as
multiplying its paths. The bias is left out. All layers that are asked about are computed in one run of one session.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.activations import by_sample
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import BIAS_INPUT, Layer
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.planes import planes_of
from onnxcausal.samples.source import Inputs

MOST_BYTES = 2**28
"""What the responses of a batch should take."""
COPIES = 4
"""They are held as the model has them, and in float64, twice as long, while they are put in order."""
ORDERLY = frozenset(["Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast", "Dropout"])
"""Ops that leave the values of a sample in their order."""
SCALING = frozenset(["Sub", "Add", "Mul", "Div", "Scaler"])
"""Ops that do so where all operands but one are fixed."""


@dataclass(frozen=True, slots=True, eq=False)
class ResponseRequest:
    """Which responses of a layer are wanted.

    Attributes:
        layer: the layer.
        factors: how much each parent feature counts, `[parents]`.
        children: the children whose responses are wanted.
        features_in: the input's places, where the part of each parent feature is wanted on its own, not their sum: for
            layers that read the input (`reads_input`); empty otherwise.
    """

    layer: Layer
    factors: Floats
    children: NDArray[np.int64]
    features_in: tuple[int, ...] = ()


class Responder:
    """Computes the responses of some layers; a session on the model up to them.

    Attributes:
        batch: samples run at once, such that the responses of all layers stay within `MOST_BYTES`.
    """

    def __init__(
        self, network: Network, wiring: Wiring, asked: Mapping[str, ResponseRequest], provider: Provider | None = None
    ) -> None:
        """Open the session.

        Args:
            network: the model, cut at its class scores.
            wiring: its layers, and the shapes of one run.
            asked: what is wanted of each layer, by its name.
            provider: execution provider.

        Raises:
            ModelError: a layer's output is not laid out by samples.
        """
        for wanted in asked.values():
            if wanted.layer.output not in wiring.trace.rows:
                raise _without_rows(wanted.layer, wiring)
        self._asked = asked
        self._input = network.spec.name
        self._trace = wiring.trace
        held = sum(wiring.trace.of_sample(wanted.layer.output) for wanted in asked.values())
        self.batch = network.plain.batch or max(1, min(network.batch, MOST_BYTES // max(1, COPIES * held)))
        index = index_graph(network.proto, network.model.opset)
        self._paths = {
            name: _matrix(wanted, value_of(index, index.ops[wanted.layer.op].input[wanted.layer.weight_input]))
            for name, wanted in asked.items()
            if wanted.features_in
        }
        proto, self._tensors = _responding(network.proto, asked, wiring)
        inner = {name: tensor for name, tensor in self._tensors.items() if tensor != self._input}
        self._inner = inner
        self._runner = network.runner(proto, provider) if inner else None

    def __call__(self, x: Inputs) -> dict[str, Floats]:
        """Return the responses of each layer, `[samples, children, ...]`; behind the children stand the places.

        Args:
            x: inputs, `[samples, ...]`.
        """
        parts = [self._of_batch(x[start : start + self.batch]) for start in range(0, len(x), self.batch)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._asked}

    def _of_batch(self, x: Inputs) -> dict[str, Floats]:
        found: dict[str, NDArray[np.floating]] = {name: x for name in self._asked if name not in self._inner}
        if self._runner is not None:
            found |= zip(self._inner, self._runner.tensors(x, list(self._inner.values())), strict=True)
        return {name: self._arranged(wanted, found[name], len(x)) for name, wanted in self._asked.items()}

    def _arranged(self, wanted: ResponseRequest, value: NDArray[np.floating], count: int) -> Floats:
        """Return a response with samples first and children second."""
        if wanted.features_in:
            return self._by_place(value.astype(np.float64)[:count].reshape(count, -1), wanted)
        layer = wanted.layer
        rows = self._trace.rows[layer.output]
        by_row = by_sample(value.astype(np.float64), rows.axis, rows.multiple)[:count]
        child = None if layer.child_axis is None else layer.child_axis % len(self._trace.shapes[layer.output])
        ordered = by_row[:, None] if child is None else np.moveaxis(by_row, child + 1, 1)
        if rows.multiple > 1:
            return ordered
        # The axis of the rows of one sample, which stood where the samples did, has one row.
        return ordered.squeeze(rows.axis + (2 if child is None or child > rows.axis else 1))

    def _by_place(self, data: Floats, wanted: ResponseRequest) -> Floats:
        """Return the parts of the features at the input's places, `[samples, children, ...]`, channels summed up."""
        shape = self._trace.shapes[self._input][1:]
        parts = (data[:, None, :] * self._paths[wanted.layer.name]).reshape(len(data), -1, *shape)
        planes = planes_of((1, *shape))
        if planes is None or planes.channels is None or len(wanted.features_in) == 1:
            return parts.reshape(*parts.shape[:2], *wanted.features_in)
        return np.asarray(parts.sum(axis=planes.channels + 1))


def reads_input(network: Network, wiring: Wiring, layer: Layer) -> bool:
    """Whether the parents of a dense layer are the input's values, in their order, at most rescaled."""
    trace = wiring.trace
    if layer.op_type not in ("Gemm", "MatMul") or trace.rows.get(layer.data) != Rows(0, 1):
        return False
    if trace.shapes[layer.data][1:] != (layer.parents,):
        return False
    if int(np.prod(trace.shapes[network.spec.name][1:])) != layer.parents:
        return False
    index = index_graph(network.proto, network.model.opset)
    tensor = layer.data
    while tensor != network.spec.name:
        op = index.ops[index.producer[tensor]] if tensor in index.producer else None
        if op is None or op.op_type not in ORDERLY | SCALING:
            return False
        moving = [name for name in op.input if name and name not in index.leaves]
        if op.op_type in SCALING and len(moving) != 1:
            return False
        tensor = moving[0] if op.op_type in SCALING else op.input[0]
    return True


def _responding(
    part: onnx.ModelProto, asked: Mapping[str, ResponseRequest], wiring: Wiring
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return the model up to some layers, with their responses as outputs, and the names of those by layer."""
    ops = {name: part.graph.node[wanted.layer.op] for name, wanted in asked.items()}
    needed = [wanted.layer.data for wanted in asked.values()]
    needed += [ops[name].input[wanted.layer.weight_input] for name, wanted in asked.items()]
    proto = cut_at(part, list(dict.fromkeys(needed)))
    graph = proto.graph
    del graph.output[:]
    taken = names_in(graph)
    tensors = {}
    for name, wanted in asked.items():
        layer = wanted.layer
        if wanted.features_in:
            tensors[name] = layer.data
        else:
            tensors[name] = _add_response(graph, ops[name], wanted, len(wiring.trace.shapes[layer.data]), taken)
    inputs = {value.name for value in graph.input}
    graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in tensors.values() if tensor not in inputs)
    return proto, tensors


def _add_response(
    graph: onnx.GraphProto, op: onnx.NodeProto, wanted: ResponseRequest, rank: int, taken: set[str]
) -> str:
    """Add a copy of a layer's op on its weighted parents, without bias; return the tensor of its responses."""
    layer = wanted.layer
    shape = [1] * rank
    shape[layer.parent_axis % rank] = layer.parents
    dtype = helper.tensor_dtype_to_np_dtype(layer.weight_type)
    factors = numpy_helper.from_array(wanted.factors.astype(dtype).reshape(shape), fresh("response/factors", taken))
    children = numpy_helper.from_array(wanted.children, fresh("response/children", taken))
    weighted, made = fresh("response/data", taken), fresh("response/all", taken)
    graph.initializer.extend([factors, children])
    copied = onnx.NodeProto()
    copied.CopyFrom(op)
    copied.name = ""
    copied.input[1 - layer.weight_input] = weighted
    del copied.input[BIAS_INPUT.get(layer.op_type, 2) :]
    copied.output[:] = [made]
    graph.node.extend([helper.make_node("Mul", [layer.data, factors.name], [weighted]), copied])
    if layer.child_axis is None:
        return made
    result = fresh("response", taken)
    graph.node.append(helper.make_node("Gather", [made, children.name], [result], axis=layer.child_axis))
    return result


def _matrix(wanted: ResponseRequest, weight: NDArray[np.generic] | None) -> Floats:
    """Return the weights of a dense layer's paths times how much their parents count, `[1, children, parents]`."""
    assert weight is not None
    layer = wanted.layer
    values = weight.astype(np.float64)
    if layer.weight_child_axis is None:
        matrix = values.reshape(layer.parents, 1)
    else:
        matrix = np.moveaxis(values, (layer.weight_parent_axis, layer.weight_child_axis), (-2, -1))
    return np.asarray((matrix[:, wanted.children] * wanted.factors[:, None]).T[None])


def _without_rows(layer: Layer, wiring: Wiring) -> ModelError:
    return ModelError(
        "a layer's responses cannot be told apart by sample",
        where=f"layer {layer.name}, tensor {layer.output}",
        why=f"its shape is {list(wiring.trace.shapes.get(layer.output, ()))}, in which the samples have no axis",
        remedy="choose another layer with --layer",
    )
