"""Additions to the outputs of layers, for `replace = mean`.

Removing a path takes its contribution from the layer's output; its mean contribution is put back by adding it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.rewrite import fresh, names_in, splice
from onnxcausal.onnxgraph.trace import Trace


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


def without_mean(layer: Layer, trace: Trace) -> ModelError:
    """Return the error that a layer's output has no mean over samples."""
    return ModelError(
        "a layer's output does not have one row per sample",
        where=f"layer {layer.name}, tensor {layer.output}",
        why=f"its shape is {list(trace.shapes.get(layer.output, ()))}, so a mean over samples is not defined",
        remedy="use --replace zero",
    )
