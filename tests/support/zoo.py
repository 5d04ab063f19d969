"""Models as vendors ship them, in miniature: what the tool is run on to know what it supports."""

from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support import detectors
from tests.support.zoo_exported import EXPORTED, OPTIMISED, TRANSFORMERS, VERSIONED
from tests.support.zoo_quantised import PARENTS, QUANTISED
from tests.support.zoo_structures import (
    FLOAT,
    IMAGES,
    SAMPLES,
    STRUCTURES,
    VECTORS,
    Block,
    Build,
    Inputs,
    Kind,
    Sketch,
    Specimen,
    branches,
    image_model,
    plain,
    samples,
    sketch,
    value,
    vector_model,
)

__all__ = ["PARENTS", "SAMPLES", "ZOO", "Kind", "Specimen"]

TOKENS = samples(5, 6, axis=1)
PICTURES = samples(3, detectors.SIDE, detectors.SIDE)
YOLO = detectors.ULTRALYTICS


def one_dimensional() -> onnx.ModelProto:
    b = sketch(0)
    maps = b.add("MaxPool", [b.relu(b.conv("x", 4, 2, axes=1, kernel=5))], kernel_shape=[2], strides=[2])
    output = b.head(b.relu(b.conv(maps, 6, 4, axes=1)), 6)
    return b.vend([value("x", "N", 2, 16)], [value(output, "N", 3)])


def three_dimensional() -> onnx.ModelProto:
    b = sketch(1)
    maps = b.relu(b.conv("x", 4, 2, axes=3))
    output = b.head(b.relu(b.add("Add", [b.conv(maps, axes=3), maps])), 4)
    return b.vend([value("x", "N", 2, 4, 4, 4)], [value(output, "N", 3)])


def grouped(b: Sketch, x: str) -> str:
    return b.conv(b.relu(b.conv(x, 8, 4, group=2)), 4, 8, group=2)


def depthwise(b: Sketch, x: str) -> str:
    return b.conv(b.relu(b.conv(x, 8, 4, group=4)), 4, 8, kernel=1)


def dilated(b: Sketch, x: str) -> str:
    return b.conv(b.relu(b.conv(x, dilations=[2, 1], strides=[1, 2], pads=[2, 1, 1, 0])), pads=[0, 1, 2, 0])


def same_upper(b: Sketch, x: str) -> str:
    return b.conv(b.relu(b.conv(x, kernel=2, auto_pad="SAME_UPPER", strides=[2, 2])), auto_pad="SAME_UPPER")


def transposed(b: Sketch, x: str, group: int = 1) -> str:
    small = b.relu(b.conv(x, strides=[2, 2]))
    weights = [b.store(b.rng.normal(0, 0.7, (4, 6 // group, 2, 2)).astype(np.float32)), b.bias(6)]
    large = b.add("ConvTranspose", [small, *weights], kernel_shape=[2, 2], strides=[2, 2], group=group)
    return b.conv(b.relu(large), 4, 6)


def scaled_gemm() -> onnx.ModelProto:
    """Return Gemm layers with transB or not, alpha and beta."""
    b = sketch(2)
    hidden = b.relu(b.add("Gemm", ["x", b.weight(6, 8), b.bias(6)], transB=1, alpha=1.5, beta=0.5))
    output = b.add("Gemm", [hidden, b.store(b.rng.normal(0, 0.5, (6, 3)).astype(np.float32)), b.bias(3)], beta=2.0)
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


def first_operand_gemm() -> onnx.ModelProto:
    """Return Gemm layers whose weight is the first operand, turned or not, and one that turns its activations."""
    b = sketch(3)
    hidden = b.relu(b.add("Gemm", [b.weight(6, 8), "x"], transB=1, alpha=0.5))  # [6, N]
    hidden = b.relu(b.add("Gemm", [b.weight(6, 5), hidden], transA=1))  # [5, N]
    output = b.add("Gemm", [hidden, b.store(b.rng.normal(0, 0.7, (5, 3)).astype(np.float32)), b.bias(3)], transA=1)
    return b.vend([value("x", "N", 8)], [value(output, "N", 3)])


def matmul(b: Sketch, x: str) -> str:
    return b.relu(b.project(b.relu(b.project(x, 6, 6)), 6, 6))


def left_matmul() -> onnx.ModelProto:
    """Return MatMul of weights on the left, which mix the steps of `x [N, 5, 6]`."""
    b = sketch(1)
    mixed = b.relu(
        b.add("Add", [b.add("MatMul", [b.weight(7, 5), "x"]), b.store(b.rng.normal(0, 0.1, (7, 1)).astype(np.float32))])
    )
    output = b.classify(b.add("ReduceMax", [b.add("MatMul", [b.weight(4, 7), mixed])], axes=[2], keepdims=0), 3, 4)
    return b.vend([value("x", "N", 5, 6)], [value(output, "N", 3)])


def token_matmul(*, batched: bool = False) -> onnx.ModelProto:
    """Return MatMul on `x [N, 5, 6]`: one weight for all steps, or (batched) one for each."""
    b = sketch(4)
    hidden = b.project("x", 6, 6)
    if batched:  # [N, 5, 1, 6] by [5, 6, 6]
        apart = b.add("Unsqueeze", ["x", b.integers(2)])
        product = b.add("MatMul", [apart, b.store(b.rng.normal(0, 0.5, (5, 6, 6)).astype(np.float32))])
        hidden = b.add("Squeeze", [product, b.integers(2)])
    hidden = b.project(b.relu(hidden), 4, 6)
    output = b.classify(b.add("ReduceMean", [b.relu(hidden)], axes=[1], keepdims=0), 3, 4)
    return b.vend([value("x", "N", 5, 6)], [value(output, "N", 3)])


def converted(model: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """Hold what is stored as float32 in another type, in which the inputs and outputs are too."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for given in (*model.graph.input, *model.graph.output):
        given.type.tensor_type.elem_type = kind
    onnx.checker.check_model(model, full_check=True)
    return model


def half_middle(b: Sketch, x: str) -> str:
    """Append two convolutions of which the weights and values are float16."""
    weights = [b.rng.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float16) for _ in range(2)]
    inner = b.add("Cast", [x], to=TensorProto.FLOAT16)
    inner = b.relu(b.add("Conv", [inner, b.store(weights[0])], pads=[1] * 4))
    inner = b.add("Conv", [inner, b.store(weights[1]), b.store(np.zeros(4, np.float16))], pads=[1] * 4)
    return b.add("Cast", [inner], to=FLOAT)


def bfloat() -> onnx.ModelProto:
    """Return a CNN in bfloat16 between Casts from and to float32."""
    model = converted(image_model(plain, 1, opset=22, ir=10), TensorProto.BFLOAT16)
    graph = model.graph
    given, result = graph.input[0], graph.output[0]
    first = next(op for op in graph.node if given.name in op.input)
    first.input[list(first.input).index(given.name)] = "x_bfloat16"
    ops = [helper.make_node("Cast", [given.name], ["x_bfloat16"], to=TensorProto.BFLOAT16), *graph.node]
    ops.append(helper.make_node("Cast", [result.name], ["scores"], to=FLOAT))
    del graph.node[:]
    graph.node.extend(ops)
    result.name = "scores"
    given.type.tensor_type.elem_type = result.type.tensor_type.elem_type = FLOAT
    onnx.checker.check_model(model, full_check=True)
    return model


def constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Hold what is stored in Constant ops."""
    ops = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in model.graph.initializer]
    moved = [*ops, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(moved)
    return model


def sparse() -> onnx.ModelProto:
    """Return an MLP of which the weights of one Gemm are a sparse initializer."""
    model = vector_model(lambda b, x: b.relu(b.linear(x, 6, 6)), 7)
    stored = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [6, 6])
    dense = numpy_helper.to_array(stored).ravel()
    kept = np.flatnonzero(np.abs(dense) > np.median(np.abs(dense)))
    values, indices = numpy_helper.from_array(dense[kept], stored.name), numpy_helper.from_array(kept, "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [6, 6]))
    model.graph.initializer.remove(stored)
    onnx.checker.check_model(model)
    return model


def out_of_order() -> onnx.ModelProto:
    model = image_model(plain, 8)
    ops = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(ops)
    return model


def nameless() -> onnx.ModelProto:
    model = image_model(plain, 9)
    for op in model.graph.node:
        op.ClearField("name")
    return model


def doubled_name() -> onnx.ModelProto:
    """Return a CNN whose first Conv and the Conv in a branch bear one name; ONNX Runtime refuses two in one graph."""
    model = image_model(branches, 8)
    model.graph.node[0].name = "then_conv"
    return model


def decided(*heads: str, classes: int = 3) -> onnx.ModelProto:
    """Return a CNN whose scores pass through the ops."""
    b = sketch(1)
    output = b.head(b.relu(plain(b, b.relu(b.conv("x", 4, 3)))), 4, classes)
    for head in heads:
        output = b.add(head, [output])
    return b.vend([value("x", "N", 3, 8, 8)], [value(output, "N", classes)])


def segmentation() -> onnx.ModelProto:
    """Return scores of three classes at each pixel."""
    b = sketch(1)
    b.conv(b.relu(plain(b, b.relu(b.conv("x", 4, 3)))), 3, 4, kernel=1)
    b.ops[-1].output[0] = "output"
    return b.vend([value("x", "N", 3, 8, 8)], [value("output", "N", 3, 8, 8)])


def detector() -> onnx.ModelProto:
    """Return scores `[N, 20, 3]` and boxes `[N, 20, 4]` of the twenty places of a map."""
    b = sketch(2)
    maps = b.relu(b.conv(b.relu(b.conv("x", 4, 3)), strides=[2, 2]))
    for name, size in (("scores", 3), ("boxes", 4)):
        last = b.add("Transpose", [b.conv(maps, size, 4)], perm=[0, 2, 3, 1])
        b.add("Reshape", [last, b.integers(0, 20, size)])
        b.ops[-1].output[0] = name
    return b.vend([value("x", "N", 3, 8, 10)], [value("scores", "N", 20, 3), value("boxes", "N", 20, 4)])


def several_outputs() -> onnx.ModelProto:
    b = sketch(3)
    features = b.relu(b.linear(b.add("Flatten", [b.relu(b.conv("x", 4, 3))]), 6, 256))
    b.classify(features, 3, 6)
    b.ops[-1].output[0] = "logits"
    return b.vend([value("x", "N", 3, 8, 8)], [value(features, "N", 6), value("logits", "N", 3)])


def _image(name: str, block: Block, seed: int = 0) -> Specimen:
    return Specimen(name, Kind.LAYER_OP, partial(image_model, block, seed), IMAGES)


def _of(kind: Kind, name: str, build: Build, inputs: Inputs = IMAGES, **settings: object) -> Specimen:
    return Specimen(name, kind, build, inputs, settings)


LAYERS: tuple[Specimen, ...] = (
    _of(Kind.LAYER_OP, "Conv 1-D", one_dimensional, samples(2, 16)),
    _image("Conv 2-D", plain, 1),
    _of(Kind.LAYER_OP, "Conv 3-D", three_dimensional, samples(2, 4, 4, 4)),
    _image("Conv, grouped", grouped, 1),
    _image("Conv, depthwise", depthwise, 3),
    _image("Conv, dilated, strided, pads differ", dilated, 6),
    _image("Conv, auto_pad SAME_UPPER", same_upper, 8),
    _image("ConvTranspose", transposed, 10),
    _image("ConvTranspose, grouped", partial(transposed, group=2), 1),
    _of(Kind.LAYER_OP, "Gemm, transB, alpha and beta", scaled_gemm, VECTORS),
    _of(Kind.LAYER_OP, "Gemm, weight as first operand, transA", first_operand_gemm, VECTORS),
    _of(Kind.LAYER_OP, "MatMul, weight on the right", partial(vector_model, matmul, 1), VECTORS),
    _of(Kind.LAYER_OP, "MatMul, weight on the left", left_matmul, TOKENS),
    _of(Kind.LAYER_OP, "MatMul on a 3-D tensor", token_matmul, TOKENS),
    _of(Kind.LAYER_OP, "MatMul, a weight for each step (rank 3)", partial(token_matmul, batched=True), TOKENS),
)

FORMS: tuple[Specimen, ...] = (
    _of(Kind.STRUCTURE, "weights in Constant ops", lambda: constants(image_model(plain, 3))),
    _of(Kind.STRUCTURE, "sparse initializer", sparse, VECTORS),
    _of(Kind.STRUCTURE, "ops stored out of order", out_of_order),
    _of(Kind.STRUCTURE, "ops without names", nameless),
    _of(Kind.STRUCTURE, "op name doubled in a subgraph", doubled_name),
)

PRECISIONS: tuple[Specimen, ...] = (
    _of(
        Kind.PRECISION,
        "float16 throughout",
        lambda: converted(image_model(plain, 1), TensorProto.FLOAT16),
        samples(3, 8, 8, dtype=np.float16),
    ),
    _of(Kind.PRECISION, "float32 with a float16 middle", partial(image_model, half_middle, 1)),
    _of(Kind.PRECISION, "bfloat16 throughout, Casts at the ends", bfloat),
    _of(
        Kind.PRECISION,
        "float64, Gemm and MatMul",
        lambda: converted(vector_model(matmul, 1), TensorProto.DOUBLE),
        samples(8, dtype=np.float64),
    ),
)

OUTCOMES: tuple[Specimen, ...] = (
    _of(Kind.OUTCOME, "softmax head", partial(decided, "Softmax")),
    _of(Kind.OUTCOME, "logits", decided),
    _of(Kind.OUTCOME, "LogSoftmax head", partial(decided, "LogSoftmax")),
    _of(Kind.OUTCOME, "sigmoid head, 4 labels at once", partial(decided, "Sigmoid", classes=4)),
    _of(Kind.OUTCOME, "one sigmoid score", partial(decided, "Sigmoid", classes=1)),
    _of(Kind.OUTCOME, "one raw score", partial(decided, classes=1)),
    _of(Kind.OUTCOME, "regression with 2 outputs", partial(decided, classes=2)),
    _of(Kind.OUTCOME, "segmentation, mean over pixels", segmentation, output="output", reduce="mean"),
    _of(
        Kind.OUTCOME,
        "detector, scores and boxes, maximum over places",
        detector,
        samples(3, 8, 10),
        output="scores",
        reduce="max",
        class_axis=2,
    ),
    _of(
        Kind.OUTCOME, "detector, a row for each box with objectness", partial(detectors.rows, properties=YOLO), PICTURES
    ),
    _of(Kind.OUTCOME, "detector, a column for each box", partial(detectors.columns, properties=YOLO), PICTURES),
    _of(Kind.OUTCOME, "detector, boxes and probabilities apart", detectors.apart, PICTURES),
    _of(Kind.OUTCOME, "detector, probabilities level by level", partial(detectors.levels, "scores"), PICTURES),
    _of(Kind.OUTCOME, "detector, maps level by level", partial(detectors.levels, "without", properties=YOLO), PICTURES),
    _of(Kind.OUTCOME, "features and logits", several_outputs, output="logits"),
)

ZOO: tuple[Specimen, ...] = (
    LAYERS + STRUCTURES + FORMS + VERSIONED + OPTIMISED + TRANSFORMERS + QUANTISED + PRECISIONS + EXPORTED + OUTCOMES
)
"""Every specimen; the float model behind each quantised one stands in PARENTS."""
