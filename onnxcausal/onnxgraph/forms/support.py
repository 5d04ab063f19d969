"""Which forms a layer cannot take, with the reason."""

from collections.abc import Collection, Mapping

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.original.fused_layers import BYTES, bias_input, hiding


def check_form(model: Model, layers: Mapping[str, Layer], shifted: Collection[str], form: Form) -> None:
    """Refuse a form that the op of a layer in the file cannot take.

    Args:
        model: the model.
        layers: its layers as they stand in the file, by any names.
        shifted: names of those that get means.
        form: how masks are to stand in the file.

    Raises:
        ModelError: a layer cannot take it.
    """
    index = index_graph(model.proto, model.opset)
    for name, layer in layers.items():
        op = index.ops[layer.op]
        where = f"{model.name}, layer {name}, op {op.name or layer.output} ({op.op_type})"
        held = hiding(op)
        if layer.weight_type in BYTES and form is not Form.FOLDED:
            raise ModelError(
                "the layer cannot be masked in this form",
                where=where,
                why="a mask cannot be multiplied with weights that are whole numbers",
                remedy="use --form folded, which removes paths by their zero point",
            )
        if layer.weight_type in BYTES and name in shifted and bias_input(op, layer) is None:
            raise ModelError(
                "a mean cannot take the place of the layer's paths",
                where=where,
                why="the op has no bias in the unit of its sum",
                remedy="leave the layer's means out, or repair the model before quantisation",
            )
        if held is not None and held.ends and name in shifted and form is not Form.FOLDED:
            raise ModelError(
                "a mean cannot take the place of the layer's paths in this form",
                where=where,
                why="the op goes on to an activation, before which nothing can be added",
                remedy="use --form folded, which adds means to its bias",
            )
