"""What single paths contribute to a layer's output, computed for many nodes and samples at once.

The contributions of `K` nodes on `n` samples, taken from the layer's output, give a *grid* of changed outputs: for a
convolution `[samples, K, ...]`, one grouped convolution with a group per node; for a product `[K, samples, ...]`, a
batch of products. `mask` carries what of each path is taken away, `1 - beta` on the edges to targets and 0 elsewhere,
and is applied to the weights, which are small, not to the maps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.onnxgraph.engine.assembly import Assembly
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import GraphIndex
from onnxcausal.onnxgraph.graph.trace import Rows, Trace

CONVOLUTIONS = frozenset(["Conv", "ConvTranspose"])


@dataclass(frozen=True, slots=True, eq=False)
class ContributionForm:
    """How a layer's contributions are computed.

    Attributes:
        layer: the layer.
        weight: its weight by parent: `[parents, children / groups, kernel...]` of a convolution, `[parents, children]`
            of a product, scale factors of the op included.
        data: shape of one sample of its data, samples first: `[multiple, ...]`.
        data_order: axes of the data with the samples first and the parents last (products).
        output: the same of its output.
        output_order: axes of the output with the samples first and the children last (products).
        multiple: rows of data and output that belong to one sample.
        edges: which weights are not 0 all over a kernel, `[parents, children / groups]`.
    """

    layer: Layer
    weight: NDArray[np.floating]
    data: tuple[int, ...]
    data_order: tuple[int, ...]
    output: tuple[int, ...]
    output_order: tuple[int, ...]
    multiple: int
    edges: NDArray[np.bool_]

    @property
    def convolves(self) -> bool:
        """Whether the layer is a convolution, else it is a product."""
        return self.layer.op_type in CONVOLUTIONS

    def acting(self, probe: PathProbe) -> NDArray[np.bool_]:
        """Return which interventions change any weight that is not 0, `[nodes]`."""
        layer = self.layer
        if probe.beta == 1:
            return np.zeros(len(probe.nodes), np.bool_)
        of_group = self._targets(probe).reshape(layer.groups, -1)[layer.group_of_parents()]
        return of_nodes(np.asarray((self.edges & of_group).any(axis=1)), probe.nodes)

    def alive(self, data: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return on which samples a feature is not 0 all over, `[parents, samples]`, given the layer's data."""
        if self.convolves:
            held = data.reshape(-1, self.multiple, self.layer.parents, int(np.prod(self.data[1:])))
            return np.asarray(held.any(axis=(1, 3)).T)
        rows = np.transpose(data, self.data_order)
        by_sample = rows.reshape(len(rows) // self.multiple, -1, self.layer.parents)
        return np.asarray(by_sample.any(axis=1).T)

    def positions(
        self, slots: NDArray[np.int64], samples: NDArray[np.int64], width: int, height: int
    ) -> NDArray[np.int64]:
        """Return where pairs of node and sample stand in the grid, `[pairs * rows of each]`.

        Args:
            slots: the node's place among those of the run, `[pairs]`.
            samples: the sample's place, `[pairs]`.
            width: nodes of the run.
            height: samples of the run.
        """
        if not self.convolves:
            return slots * height + samples
        rows = samples[:, None] * self.multiple + np.arange(self.multiple)
        return np.asarray((rows * width + slots[:, None]).reshape(-1))

    def feeds(self, probe: PathProbe, width: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
        """Return the features of a probe's nodes and the mask on their paths, as the grid takes them.

        Args:
            probe: at most `width` nodes.
            width: nodes of the run; places that are left over take nothing away.
        """
        layer = self.layer
        table = feature_table(probe.nodes)
        features = np.full((width, table.shape[1]), -1)
        features[: len(table)] = table
        edges = layer.group_of_parents()[features][:, :, None] == layer.group_of_children()
        edges &= self._targets(probe) & (features >= 0)[:, :, None]
        mask = edges * self.weight.dtype.type(1 - probe.beta)
        features = np.maximum(features, 0)
        if not self.convolves:
            return features, mask
        assert features.shape[1] == 1, features.shape
        kernel = (1,) * (self.weight.ndim - 2)
        return features[:, 0], mask.reshape(width, layer.groups, layer.children // layer.groups, *kernel)

    def _targets(self, probe: PathProbe) -> NDArray[np.bool_]:
        """Return which children are targets, `[children]`."""
        targets = np.zeros(self.layer.children, np.bool_)
        targets[probe.targets] = True
        return targets


def of_nodes(features: NDArray[np.bool_], nodes: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Return what holds of a node, as it holds of any of its features: `[nodes, ...]` of `[parents, ...]`.

    >>> of_nodes(np.array([False, True, False]), [np.array([0, 1]), np.array([2])]).tolist()
    [True, False]
    """
    padded = np.concatenate([features, np.zeros((1, *features.shape[1:]), np.bool_)])  # what an index of -1 finds
    return np.asarray(padded[feature_table(nodes)].any(axis=1))


def feature_table(nodes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the features of nodes as a table `[nodes, most features]`, filled up with -1.

    >>> feature_table([np.array([3, 4]), np.array([5])]).tolist()
    [[3, 4], [5, -1]]
    """
    sizes = np.array([len(node) for node in nodes])
    table = np.full((len(sizes), sizes.max(initial=1)), -1)
    table[np.arange(table.shape[1]) < sizes[:, None]] = np.concatenate(nodes) if nodes else []
    return table


def find_form(index: GraphIndex, layer: Layer, weight: NDArray[np.generic], trace: Trace) -> ContributionForm | None:
    """Return how a layer's contributions are computed; None where its data or output is not laid out by samples.

    Args:
        index: the graph.
        layer: the layer.
        weight: its weight where the op uses it.
        trace: shapes of one run.
    """
    data, output = trace.rows.get(layer.data), trace.rows.get(layer.output)
    if data is None or output is None:
        return None
    shapes = trace.shapes[layer.data], trace.shapes[layer.output]
    if layer.op_type in CONVOLUTIONS:
        if (data.axis, output.axis) != (0, 0) or data.multiple != output.multiple:
            return None
        by_parent = _kernels(layer, weight)
        return ContributionForm(
            layer, by_parent, shapes[0][1:], (), shapes[1][1:], (), data.multiple, _edges(by_parent)
        )
    matrix = _product(index, layer, weight)
    parent = layer.parent_axis % len(shapes[0])
    child = None if layer.child_axis is None else layer.child_axis % len(shapes[1])
    if matrix is None or data.axis == parent or output.axis == child:
        return None
    orders = _order(len(shapes[0]), data, parent), _order(len(shapes[1]), output, child)
    rest = [[shape[axis] for axis in order] for shape, order in zip(shapes, orders, strict=True)]
    if rest[0][1:-1] != (rest[1][1:-1] if child is not None else rest[1][1:]) or data.multiple != output.multiple:
        return None
    return ContributionForm(
        layer, matrix, tuple(rest[0][1:]), orders[0], tuple(rest[1][1:]), orders[1], data.multiple, matrix != 0
    )


def add_grid(
    assembly: Assembly, form: ContributionForm, op: gs.Node, tensors: dict[str, gs.Tensor], width: int
) -> gs.Variable:
    """Return the changed outputs of the layer for every node and sample of a run, `[grid, values]`.

    Args:
        assembly: takes the new ops.
        form: how the contributions are computed.
        op: the layer's op.
        tensors: `data`, `output`, `features`, `mask`, and `factors` where the grid is computed for several at once.
        width: nodes of a run.
    """
    weight = assembly.constant(form.weight)
    if form.convolves:
        return _convolution(assembly, form, op.attrs, {**tensors, "weight": weight}, width)
    parents, children = form.weight.shape
    data = assembly.reshape(assembly.transpose(tensors["data"], list(form.data_order)), -1, parents)
    selected = assembly.add("Gather", [data, tensors["features"]], axis=1)  # [rows, nodes, features]
    of_nodes = assembly.add("Transpose", [selected], perm=[1, 0, 2])
    paths = assembly.add("Mul", [assembly.add("Gather", [weight, tensors["features"]], axis=0), tensors["mask"]])
    contribution = _scaled(assembly, assembly.add("MatMul", [of_nodes, paths]), tensors)  # [..., nodes, rows, children]
    output = assembly.reshape(assembly.transpose(tensors["output"], list(form.output_order)), -1, children)
    changed = assembly.add("Sub", [output, contribution])
    return assembly.reshape(changed, -1, form.multiple * int(np.prod(form.output)))


def add_layout(assembly: Assembly, form: ContributionForm, rows: gs.Tensor, output: gs.Variable) -> None:
    """Give rows of the grid, `[pairs, values]`, the layout of the layer's output, and let them take its place."""
    shape = assembly.constant(np.array([-1, *form.output], np.int64))
    order = list(form.output_order)
    if order == sorted(order):
        assembly.into(output, "Reshape", [rows, shape])
    else:
        inverse = [order.index(axis) for axis in range(len(order))]
        assembly.into(output, "Transpose", [assembly.add("Reshape", [rows, shape])], perm=inverse)


def _convolution(
    assembly: Assembly,
    form: ContributionForm,
    attributes: Mapping[str, object],
    tensors: dict[str, gs.Tensor],
    width: int,
) -> gs.Variable:
    """Return the grid of a convolution: one grouped convolution, with a group per node."""
    layer, kernel = form.layer, form.weight.shape[2:]
    values = int(np.prod(form.output))
    selected = assembly.add("Gather", [tensors["data"], tensors["features"]], axis=1)
    kernels = assembly.reshape(
        assembly.add("Gather", [tensors["weight"], tensors["features"]], axis=0),
        0,
        1,
        layer.children // layer.groups,
        *kernel,
    )
    paths = assembly.add("Mul", [kernels, tensors["mask"]])  # [nodes, groups, children / groups, kernel...]
    transposed = layer.op_type == "ConvTranspose"
    shaped = assembly.reshape(paths, *((0, layer.children) if transposed else (-1, 1)), *kernel)
    grouped = {**attributes, "group": width}
    contribution = assembly.add(layer.op_type, [selected, shaped], **grouped)
    by_node = _scaled(assembly, assembly.reshape(contribution, 0, width, values), tensors)
    output = assembly.reshape(tensors["output"], -1, 1, values)
    return assembly.reshape(assembly.add("Sub", [output, by_node]), -1, values)


def _scaled(assembly: Assembly, contribution: gs.Variable, tensors: dict[str, gs.Tensor]) -> gs.Variable:
    """Return a contribution times each factor, `[factors, ...]`; as it is where there are none."""
    return assembly.add("Mul", [contribution, tensors["factors"]]) if "factors" in tensors else contribution


def _edges(weight: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which weights are not 0 all over a kernel, `[parents, children / groups]`."""
    return np.asarray((weight != 0).reshape(*weight.shape[:2], -1).any(axis=2))


def _kernels(layer: Layer, weight: NDArray[Any]) -> NDArray[np.floating]:
    """Return a convolution's weight as `[parents, children / groups, kernel...]`."""
    if layer.op_type == "ConvTranspose":
        return weight
    groups = weight.reshape(layer.groups, -1, *weight.shape[1:])
    return np.asarray(np.moveaxis(groups, 2, 1).reshape(layer.parents, -1, *weight.shape[2:]))


def _product(index: GraphIndex, layer: Layer, weight: NDArray[Any]) -> NDArray[np.floating] | None:
    """Return a product's weight as `[parents, children]`; None where there is more than one such matrix."""
    alpha = next((entry.f for entry in index.ops[layer.op].attribute if entry.name == "alpha"), 1.0)
    if layer.weight_child_axis is None:
        matrix = weight.reshape(-1, 1)
    else:
        if weight.size != layer.parents * layer.children:
            return None
        axes = [axis % weight.ndim for axis in (layer.weight_parent_axis, layer.weight_child_axis)]
        matrix = np.moveaxis(weight, axes, (-2, -1)).reshape(layer.parents, layer.children)
    scale = alpha if layer.op_type == "Gemm" else 1.0
    return np.asarray(matrix * matrix.dtype.type(scale), matrix.dtype)


def _order(rank: int, rows: Rows, last: int | None) -> tuple[int, ...]:
    """Return the axes with the samples first and the given one last."""
    ends = [rows.axis] if last is None else [rows.axis, last]
    middle = [axis for axis in range(rank) if axis not in ends]
    return (rows.axis, *middle, *ends[1:])


def dtype_of(layer: Layer) -> np.dtype[np.generic]:
    """Return the numpy type of a layer's weight."""
    return np.dtype(helper.tensor_dtype_to_np_dtype(layer.weight_type))
