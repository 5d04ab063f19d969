"""The probe graph of a layer: interventions on many pairs of node and sample in one run of its suffix.

It takes the layer's data and output and every crossing tensor as they were observed, removes from the output what the
paths of given nodes contribute, lays the pairs out as rows of one batch, and re-executes the suffix on it.
"""

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from onnxcausal.onnxgraph.engine.assembly import Assembly
from onnxcausal.onnxgraph.engine.contribution import ContributionForm, add_grid, add_layout, dtype_of
from onnxcausal.onnxgraph.engine.nchwc import keep_in_blocks
from onnxcausal.onnxgraph.flow.suffix import Suffix
from onnxcausal.onnxgraph.graph.edits import names_in
from onnxcausal.onnxgraph.graph.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class ProbeGraph:
    """A model that carries out interventions on one layer.

    Attributes:
        proto: the model; its one output is the tensor of the class scores, a row per pair.
        width: nodes of a run.
        data: input that takes the layer's data.
        output: input that takes the layer's output.
        crossing: input that takes each crossing tensor, by the tensor's name.
        features: input that takes the nodes' features.
        mask: input that takes what is taken away of each path.
        positions: input that takes where the pairs stand in the grid.
        samples: input that takes the sample of each pair; empty where no tensor crosses.
        factors: input that takes factors on what is taken away, `[factors, 1, 1, 1]`, for each of which there is a
            grid; empty where there is one grid.
    """

    proto: onnx.ModelProto
    width: int
    data: str
    output: str
    crossing: dict[str, str]
    features: str
    mask: str
    positions: str
    samples: str
    factors: str = ""


def build_probe_graph(
    part: onnx.ModelProto,
    form: ContributionForm,
    suffix: Suffix,
    trace: Trace,
    width: int,
    *,
    swept: bool = False,
    in_blocks: bool = False,
) -> ProbeGraph:
    """Return the probe graph of a layer.

    Args:
        part: the model, cut at its class scores.
        form: how the layer's contributions are computed.
        suffix: the part of the graph after the layer; what crosses into it is laid out by samples.
        trace: shapes and types of one run.
        width: nodes of a run.
        swept: take factors, and give a row per pair for each of them.
        in_blocks: keep maps in the layout that convolutions on CPUs like.
    """
    graph = gs.import_onnx(part)
    tensors = graph.tensors()
    new = Assembly(names_in(part.graph))
    inputs = _inputs(new, form, trace, swept=swept)
    output = tensors[form.layer.output]
    op = output.inputs[0]
    output.inputs.clear()
    grid = add_grid(new, form, op, inputs, width)
    add_layout(new, form, new.add("Gather", [grid, inputs["positions"]], axis=0), output)
    _declare(output, trace)
    samples = new.input("samples", np.dtype(np.int64), ["pairs"])
    crossing = {name: _cross(new, tensors[name], samples, trace) for name in suffix.crossing}
    after = [graph.nodes[number] for number in suffix.ops]
    if in_blocks:
        keep_in_blocks(new, after, trace)
    else:
        new.ops += after
    graph.nodes = new.ops
    graph.inputs = [*inputs.values(), *crossing.values(), *([samples] if crossing else [])]
    outcome = tensors[part.graph.output[0].name]
    graph.outputs = [outcome]
    outcome.shape = None
    proto = gs.export_onnx(graph, do_type_check=False)
    proto.ir_version = part.ir_version
    return ProbeGraph(
        proto=proto,
        width=width,
        **{key: tensor.name for key, tensor in inputs.items()},
        crossing={name: source.name for name, source in crossing.items()},
        samples=samples.name if crossing else "",
    )


def _inputs(new: Assembly, form: ContributionForm, trace: Trace, *, swept: bool) -> dict[str, gs.Variable]:
    """Return the inputs that every probe graph has, and the factors if it is swept."""
    layer = form.layer
    inputs = {
        "data": new.input("data", trace.types[layer.data], _open_shape(trace, layer.data)),
        "output": new.input("output", trace.types[layer.output], _open_shape(trace, layer.output)),
        "features": new.input("features", np.dtype(np.int64), ["nodes"] if form.convolves else ["nodes", "features"]),
        "mask": new.input("mask", dtype_of(layer), ["nodes", *_mask_shape(form)]),
        "positions": new.input("positions", np.dtype(np.int64), ["rows"]),
    }
    if swept:
        inputs["factors"] = new.input("factors", dtype_of(layer), ["factors", 1, 1, 1])
    return inputs


def _declare(tensor: gs.Variable, trace: Trace) -> None:
    """Note a tensor's type and shape: ONNX Runtime does in one op what it knows to be of one shape."""
    rows = trace.rows[tensor.name]
    count = "pairs" if rows.multiple == 1 else f"pairs * {rows.multiple}"
    tensor.dtype = trace.types[tensor.name]
    tensor.shape = _shape_with(count, trace, tensor.name)


def _cross(new: Assembly, tensor: gs.Variable, samples: gs.Variable, trace: Trace) -> gs.Variable:
    """Make a crossing tensor with a row for each pair; return the input that takes it with a row for each sample.

    Args:
        new: takes the ops.
        tensor: the tensor, which gets a row for each pair.
        samples: each pair's sample.
        trace: shapes and types of one run.
    """
    name = tensor.name
    source = new.input("crossing", trace.types[name], _open_shape(trace, name))
    tensor.inputs.clear()
    _declare(tensor, trace)
    rows, shape = trace.rows[name], trace.shapes[name]
    if rows.axis == 0 and rows.multiple == 1:
        new.into(tensor, "Gather", [source, samples], axis=0)
        return source
    order = [rows.axis, *(axis for axis in range(len(shape)) if axis != rows.axis)]
    rest = [shape[axis] for axis in order[1:]]
    by_sample = new.reshape(new.transpose(source, order), -1, rows.multiple * int(np.prod(rest)))
    spread = new.reshape(new.add("Gather", [by_sample, samples], axis=0), -1, *rest)
    new.into(tensor, "Transpose", [spread], perm=[order.index(axis) for axis in range(len(shape))])
    return source


def _open_shape(trace: Trace, name: str) -> list[int | str]:
    """Return a tensor's shape with the samples' axis left open."""
    return _shape_with(f"rows_{name}", trace, name)


def _shape_with(count: str, trace: Trace, name: str) -> list[int | str]:
    """Return a tensor's shape with a name for the size of the samples' axis."""
    axis = trace.rows[name].axis
    return [count if number == axis else size for number, size in enumerate(trace.shapes[name])]


def _mask_shape(form: ContributionForm) -> list[int | str]:
    layer = form.layer
    if not form.convolves:
        return ["features", layer.children]
    return [layer.groups, layer.children // layer.groups, *(1,) * (form.weight.ndim - 2)]
