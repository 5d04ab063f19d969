"""The parts of which the zoo is made, and the models whose graphs have a structure that layers are found in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.networks import Builder

MICROSOFT = "com.microsoft"
SAMPLES = 6
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

Build = Callable[[], onnx.ModelProto]
Inputs = Callable[[], dict[str, NDArray[Any]]]
Block = Callable[["Sketch", str], str]


class Kind(StrEnum):
    LAYER_OP = "layer op"
    STRUCTURE = "structure"
    QUANTISED = "quantisation"
    PRECISION = "precision"
    EXPORTER = "exporter"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Specimen:
    """A model as vendors ship them, in miniature.

    Attributes:
        name: what a reader of a support table sees.
        kind: what the model is an example of.
        build: makes the model.
        inputs: makes samples for each input of the graph, by its name, the main one first.
        settings: settings the model needs beyond the defaults.
    """

    name: str
    kind: Kind
    build: Build
    inputs: Inputs
    settings: Mapping[str, object] = field(default_factory=dict)


def value(name: str, *shape: int | str, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def samples(*shape: int, seed: int = 0, name: str = "x", dtype: Any = np.float32, axis: int = 0) -> Inputs:
    """Return what draws samples of the shape; each has a level of its own on each channel."""

    def draw() -> dict[str, NDArray[Any]]:
        rng = np.random.default_rng(seed)
        levels = [1] * len(shape)
        levels[axis] = shape[axis]
        drawn = rng.normal(0, 0.7, (SAMPLES, *shape)) + rng.normal(0, 1.2, (SAMPLES, *levels))
        return {name: drawn.astype(dtype)}

    return draw


@dataclass
class Sketch(Builder):
    """Collects ops and weights of a model of any opset, inputs and outputs."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def many(self, op_type: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Append an op of several outputs; return their names."""
        outputs = [f"{op_type.lower()}_{len(self.ops)}_{number}" for number in range(count)]
        name = f"/{outputs[0]}/{op_type}"
        self.ops.append(helper.make_node(op_type, list(inputs), outputs, name=name, **attributes))
        return outputs

    def bias(self, out: int) -> str:
        return self.store(self.rng.normal(0, 0.1, out).astype(np.float32))

    def floats(self, *values: float) -> str:
        return self.store(np.array(values, np.float32))

    def scalar(self, number: float, dtype: Any = np.float32) -> str:
        return self.store(np.array(number, dtype))

    def conv(self, x: str, out: int = 4, into: int = 4, kernel: int = 3, axes: int = 2, **attributes: Any) -> str:
        """Append a Conv with a bias; it keeps the size of the maps unless attributes say otherwise."""
        weight = self.weight(out, into // int(attributes.get("group", 1)), *[kernel] * axes)
        settings = {"kernel_shape": [kernel] * axes} | (
            {} if "auto_pad" in attributes else {"pads": [kernel // 2] * 2 * axes}
        )
        return self.add("Conv", [x, weight, self.bias(out)], **(settings | attributes))

    def linear(self, x: str, out: int, into: int) -> str:
        """Append a Gemm as PyTorch writes it."""
        return self.add("Gemm", [x, self.weight(out, into), self.bias(out)], transB=1)

    def classify(self, x: str, classes: int, into: int) -> str:
        """Append a Gemm that weighs values against each other, so that their common level favours no class."""
        weight = self.rng.normal(0, 2 / np.sqrt(into), (classes, into))
        weight -= weight.mean(axis=1, keepdims=True)
        return self.add("Gemm", [x, self.store(weight.astype(np.float32)), self.bias(classes)], transB=1)

    def project(self, x: str, out: int, into: int) -> str:
        """Append a MatMul of weights on the right, and its bias."""
        weight = self.store((self.rng.normal(0, 1.2, (into, out)) / np.sqrt(into)).astype(np.float32))
        return self.add("Add", [self.add("MatMul", [x, weight]), self.bias(out)])

    def relu(self, x: str) -> str:
        return self.add("Relu", [x])

    def head(self, x: str, into: int, classes: int = 3) -> str:
        """Average maps and classify them."""
        return self.classify(self.add("Flatten", [self.add("GlobalAveragePool", [x])]), classes, into)

    def vend(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        *,
        opset: int = 17,
        ir: int = 8,
        functions: Sequence[onnx.FunctionProto] = (),
    ) -> onnx.ModelProto:
        """Return the model, checked."""
        stored = [numpy_helper.from_array(values, name) for name, values in self.stored.items()]
        given = [value(tensor.name, *tensor.dims, kind=tensor.data_type) for tensor in stored] if ir == 3 else []
        graph = helper.make_graph(self.ops, "vendor", [*inputs, *given], outputs, stored)
        versions = {op.domain: 1 for op in self.ops} | {"": opset}
        imports = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
        model = helper.make_model(graph, opset_imports=imports, ir_version=ir, functions=functions)
        onnx.checker.check_model(model, full_check=True)
        return model


def sketch(seed: int = 0) -> Sketch:
    return Sketch(np.random.default_rng(seed))


IMAGES = samples(3, 8, 8)
VECTORS = samples(8)
SERIES = samples(6, 5, axis=1)
"""Six steps of five values."""


def image_model(block: Block, seed: int = 0, size: int | str = "N", *, ir: int = 8, opset: int = 17) -> onnx.ModelProto:
    """Return Conv, ReLU, the block on 4 maps of 8x8, ReLU, average and Gemm on `x [N, 3, 8, 8]`."""
    b = sketch(seed)
    maps = b.relu(block(b, b.relu(b.conv("x", 4, 3))))
    output = b.head(maps, 4)
    return b.vend([value("x", size, 3, 8, 8)], [value(output, size, 3)], ir=ir, opset=opset)


def vector_model(block: Block, seed: int = 0, size: int | str = "N") -> onnx.ModelProto:
    """Return Gemm, ReLU, the block on 6 values, and Gemm on `x [N, 8]`."""
    b = sketch(seed)
    output = b.classify(block(b, b.relu(b.linear("x", 6, 8))), 3, 6)
    return b.vend([value("x", size, 8)], [value(output, size, 3)])


def series_model(block: Block, seed: int = 0) -> onnx.ModelProto:
    """Return the block, which turns `x [N, 6, 5]` into 4 values, and a Gemm."""
    b = sketch(seed)
    output = b.classify(block(b, "x"), 3, 4)
    return b.vend([value("x", "N", 6, 5)], [value(output, "N", 3)])


def plain(b: Sketch, x: str) -> str:
    """Return two convolutions around which the input is added."""
    return b.add("Add", [b.conv(b.relu(b.conv(x))), x])


def fixed_reshape(size: int) -> onnx.ModelProto:
    """Return a CNN of a fixed batch, whose Reshape spells the batch out."""
    b = sketch(3)
    pooled = b.add("MaxPool", [b.relu(b.conv("x", 4, 3))], kernel_shape=[2, 2], strides=[2, 2])
    output = b.classify(b.relu(b.linear(b.add("Reshape", [pooled, b.integers(size, 64)]), 6, 64)), 3, 6)
    return b.vend([value("x", size, 3, 8, 8)], [value(output, size, 3)])


def first_row() -> onnx.ModelProto:
    """Return a CNN that takes row 0 of the batch and gives it its axis back."""
    b = sketch(2)
    pooled = b.add("GlobalAveragePool", [b.relu(b.conv(b.relu(b.conv("x", 4, 3))))])
    row = b.add("Flatten", [b.add("Gather", [pooled, b.store(np.array(0, np.int64))], axis=0)], axis=0)
    output = b.classify(row, 3, 4)
    return b.vend([value("x", 1, 3, 8, 8)], [value(output, 1, 3)])


def first_axis_softmax() -> onnx.ModelProto:
    """Return a CNN without a batch axis inside; its softmax stands on axis 0."""
    b = sketch(4)
    pooled = b.add("GlobalAveragePool", [b.relu(b.conv(b.relu(b.conv("x", 4, 3))))])
    scores = b.project(b.add("Squeeze", [pooled, b.integers(0, 2, 3)]), 3, 4)
    output = b.add("Unsqueeze", [b.add("Softmax", [scores], axis=0), b.integers(0)])
    return b.vend([value("x", 1, 3, 8, 8)], [value(output, 1, 3)])


def channels_last() -> onnx.ModelProto:
    b = sketch(5)
    maps = b.add("Transpose", [b.relu(b.conv(b.add("Transpose", ["x"], perm=[0, 3, 1, 2]), 4, 3))], perm=[0, 2, 3, 1])
    mixed = b.relu(b.project(maps, 6, 4))
    back = b.add("Transpose", [b.conv(b.add("Transpose", [mixed], perm=[0, 3, 1, 2]), 4, 6)], perm=[0, 2, 3, 1])
    output = b.project(b.add("ReduceMean", [b.relu(back)], axes=[1, 2], keepdims=0), 3, 4)
    return b.vend([value("x", "N", 8, 8, 3)], [value(output, "N", 3)])


def local_functions() -> onnx.ModelProto:
    """Return a CNN whose convolution and ReLU are a function of the model, called twice with its own padding."""
    domain = "vendor.blocks"
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv")
    reference = onnx.AttributeProto(name="pads", ref_attr_name="around", type=onnx.AttributeProto.INTS)
    conv.attribute.append(reference)
    block = helper.make_function(
        domain, "ConvRelu", ["x", "w", "b"], ["y"], [conv, helper.make_node("Relu", ["c"], ["y"], name="relu")],
        [helper.make_opsetid("", 17)], attributes=["around"],
    )  # fmt: skip
    b = sketch(5)
    first = b.add("ConvRelu", ["x", b.weight(4, 3, 3, 3), b.weight(4)], domain=domain, around=[1] * 4)
    second = b.add("ConvRelu", [first, b.weight(4, 4, 3, 3), b.weight(4)], domain=domain, around=[0] * 4)
    output = b.head(second, 4)
    return b.vend([value("x", "N", 3, 8, 8)], [value(output, "N", 3)], functions=[block])


def branches(b: Sketch, x: str, condition: str = "") -> str:
    """Return an If whose branches hold a Conv each; its condition is stored unless given."""
    graphs = []
    for name in ("then", "else"):
        weight = numpy_helper.from_array(b.rng.normal(0, 0.25, (4, 4, 3, 3)).astype(np.float32), f"{name}_weight")
        conv = helper.make_node("Conv", [x, weight.name], [f"{name}_y"], name=f"{name}_conv", pads=[1] * 4)
        graphs.append(helper.make_graph([conv], name, [], [value(f"{name}_y", "N", 4, 8, 8)], [weight]))
    given = condition or b.store(np.ones((), np.bool_))
    return b.add("If", [given], then_branch=graphs[0], else_branch=graphs[1])


def branches_by_shape(b: Sketch, x: str) -> str:
    height = b.add("Gather", [b.add("Shape", ["x"]), b.store(np.array(2, np.int64))])
    return branches(b, x, b.add("Equal", [height, b.store(np.array(8, np.int64))]))


def loop(b: Sketch, x: str) -> str:
    """Return a Loop that goes three times through a MatMul of weights from outside."""
    weight = b.weight(6, 6)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("MatMul", ["h", weight], ["product"], name="loop_matmul"),
            helper.make_node("Tanh", ["product"], ["next"]),
        ],
        "body",
        [value("i", kind=INT64), value("go", kind=TensorProto.BOOL), value("h", "N", 6)],
        [value("on", kind=TensorProto.BOOL), value("next", "N", 6)],
    )
    return b.add("Loop", [b.store(np.array(3, np.int64)), "", x], body=body)


def scan(b: Sketch, x: str) -> str:
    """Return a Scan over the steps of a series; its state starts from a Gemm."""
    weight = b.weight(5, 4)
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["step", weight], ["into"], name="scan_matmul"),
            helper.make_node("Add", ["into", "h"], ["total"]),
            helper.make_node("Tanh", ["total"], ["next"]),
            helper.make_node("Identity", ["next"], ["shown"]),
        ],
        "body",
        [value("h", "N", 4), value("step", "N", 5)],
        [value("next", "N", 4), value("shown", "N", 4)],
    )
    start = b.linear(b.add("ReduceMean", [x], axes=[1], keepdims=0), 4, 5)
    return b.many("Scan", [start, x], 2, body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1])[0]


def recurrent(b: Sketch, x: str, cell: str = "LSTM") -> str:
    """Return a convolution along the steps and a recurrent op, of which the last state is kept."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[cell] * 4
    maps = b.relu(b.conv(b.add("Transpose", [x], perm=[0, 2, 1]), 4, 5, axes=1))
    steps = b.add("Transpose", [maps], perm=[2, 0, 1])
    weights = [b.weight(1, gates, 4), b.weight(1, gates, 4), b.weight(1, 2 * gates)]
    settings = {"linear_before_reset": 1} if cell == "GRU" else {}
    last = b.many(cell, [steps, *weights], 2, hidden_size=4, **settings)[1]
    return b.add("Squeeze", [last, b.integers(0)])


def shared(b: Sketch, x: str) -> str:
    weight = b.weight(4, 4, 3, 3)
    first = b.relu(b.add("Conv", [x, weight], pads=[1] * 4))
    return b.add("Conv", [first, weight, b.weight(4)], pads=[1] * 4)


def _dequantised(b: Sketch, weight: NDArray[np.float32]) -> str:
    scale = np.abs(weight).max(axis=(1, 2, 3)) / 127
    whole = np.round(weight / scale[:, None, None, None]).astype(np.int8)
    return b.add("DequantizeLinear", [b.store(whole), b.store(scale.astype(np.float32))], axis=0)


WEIGHT_OPS: Mapping[str, Callable[[Sketch, NDArray[np.float32]], str]] = {
    "Identity": lambda b, w: b.add("Identity", [b.store(w)]),
    "Transpose": lambda b, w: b.add("Transpose", [b.store(w.transpose(2, 3, 1, 0).copy())], perm=[3, 2, 0, 1]),
    "Cast": lambda b, w: b.add("Cast", [b.store(w.astype(np.float16))], to=FLOAT),
    "Reshape": lambda b, w: b.add("Reshape", [b.store(w.reshape(4, -1)), b.integers(*w.shape)]),
    "Squeeze": lambda b, w: b.add("Squeeze", [b.store(w[None]), b.integers(0)]),
    "DequantizeLinear": _dequantised,
}


def behind(b: Sketch, x: str, op: str) -> str:
    """Return a Conv whose weights come out of another op."""
    weight = b.rng.normal(0, 0.25, (4, 4, 3, 3)).astype(np.float32)
    return b.add("Conv", [x, WEIGHT_OPS[op](b, weight), b.weight(4)], pads=[1] * 4)


def dynamic_reshape() -> onnx.ModelProto:
    """Return a CNN flattened by a Shape, Gather, Unsqueeze and Concat, as traced code writes it."""
    b = sketch(10)
    maps = b.relu(b.conv("x", 4, 3, strides=[2, 2]))
    size = b.add("Gather", [b.add("Shape", [maps]), b.store(np.array(0, np.int64))], axis=0)
    shape = b.add("Concat", [b.add("Unsqueeze", [size, b.integers(0)]), b.integers(-1)], axis=0)
    output = b.classify(b.relu(b.linear(b.add("Reshape", [maps, shape]), 6, 64)), 3, 6)
    return b.vend([value("x", "N", 3, "H", "W")], [value(output, "N", 3)])


def gate(b: Sketch, x: str) -> str:
    hidden = b.relu(b.conv(b.add("GlobalAveragePool", [x]), 2, 4, kernel=1))
    return b.add("Mul", [b.conv(x), b.add("Sigmoid", [b.conv(hidden, 4, 2, kernel=1)])])


def shuffle(b: Sketch, x: str) -> str:
    split = b.add("Reshape", [b.relu(b.conv(x, group=2)), b.integers(0, 2, 2, 8, 8)])
    turned = b.add("Transpose", [split], perm=[0, 2, 1, 3, 4])
    return b.conv(b.add("Reshape", [turned, b.integers(0, 4, 8, 8)]), group=2)


def concat_split(b: Sketch, x: str) -> str:
    both = b.add("Concat", [b.conv(x, 2), x], axis=1)
    first, second = b.many("Split", [b.relu(both), b.integers(2, 4)], 2, axis=1)
    return b.conv(b.add("Concat", [second, b.conv(first, 2, 2)], axis=1), 4, 6)


def bypass(*, deep: bool) -> onnx.ModelProto:
    """Return a CNN beside which the input reaches the output by a layer of its own (deep) or by none."""
    b = sketch(11)
    main = b.head(b.relu(b.conv(b.relu(b.conv("x", 4, 3)))), 4)
    levels = b.add("ReduceMean", ["x"], axes=[2, 3], keepdims=0)
    output = b.add("Add", [main, b.linear(levels, 3, 3) if deep else levels])
    return b.vend([value("x", "N", 3, 8, 8)], [value(output, "N", 3)])


def _of(name: str, build: Build, inputs: Inputs = IMAGES) -> Specimen:
    return Specimen(name, Kind.STRUCTURE, build, inputs)


STRUCTURES: tuple[Specimen, ...] = (
    _of("fixed batch 1, Reshape to [1, n]", partial(fixed_reshape, 1)),
    _of("fixed batch 1, row 0 of the batch gathered", first_row),
    _of("fixed batch 1, no batch axis inside, softmax over axis 0", first_axis_softmax),
    _of("fixed batch 4", partial(fixed_reshape, 4)),
    _of("symbolic batch, residual", partial(image_model, plain, 1)),
    _of("channels last, Transposes", channels_last, samples(8, 8, 3, axis=2)),
    _of("local functions of the model", local_functions),
    _of("If, stored condition, a Conv in each branch", partial(image_model, branches, 8)),
    _of("If, condition on a shape, a Conv in each branch", partial(image_model, branches_by_shape, 8)),
    _of("Loop over a MatMul, between Gemm", partial(vector_model, loop, 1), VECTORS),
    _of("Scan over a MatMul, between Gemm", partial(series_model, scan), SERIES),
    *(
        _of(f"{cell} between Conv 1-D and Gemm", partial(series_model, partial(recurrent, cell=cell), seed), SERIES)
        for seed, cell in ((0, "LSTM"), (2, "GRU"), (3, "RNN"))
    ),
    _of("one weight in two layers", partial(image_model, shared, 5)),
    *(_of(f"weight behind {op}", partial(image_model, partial(behind, op=op), 4)) for op in WEIGHT_OPS),
    _of("IR 3, initializers listed as inputs", partial(image_model, plain, 5, ir=3, opset=8)),
    _of("Reshape through Shape, Gather and Concat", dynamic_reshape),
    _of("squeeze-excite gate", partial(image_model, gate, 1)),
    _of("channel shuffle", partial(image_model, shuffle, 2)),
    _of("Concat and Split", partial(image_model, concat_split, 4)),
    _of("side branch from input to output, with a layer", partial(bypass, deep=True)),
    _of("side branch from input to output, without a layer", partial(bypass, deep=False)),
)
