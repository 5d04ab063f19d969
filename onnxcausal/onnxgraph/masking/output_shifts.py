"""Additions to the outputs of layers, for `replace = mean`.

Removing a path takes its contribution from the layer's output; its mean contribution is put back by adding it there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR, fresh, names_in, splice
from onnxcausal.onnxgraph.graph.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """What was added for one layer.

    Attributes:
        name: overridable initializer, zeros, of the shape of one sample's layer output, `[1, ...]`.
        before: the layer's output before the addition, an output of the model.
    """

    name: str
    before: str


def insert_shifts(
    proto: onnx.ModelProto, layers: Sequence[Layer], trace: Trace
) -> tuple[onnx.ModelProto, dict[str, Shift]]:
    """Return the model with an overridable addition after layers, and the additions by layer name.

    A layer whose output does not have one row per sample has no mean over samples, and gets none.

    Args:
        proto: the model, which may have masks already; not changed.
        layers: the layers.
        trace: shapes of one run.
    """
    shifted = onnx.ModelProto()
    shifted.CopyFrom(proto)
    graph = shifted.graph
    taken = names_in(graph)
    position = {op.output[0]: number for number, op in enumerate(graph.node)}
    batch = trace.shapes[graph.output[0].name][0]
    shifts, after = {}, {}
    for layer in layers:
        shape = trace.shapes.get(layer.output, ())
        if not shape or shape[0] != batch:
            continue
        shift = Shift(fresh(f"{layer.name}.shift", taken), fresh(f"{layer.name}.before_shift", taken))
        dtype = helper.tensor_dtype_to_np_dtype(layer.weight_type)
        zeros = numpy_helper.from_array(np.zeros((1, *shape[1:]), dtype), shift.name)
        graph.initializer.append(zeros)
        graph.input.append(helper.make_tensor_value_info(shift.name, zeros.data_type, list(zeros.dims)))
        graph.output.append(onnx.ValueInfoProto(name=shift.before))
        # The sum takes over the tensor's name, so that nothing after the layer changes.
        number = position[layer.output]
        graph.node[number].output[0] = shift.before
        after[number] = helper.make_node("Add", [shift.before, shift.name], [layer.output])
        shifts[layer.name] = shift
    splice(graph, after=after)
    return shifted, shifts


def insert_fixed_shifts(
    proto: onnx.ModelProto, layers: Iterable[Layer], values: Mapping[str, Floats], *, overridable: bool = False
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return the model with fixed additions after layers, and the name of what is added by the layer's name.

    Args:
        proto: the model, which may have masks already; not changed.
        layers: its layers.
        values: what is added, by the layer's name, of shapes that broadcast to the layer's output; others get nothing.
        overridable: make every addition an input too, which may be fed.
    """
    shifted = onnx.ModelProto()
    shifted.CopyFrom(proto)
    graph = shifted.graph
    taken = names_in(graph)
    position = {op.output[0]: number for number, op in enumerate(graph.node) if op.output}
    names, after = {}, {}
    for layer in layers:
        if layer.name not in values:
            continue
        name, before = fresh(f"{layer.name}.shift", taken), fresh(f"{layer.name}.before_shift", taken)
        dtype = helper.tensor_dtype_to_np_dtype(layer.weight_type)
        tensor = numpy_helper.from_array(np.asarray(values[layer.name].astype(dtype)), name)
        graph.initializer.append(tensor)
        if overridable or proto.ir_version < OLDEST_OVERRIDABLE_IR:  # IR 3 lists every initializer as an input
            graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
        # The sum takes over the tensor's name, so that nothing after the layer changes.
        number = position[layer.output]
        graph.node[number].output[0] = before
        op_name = fresh(f"{layer.name}.apply_shift", taken)
        after[number] = helper.make_node("Add", [before, name], [layer.output], name=op_name)
        names[layer.name] = name
    splice(graph, after=after)
    return shifted, names


def without_mean(layer: Layer, trace: Trace) -> ModelError:
    """Return the error that a layer's output has no mean over samples."""
    return ModelError(
        "a layer's output does not have one row per sample",
        where=f"layer {layer.name}, tensor {layer.output}",
        why=f"its shape is {list(trace.shapes.get(layer.output, ()))}, so a mean over samples is not defined",
        remedy="use --replace zero",
    )
