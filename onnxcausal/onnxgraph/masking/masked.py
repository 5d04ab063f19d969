"""A model with masks on many layers at once, as constants: what it decides without some of its paths."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import BIAS_INPUT, Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows
from onnxcausal.onnxgraph.masking.masks import insert_masks, mask_shape, path_mask
from onnxcausal.onnxgraph.masking.output_shifts import insert_fixed_shifts, without_mean
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.provider import CPU, Provider
from onnxcausal.onnxgraph.runner.sessions import failing, open_session
from onnxcausal.samples.source import Inputs

Masks = Mapping[str, Floats]
"""Mask of each layer, of the shape `mask_shape`, by the layer's name; layers that are absent stay as they are."""
PLAIN_ROWS = Rows(0, 1)


def without_nodes(layer: Layer, features: NDArray[np.int64]) -> Floats:
    """Return the mask that removes every path of some parent features."""
    return path_mask(layer, features, np.arange(layer.children), 0.0)


def edges_alone(layer: Layer, features: NDArray[np.int64], children: NDArray[np.int64]) -> Floats:
    """Return the mask that keeps nothing but the edges between some parent features and some children."""
    return 1.0 - path_mask(layer, features, children, 0.0)


def weight_sizes(network: Network, layer: Layer) -> Floats:
    """Return the sum of the absolute weights of every parent feature, `[parents]`.

    What a mask of one weight's axis cannot tell apart, the parents of other groups, is told apart here.
    """
    index = index_graph(network.proto, network.model.opset)
    weight = value_of(index, index.ops[layer.op].input[layer.weight_input])
    assert weight is not None
    axis = layer.weight_parent_axis % weight.ndim
    if layer.groups == 1 or layer.op_type == "ConvTranspose":
        by_parent = np.moveaxis(np.abs(weight), axis, 0).reshape(weight.shape[axis], -1)
        return np.asarray(by_parent.sum(axis=1, dtype=np.float64))
    grouped = np.abs(weight).reshape(layer.groups, -1, *weight.shape[1:]).sum(axis=1, dtype=np.float64)
    return np.asarray(grouped.reshape(layer.parents, -1).sum(axis=1))


def with_masks(
    network: Network,
    masks: Masks,
    wiring: Wiring,
    *,
    shifts: Mapping[str, Floats] | None = None,
    provider: Provider | None = None,
) -> Network:
    """Return the network with masks on its layers, in its own session.

    Args:
        network: the network.
        masks: the masks.
        wiring: its layers, and the shapes of one run.
        shifts: what is added to the outputs of layers, by the layer's name (`MeanContributions`, `shifts_of`).
        provider: execution provider.

    Raises:
        ModelError: ONNX Runtime refuses the masked model.
    """
    layers = [layer for layer in wiring.flow.layers if layer.name in masks]
    proto = insert_masks(network.proto, layers, values=masks).proto
    proto, _ = insert_fixed_shifts(proto, layers, shifts or {})
    return replace(network, proto=proto, plain=network.runner(proto, provider))


class MeanContributions:
    """Computes what masked paths contribute on average over reference samples of the unmodified model."""

    def __init__(self, network: Network, wiring: Wiring, reference: Inputs) -> None:
        """Run the model on the reference samples once.

        Args:
            network: the model.
            wiring: its layers, and the shapes of one run.
            reference: reference samples, `[samples, ...]`.

        Raises:
            ModelError: the data or output of a layer does not have one row per sample.
        """
        self._layers = wiring.flow.layers
        rows = wiring.trace.rows
        for layer in self._layers:
            if rows.get(layer.output) != PLAIN_ROWS or rows.get(layer.data) != PLAIN_ROWS:
                raise without_mean(layer, wiring.trace)
        means = _means(network, sorted({layer.data for layer in self._layers}), reference)
        proto, self._outputs = _contributing(network, self._layers, means)
        self._name = network.model.name
        self._session = open_session(proto, self._name, Provider(CPU))
        self._types = {
            layer.name: np.dtype(helper.tensor_dtype_to_np_dtype(layer.weight_type)) for layer in self._layers
        }

    def __call__(self, masks: Masks) -> dict[str, Floats]:
        """Return what the masks take from the output of each layer on average, `[1, ...]` by the layer's name."""
        taken = {
            f"mask/{layer.name}": (1 - masks.get(layer.name, np.ones(mask_shape(layer)))).astype(
                self._types[layer.name]
            )
            for layer in self._layers
        }
        try:
            values = self._session.run(list(self._outputs.values()), taken)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise failing(self._name, error) from error
        found = dict(zip(self._outputs, values, strict=True))
        return {name: found[name].astype(np.float64) for name in masks}


def _means(network: Network, tensors: list[str], reference: Inputs) -> dict[str, Floats]:
    """Return tensors averaged over the reference samples, `[1, ...]`."""
    inner = [name for name in tensors if name != network.spec.name]
    totals: dict[str, Floats] = {}
    if inner:
        runner = network.runner(cut_at(network.proto, inner))
        for start in range(0, len(reference), network.batch):
            found = runner.run(reference[start : start + network.batch], inner, batch=network.batch)
            for name, value in zip(inner, found, strict=True):
                totals[name] = totals.get(name, np.zeros(1)) + value.sum(axis=0, dtype=np.float64, keepdims=True)
    totals[network.spec.name] = reference.sum(axis=0, dtype=np.float64, keepdims=True)
    return {name: total / len(reference) for name, total in totals.items()}


def _contributing(
    network: Network, layers: tuple[Layer, ...], means: Mapping[str, Floats]
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return a model of all layers side by side, on fixed data, their weights masked; and its outputs by layer."""
    index = index_graph(network.proto, network.model.opset)
    ops, inputs, stored, outputs = [], [], [], {}
    for number, layer in enumerate(layers):
        weight = value_of(index, index.ops[layer.op].input[layer.weight_input])
        assert weight is not None
        names = {part: f"{part}/{number}" for part in ("weight", "data", "masked", "output")}
        mask = f"mask/{layer.name}"
        stored.append(numpy_helper.from_array(np.ascontiguousarray(weight), names["weight"]))
        stored.append(numpy_helper.from_array(means[layer.data].astype(weight.dtype), names["data"]))
        inputs.append(helper.make_tensor_value_info(mask, layer.weight_type, list(mask_shape(layer))))
        ops.append(helper.make_node("Mul", [names["weight"], mask], [names["masked"]]))
        op = onnx.NodeProto()
        op.CopyFrom(index.ops[layer.op])
        op.name = ""
        del op.input[BIAS_INPUT.get(layer.op_type, 2) :]
        op.input[layer.weight_input], op.input[1 - layer.weight_input] = names["masked"], names["data"]
        op.output[:] = [names["output"]]
        ops.append(op)
        outputs[layer.name] = names["output"]
    graph = helper.make_graph(
        ops, "contributions", inputs, [onnx.ValueInfoProto(name=name) for name in outputs.values()], stored
    )
    opset = [helper.make_opsetid("", network.model.opset)]
    return helper.make_model(graph, opset_imports=opset, ir_version=max(4, network.proto.ir_version)), outputs
