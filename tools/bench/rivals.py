"""The other ways to intervene on a model, for comparison: one function per way, each returning class scores.

Weights are edited, or a layer's output changed in a hook, for one node at a time; all give the same effects.
"""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import attribute, index_graph, integers
from onnxcausal.onnxgraph.masking.masks import path_mask
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.provider import CUDA, EXACT_CUDA

Scores = NDArray[np.floating]


class InTorch(torch.nn.Module):
    """A network in PyTorch, op by op from its ONNX graph; weights are parameters, layers may be hooked."""

    def __init__(self, network: Network, wiring: Wiring) -> None:
        """Take over the weights."""
        super().__init__()
        self.index = index_graph(network.proto, network.model.opset)
        self.wiring, self.input, self.output = wiring, network.spec.name, network.outcome.tensor
        self.fixed = {name: value_of(self.index, name) for op in self.index.ops for name in op.input if name}
        stored = {name: value for name, value in self.fixed.items() if value is not None and value.dtype == np.float32}
        self.weights = torch.nn.ParameterDict({key(name): torch.tensor(value) for name, value in stored.items()})
        self.hooks: dict[int, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {}
        self.last = {name: number for number, op in enumerate(self.index.ops) for name in op.input}
        self.device = torch.device("cuda" if network.plain.device is not None else "cpu")
        self.to(self.device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the class scores."""
        values = {self.input: x}
        for number, op in enumerate(self.index.ops):
            if all(name in self.index.steady for name in op.output if name):
                continue
            given = [self.weights[key(name)] if key(name) in self.weights else values.get(name) for name in op.input]
            result = run(op, given, self.fixed, self.wiring.trace.shapes)
            if number in self.hooks:
                result = self.hooks[number](given[0], result)
            values[op.output[0]] = result
            for name in [name for name in op.input if name in values and self.last[name] == number]:
                del values[name]
        return values[self.output].flatten(1)


def key(name: str) -> str:
    """Return a tensor's name as PyTorch allows it."""
    return name.replace(".", "_")


def run(op: onnx.NodeProto, given: list, fixed: dict, shapes: dict) -> torch.Tensor:  # noqa: C901, PLR0911, PLR0912  # one case per op
    """Return the first output of an op."""
    x = given[0]
    match op.op_type:
        case "Conv":
            top, left, bottom, right = integers(op, "pads") or (0, 0, 0, 0)
            if (top, left) != (bottom, right):
                x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
            bias = given[2] if given[2:] else None
            stride, groups = integers(op, "strides") or 1, attribute(op, "group", 1)
            return F.conv2d(x, given[1], bias, stride, (top, left), integers(op, "dilations") or 1, groups)
        case "Gemm":
            weight = given[1] if attribute(op, "transB", 0) else given[1].T
            return F.linear(x, weight, given[2])
        case "Relu":
            return F.relu(x)
        case "Clip":
            low, high = (fixed[name].item() for name in op.input[1:3])
            return x.clamp(low, high)
        case "Add":
            return x + given[1]
        case "MaxPool":
            top, left, bottom, right = integers(op, "pads") or (0, 0, 0, 0)
            x = F.pad(x, (left, right, top, bottom), value=-torch.inf)
            return F.max_pool2d(x, integers(op, "kernel_shape"), integers(op, "strides"))
        case "AveragePool":
            return F.avg_pool2d(x, integers(op, "kernel_shape"), integers(op, "strides"))
        case "GlobalAveragePool":
            return x.mean(dim=(2, 3), keepdim=True)
        case "Concat":
            return torch.cat(given, dim=attribute(op, "axis", 1))
        case "Slice":
            starts, _, axes, steps = (fixed[name].tolist() for name in op.input[1:5])
            for start, axis, step in zip(starts, axes, steps, strict=True):
                places = torch.arange(start, x.shape[axis], step, device=x.device)
                x = x.index_select(axis, places)
            return x
        case "Pad":
            begin, end = np.split(fixed[op.input[1]], 2)
            return F.pad(x, [int(size) for pair in zip(begin[::-1], end[::-1], strict=True) for size in pair])
        case "Reshape" | "Flatten":
            return x.reshape(len(x), *shapes[op.output[0]][1:])
        case "Dropout" | "Identity":
            return x
    raise ValueError(op.op_type)


def published_way(model: InTorch, probe: PathProbe, node: int, x: torch.Tensor) -> Scores:
    """Per sample: copy the weight, edit it, run the whole model on the sample, restore the weight.

    The way of the authors' published code.
    """
    weight, rows = _weight(model, probe), []
    mask = torch.tensor(_mask(probe, node), dtype=torch.float32, device=model.device)
    with torch.no_grad():
        for sample in x.to(model.device):
            before = weight.clone()
            weight.mul_(mask)
            rows.append(model(sample[None])[0])
            weight.copy_(before)
    return torch.stack(rows).cpu().numpy()


def hooked_way(model: InTorch, probe: PathProbe, node: int, x: torch.Tensor, batch: int) -> Scores:
    """Change the layer's output in a forward hook, `z - op(a_j; W[T, j])`, and run the whole model, batched."""
    layer, op = probe.layer, model.index.ops[probe.layer.op]
    kept = torch.tensor(1 - _mask(probe, node), dtype=torch.float32, device=model.device)
    with torch.no_grad():
        path = _weight(model, probe) * kept
        if layer.op_type == "Conv" and layer.groups == 1:
            features = torch.tensor(probe.nodes[node])
            path = path[:, features]

        def hook(data: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
            if layer.op_type == "Conv":
                part = data[:, features] if layer.groups == 1 else data
                return output - run(op, [part, path], model.fixed, {})
            return output - F.linear(data, path if attribute(op, "transB", 0) else path.T)

        model.hooks = {layer.op: hook}
        rows = [model(part) for part in x.to(model.device).split(batch)]
        model.hooks = {}
    return torch.cat(rows).cpu().numpy()


def session_way(network: Network, probe: PathProbe, node: int, x: NDArray[np.floating], batch: int) -> Scores:
    """Edit the stored weight, open an ONNX Runtime session on the edited model, run it batched."""
    edited = onnx.ModelProto()
    edited.CopyFrom(network.proto)
    stored = next(tensor for tensor in edited.graph.initializer if tensor.name == probe.layer.weight)
    values = numpy_helper.to_array(stored)
    stored.CopyFrom(numpy_helper.from_array((values * _mask(probe, node)).astype(values.dtype), stored.name))
    providers = [(name, EXACT_CUDA if name == CUDA else {}) for name in network.plain.providers]
    session = ort.InferenceSession(edited.SerializeToString(), providers=providers)
    size = network.plain.batch or batch
    parts = [x[start : start + size] for start in range(0, len(x), size)]
    return np.concatenate([session.run(None, {network.spec.name: part})[0].reshape(len(part), -1) for part in parts])


def _weight(model: InTorch, probe: PathProbe) -> torch.Tensor:
    return model.weights[key(model.index.ops[probe.layer.op].input[1])]


def _mask(probe: PathProbe, node: int) -> NDArray[np.float64]:
    return path_mask(probe.layer, probe.nodes[node], probe.targets, probe.beta)
