"""Parts of a model around one layer, which take and give float32 numbers: before it, itself, after it."""

from collections.abc import Mapping

import onnx
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import attribute, index_graph
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.swapping.spans import Port, Span

GIVEN, READ = "onnxcausal/given", "onnxcausal/read"
"""Names of what a part is given, and of what is read from it."""


def before(network: Network, span: Span, types: Mapping[str, int]) -> tuple[onnx.ModelProto, str]:
    """Return the part that computes what a layer reads, and the name of that.

    Args:
        network: the model.
        span: the layer.
        types: ONNX element type of each tensor of the model.
    """
    part = _copy(network.proto)
    name = _reading(part, span.entry, types)
    return cut_at(part, [name]), name


def itself(network: Network, span: Span, types: Mapping[str, int]) -> tuple[onnx.ModelProto, str, str] | None:
    """Return the part that makes of what a layer reads what it makes, and the names of the two.

    None where what it makes depends on anything else.
    """
    part = _copy(network.proto)
    given, _ = _put(part, span.entry, types)
    name = _reading(part, span.exit, types)
    alone = cut_at(part, [name])
    return (alone, given, name) if [value.name for value in alone.graph.input] == [given] else None


def after(network: Network, span: Span, types: Mapping[str, int]) -> tuple[onnx.ModelProto, str, str] | None:
    """Return the part that computes the scores from what a layer makes, the name of that, and of the scores.

    What it makes is not rounded again where what follows reads it in a float type. None where an op's body reads it.
    """
    uses = index_graph(network.proto, network.model.opset).uses.get(span.exit.tensor, ())
    if any(use.position is None for use in uses):
        return None
    part = _copy(network.proto)
    given, place = _put(part, span.exit, types)
    if span.exit.scale:
        _unrounded(part, span.exit, given, place)
    scores = network.outcome.tensor
    if scores == span.exit.tensor:
        name = _add(part, "Identity", [given])
        return cut_at(part, [name]), given, name
    return cut_at(part, [scores]), given, scores


def _copy(proto: onnx.ModelProto) -> onnx.ModelProto:
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    return part


def _reading(part: onnx.ModelProto, port: Port, types: Mapping[str, int]) -> str:
    """Add what reads a tensor as float32; return the name of what is read."""
    tensor = port.tensor
    if port.scale:
        tensor = _add(part, "DequantizeLinear", [tensor, port.scale, port.zero], port.domain)
    elif types.get(tensor, TensorProto.FLOAT) != TensorProto.FLOAT:
        tensor = _cast(part, tensor)
    return _add(part, "Identity", [tensor], output=READ)


def _put(part: onnx.ModelProto, port: Port, types: Mapping[str, int]) -> tuple[str, str]:
    """Put a new input of float32 in the place of a tensor, wherever it is used.

    Return its name, and that of what is read there, in the tensor's own type.
    """
    taken = names_in(part.graph)
    given = fresh(GIVEN, taken)
    place = fresh(f"{GIVEN}/{port.tensor}", taken)
    for op in part.graph.node:
        for number, name in enumerate(op.input):
            if name == port.tensor:
                op.input[number] = place
    kind = types.get(port.tensor, TensorProto.FLOAT)
    if port.scale:
        made = helper.make_node("QuantizeLinear", _named([given, port.scale, port.zero]), [place], domain=port.domain)
    elif kind != TensorProto.FLOAT:
        made = helper.make_node("Cast", [given], [place], to=kind)
    else:
        made = helper.make_node("Identity", [given], [place])
    ops = [made, *part.graph.node]
    del part.graph.node[:]
    part.graph.node.extend(ops)
    value = onnx.ValueInfoProto(name=given)
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    part.graph.input.append(value)
    return given, place


def _unrounded(part: onnx.ModelProto, port: Port, given: str, place: str) -> None:
    """Give floats that stand for whole numbers as they are, in place of rounded, to what reads them as floats."""
    shifted = ""
    for op in list(part.graph.node):
        if op.op_type == "DequantizeLinear" and op.input[0] == place and op.input[1] == port.scale:
            op.CopyFrom(helper.make_node("Identity", [given], [op.output[0]]))
        elif op.op_type == "Cast" and op.input[0] == place and attribute(op, "to", 0) == TensorProto.FLOAT:
            shifted = shifted or _shifted(part, port, given)
            op.CopyFrom(helper.make_node("Identity", [shifted], [op.output[0]]))


def _shifted(part: onnx.ModelProto, port: Port, given: str) -> str:
    """Return floats by the scale and zero point of whole numbers, not rounded."""
    scaled = _add(part, "Div", [given, port.scale])
    return _add(part, "Add", [scaled, _cast(part, port.zero)]) if port.zero else scaled


def _cast(part: onnx.ModelProto, tensor: str) -> str:
    """Append what casts a tensor to float32; return the name of its output."""
    name = _add(part, "Cast", [tensor])
    part.graph.node[-1].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    return name


def _add(part: onnx.ModelProto, op_type: str, inputs: list[str], domain: str = "", *, output: str = READ) -> str:
    """Append an op; return the name of its output."""
    name = fresh(output, names_in(part.graph))
    made = helper.make_node(op_type, _named(inputs), [name], domain=domain)
    part.graph.node.append(made)
    return name


def _named(inputs: list[str]) -> list[str]:
    return [name for name in inputs if name]
