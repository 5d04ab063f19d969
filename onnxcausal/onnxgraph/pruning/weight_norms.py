"""How large the weights are that make each child of a layer."""

import numpy as np

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex


def child_sizes(index: GraphIndex, layer: Layer) -> Floats:
    """Return the mean of the absolute weights of every child, `[children]`.

    Layers differ in how many weights make a child; the mean makes their children comparable, where the L1 norm itself
    would have narrow layers go first.
    """
    weight = value_of(index, index.ops[layer.op].input[layer.weight_input])
    assert weight is not None
    if layer.weight_child_axis is None:
        return np.full(layer.children, float(np.abs(weight.astype(np.float64)).mean()))
    sizes = np.abs(weight.astype(np.float64))
    if layer.op_type == "ConvTranspose" and layer.groups > 1:  # [parents, children of a group, ...]
        sizes = sizes.reshape(layer.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
        return np.asarray(sizes.reshape(layer.children, -1).mean(axis=1))
    by_child = np.moveaxis(sizes, layer.weight_child_axis, 0)
    return np.asarray(by_child.reshape(layer.children, -1).mean(axis=1))
