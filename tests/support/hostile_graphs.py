"""Models whose graph, weights, attributes or declared types contradict themselves."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.hostile_parts import (
    Change,
    HostileFile,
    before_scores,
    built,
    changed,
    floats,
    integers,
    model_of,
    named,
    op,
    put,
    set_attribute,
    sound,
)

LARGEST_INT64 = 2**63 - 1
UNKNOWN_TYPE = 99
CONV, RELU, FLATTEN, GEMM = range(4)
"""Positions of the sound classifier's ops."""


def _wired(node: int, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None) -> Change:
    """Give an op other inputs or outputs."""

    def change(model: onnx.ModelProto) -> None:
        for field, names in ((model.graph.node[node].input, inputs), (model.graph.node[node].output, outputs)):
            if names is not None:
                del field[:]
                field.extend(names)

    return change


def _attribute(node: int, name: str, value: Any) -> Change:
    return lambda model: set_attribute(model.graph.node[node], name, value)


def _appended(*ops: onnx.NodeProto, weights: Sequence[onnx.TensorProto] = ()) -> Change:
    return lambda model: before_scores(model, ops, weights)


def _dims(name: str, *dims: int) -> Change:
    """Let a stored tensor say another shape than its bytes have."""

    def change(model: onnx.ModelProto) -> None:
        tensor = named(model, name)
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def _stored(tensor: TensorProto) -> Change:
    return lambda model: put(model, tensor)


def _filled(name: str, value: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        shape = tuple(named(model, name).dims)
        put(model, floats(name, np.full(shape, value, np.float32)))

    return change


def _element_type(name: str, data_type: int) -> Change:
    return lambda model: setattr(named(model, name), "data_type", data_type)


def _several_fields(model: onnx.ModelProto) -> None:
    """Hold a weight's values in two fields at once."""
    named(model, "w").float_data.extend([9.0] * 18)


def _strings(model: onnx.ModelProto) -> None:
    put(model, numpy_helper.from_array(np.full((2, 1, 3, 3), "a", np.object_), "w"))


def _both_stored(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(floats("w", np.ones((4, 1, 3, 3), np.float32)))


def _also_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse("w", [2, 1, 3, 3], [0]))


def sparse(name: str, dims: Sequence[int], places: Sequence[int]) -> onnx.SparseTensorProto:
    """Return a sparse tensor of ones at the given flat places."""
    values = floats(name, np.ones(len(places), np.float32))
    return helper.make_sparse_tensor(values, integers(f"{name}_places", *places), list(dims))


def _sparse_weight(dims: Sequence[int], places: Sequence[int]) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.remove(named(model, "w"))
        model.graph.sparse_initializer.append(sparse("w", dims, places))

    return change


def _declared(*dims: int) -> Change:
    """Declare the input's shape."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
        for size in dims:
            model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=size)

    return change


def _typed(value: onnx.ValueInfoProto) -> Change:
    return lambda model: model.graph.input[0].CopyFrom(value)


def _untyped(model: onnx.ModelProto) -> None:
    model.graph.input[0].ClearField("type")


def _outputs(*names: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)

    return change


def _constant(*entries: onnx.AttributeProto) -> Change:
    """Let a Constant op with these attributes make the convolution's weight."""

    def change(model: onnx.ModelProto) -> None:
        node = op("Constant", [], "w")
        node.attribute.extend(entries)
        model.graph.initializer.remove(named(model, "w"))
        model.graph.node.insert(0, node)

    return change


def _random_scores(op_type: str) -> Change:
    noise = op(op_type, ["inner"], "noise", dtype=TensorProto.FLOAT)
    return _appended(noise, op("Add", ["inner", "noise"], "scores"))


def _strange_attribute(type_: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[CONV].attribute.add(name="group", type=type_)

    return change


def _shadowing(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(floats("active", np.ones((1, 2, 2, 2), np.float32)))


def _entries(*entries: tuple[str, Change]) -> tuple[HostileFile, ...]:
    return tuple(HostileFile(name, changed(change)) for name, change in entries)


def _gemm_of(build: Callable[[], Sequence[onnx.NodeProto]]) -> Callable[[], onnx.ModelProto]:
    return lambda: model_of(build(), [floats("w", np.eye(3, dtype=np.float32))])


WIRING = _entries(
    ("cycle", _wired(CONV, ["flat", "w", "b"])),
    ("cycle beside the outcome", lambda model: model.graph.node.append(op("Relu", ["side"], "side"))),
    ("op that takes its own output", _wired(RELU, ["active"])),
    ("two ops make one tensor", lambda model: model.graph.node.append(op("Relu", ["maps"], "active"))),
    ("one op makes a tensor twice", _wired(RELU, outputs=["active", "active"])),
    ("two stored tensors of one name", _both_stored),
    ("a stored and a sparse tensor of one name", _also_sparse),
    ("stored tensor that shadows an op's output", _shadowing),
    ("op that makes the input", lambda model: model.graph.node.append(op("Relu", ["scores"], "x"))),
    ("op that makes a stored tensor", lambda model: model.graph.node.append(op("Relu", ["v"], "c"))),
    ("input that is also the output", _outputs("x")),
    ("stored tensor that is the output", _outputs("v")),
    ("output that no op makes", _outputs("nowhere")),
    ("output listed twice", _outputs("scores", "scores")),
    ("no outputs", _outputs()),
    ("no inputs", lambda model: model.graph.ClearField("input")),
    ("input listed twice", lambda model: model.graph.input.append(model.graph.input[0])),
    ("input of an op that no op makes", _wired(RELU, ["nowhere"])),
    ("op without inputs", _wired(RELU, [])),
    ("op without outputs", _wired(RELU, outputs=[])),
    ("Softmax without inputs", _appended(helper.make_node("Softmax", [], ["scores"]))),
    ("Identity without inputs", _appended(helper.make_node("Identity", [], ["scores"]))),
    ("endless walk back: Identity of itself", _appended(op("Identity", ["scores"], "scores"))),
    ("Conv without a weight", _wired(CONV, ["x"])),
    ("Conv without inputs", _wired(CONV, [])),
    ("Conv with 50 inputs", _wired(CONV, ["x", "w", "b", *["x"] * 47])),
    ("Gemm with empty input names", _wired(GEMM, ["", "", ""])),
    ("Gemm with an empty data name", _wired(GEMM, ["", "v", "c"])),
    ("Gemm of two stored tensors", _wired(GEMM, ["v", "v", "c"])),
    ("op whose scores depend on random numbers", _random_scores("RandomNormalLike")),
    ("op whose scores depend on coin flips", _random_scores("Bernoulli")),
)
WEIGHTS = _entries(
    ("weight with too few bytes", _dims("w", 4, 1, 3, 3)),
    ("weight with too many bytes", _dims("w", 1, 1, 3, 3)),
    ("weight with a negative size", _dims("w", -2, 1, 3, 3)),
    ("weight with two negative sizes", _dims("w", -2, -1, 3, 3)),
    ("weight of 2^40 channels", _dims("w", 2**40, 1, 3, 3)),
    ("weight whose size overflows", _dims("w", 2**32, 2**32, 3, 3)),
    ("weight whose size overflows to its own", _dims("w", 2**62, 4, 3, 3)),
    ("weight of size 2^63 - 1", _dims("w", LARGEST_INT64, 1, 3, 3)),
    ("weight of size 0", _dims("w", 0, 1, 3, 3)),
    ("weight of 10^5 axes", _dims("w", *[1] * 10**5)),
    ("Gemm weight of 2^40 columns", _dims("v", 3, 2**40)),
    ("weight of rank 0", _stored(floats("w", np.ones((), np.float32)))),
    ("weight of rank 1", _stored(floats("w", np.ones(9, np.float32)))),
    ("Gemm weight of rank 1", _stored(floats("v", np.ones(8, np.float32)))),
    ("Gemm weight of rank 3", _stored(floats("v", np.ones((3, 8, 1), np.float32)))),
    ("weight of an unknown element type", _element_type("w", UNKNOWN_TYPE)),
    ("weight of no element type", _element_type("w", 0)),
    ("weight of another element type than its bytes", _element_type("w", TensorProto.DOUBLE)),
    ("weight of strings", _strings),
    ("weight of complex numbers", _element_type("w", TensorProto.COMPLEX64)),
    ("weight held twice", _several_fields),
    ("weights that are not numbers", _filled("w", float("nan"))),
    ("infinite weights", _filled("v", float("inf"))),
    ("weights of 1e38", _filled("v", 1e38)),
    ("a bias that is not a number", _filled("b", float("nan"))),
    ("sparse weight of 2^40 values", _sparse_weight([2**20, 2**20], [0])),
    ("sparse weight of 2^36 values", _sparse_weight([2**18, 2**18], [0])),
    ("sparse weight of negative size", _sparse_weight([2, -1, 3, 3], [0])),
    ("sparse weight with an index outside", _sparse_weight([2, 1, 3, 3], [18])),
    ("sparse weight with a negative index", _sparse_weight([2, 1, 3, 3], [-1])),
    ("sparse weight without axes", _sparse_weight([], [0])),
    ("Constant without attributes", _constant()),
    ("Constant with a graph as its value", _constant(helper.make_attribute("value", sound().graph))),
    ("Constant with a text as its value", _constant(helper.make_attribute("value_string", "w"))),
    ("Constant with an attribute of no kind", _constant(onnx.AttributeProto(name="value"))),
    ("Constant with two attributes", _constant(*(helper.make_attribute(f"value_{kind}", 1) for kind in ("a", "int")))),
    ("Constant that refers to a function's attribute", _constant(onnx.AttributeProto(name="value", ref_attr_name="a"))),
)
SETTINGS = _entries(
    ("Conv with group 0", _attribute(CONV, "group", 0)),
    ("Conv with group -1", _attribute(CONV, "group", -1)),
    ("Conv with group 2^62", _attribute(CONV, "group", 2**62)),
    ("Conv with group 3, which divides nothing", _attribute(CONV, "group", 3)),
    ("Conv with negative strides", _attribute(CONV, "strides", [-1, -1])),
    ("Conv with strides 0", _attribute(CONV, "strides", [0, 0])),
    ("Conv with dilations 2^31", _attribute(CONV, "dilations", [2**31, 2**31])),
    ("Conv with a kernel larger than its input", _stored(floats("w", np.ones((2, 1, 9, 9), np.float32)))),
    ("Conv whose kernel_shape is not its weight's", _attribute(CONV, "kernel_shape", [2, 2])),
    ("Conv with pads 2^31", _attribute(CONV, "pads", [2**31] * 4)),
    ("Conv with pads 2^20", _attribute(CONV, "pads", [2**20] * 4)),
    ("Conv with pads 2^62", _attribute(CONV, "pads", [2**62] * 4)),
    ("Conv with negative pads", _attribute(CONV, "pads", [-9] * 4)),
    ("Conv with three pads", _attribute(CONV, "pads", [1] * 3)),
    ("Conv with a text as group", _attribute(CONV, "group", "one")),
    ("Conv with a tensor as group", _attribute(CONV, "group", integers("g", 1))),
    ("Conv with a graph as group", _attribute(CONV, "group", sound().graph)),
    ("Conv with an attribute of an unknown kind", _strange_attribute(0)),
    ("Conv with an attribute without its value", _strange_attribute(onnx.AttributeProto.GRAPH)),
    ("axis as a text", _attribute(FLATTEN, "axis", "one")),
    ("axis 99", _attribute(FLATTEN, "axis", 99)),
    ("Gemm with transB 2^40", _attribute(GEMM, "transB", 2**40)),
    ("Gemm that cannot multiply", _attribute(GEMM, "transB", 0)),
    ("Gemm with alpha that is not a number", _attribute(GEMM, "alpha", float("nan"))),
    ("Softmax over axis 99", _appended(op("Softmax", ["inner"], "scores", axis=99))),
    ("Cast to an unknown type", _appended(op("Cast", ["inner"], "scores", to=UNKNOWN_TYPE))),
)
DECLARED = _entries(
    ("input of 2^16 axes", _declared(*[1] * 2**16)),
    ("input of 2^20 axes", _declared(*[1] * 2**20)),
    ("input of 2^63 - 1 rows", _declared(1, 1, LARGEST_INT64, 4)),
    ("input whose size overflows", _declared(1, LARGEST_INT64, LARGEST_INT64, 4)),
    ("input of 2^40 values", _declared(1, 1, 2**20, 2**20)),
    ("input with a batch of 0", _declared(0, 1, 4, 4)),
    ("input with a batch of 2^40", _declared(2**40, 1, 4, 4)),
    ("input of negative size", _declared(1, 1, -4, -4)),
    ("input without axes", _declared()),
    ("input without a type", _untyped),
    ("input of an unknown element type", _typed(helper.make_tensor_value_info("x", UNKNOWN_TYPE, ["N", 1, 4, 4]))),
    ("input of strings", _typed(helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 1, 4, 4]))),
    ("input that is a sequence", _typed(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["N", 1]))),
    (
        "input that is a map",
        _typed(
            helper.make_value_info(
                "x",
                helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [1])),
            )
        ),
    ),
    (
        "input that is optional",
        _typed(
            helper.make_value_info(
                "x", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 1, 4, 4]))
            )
        ),
    ),
    (
        "false shapes noted inside",
        lambda model: model.graph.value_info.append(
            helper.make_tensor_value_info("active", TensorProto.INT8, [LARGEST_INT64, -1])
        ),
    ),
)
ODD = (
    HostileFile("MatMul of vectors", built(_gemm_of(lambda: [op("MatMul", ["w", "x"], "scores")]))),
    HostileFile(
        "QuantizeLinear with scale 0",
        changed(
            _appended(
                op("QuantizeLinear", ["inner", "scale", "zero"], "q"),
                op("DequantizeLinear", ["q", "scale", "zero"], "scores"),
                weights=[
                    floats("scale", np.zeros((), np.float32)),
                    numpy_helper.from_array(np.zeros((), np.uint8), "zero"),
                ],
            )
        ),
    ),
)
GRAPHS = (*WIRING, *WEIGHTS, *SETTINGS, *DECLARED, *ODD)
