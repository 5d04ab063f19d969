"""Small models built in code: known ones with known answers, and generated ones with every structure layers meet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


@dataclass
class Builder:
    """Collects ops and weights of a float32 model."""

    rng: np.random.Generator
    ops: list[onnx.NodeProto] = field(default_factory=list)
    stored: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def add(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append an op of one output; return the output's name."""
        output = f"{op_type.lower()}_{len(self.ops)}"
        self.ops.append(helper.make_node(op_type, list(inputs), [output], name=f"/{output}/{op_type}", **attributes))
        return output

    def store(self, values: NDArray[np.generic]) -> str:
        """Store a tensor; return its name."""
        name = f"stored_{len(self.stored)}"
        self.stored[name] = values
        return name

    def weight(self, *shape: int) -> str:
        """Store random weights of unit gain."""
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.store(self.rng.normal(0, 1.4 / np.sqrt(fan_in), shape).astype(np.float32))

    def integers(self, *values: int) -> str:
        """Store an integer vector."""
        return self.store(np.array(values, np.int64))

    def graph(
        self,
        input_shape: Sequence[int | str],
        output: str,
        *,
        output_rank: int = 2,
        output_type: int = TensorProto.FLOAT,
        beside: Sequence[onnx.ValueInfoProto] = (),
    ) -> onnx.GraphProto:
        """Return the graph."""
        return helper.make_graph(
            self.ops,
            "generated",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(input_shape)), *beside],
            [helper.make_tensor_value_info(output, output_type, [f"size_{axis}" for axis in range(output_rank)])],
            [numpy_helper.from_array(values, name) for name, values in self.stored.items()],
        )

    def model(
        self,
        input_shape: Sequence[int | str],
        output: str,
        *,
        opset: int = OPSET,
        output_rank: int = 2,
        output_type: int = TensorProto.FLOAT,
        beside: Sequence[onnx.ValueInfoProto] = (),
    ) -> onnx.ModelProto:
        """Return the model, checked; it takes `x`, and inputs beside it."""
        graph = self.graph(input_shape, output, output_rank=output_rank, output_type=output_type, beside=beside)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model, full_check=True)
        return model


def mlp(weights: Sequence[NDArray[np.floating]], biases: Sequence[NDArray[np.floating]]) -> onnx.ModelProto:
    """Return Gemm-ReLU-...-Gemm with the given weights `[children, parents]`."""
    builder = Builder(np.random.default_rng(0))
    tensor = "x"
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        names = [builder.store(np.asarray(weight, np.float32)), builder.store(np.asarray(bias, np.float32))]
        tensor = builder.add("Gemm", [tensor, *names], transB=1)
        if number < len(weights) - 1:
            tensor = builder.add("Relu", [tensor])
    return builder.model(["N", np.asarray(weights[0]).shape[1]], tensor)


def convolutional(widths: Sequence[int], *, size: int, classes: int, seed: int = 0) -> onnx.ModelProto:
    """Return 3x3 convolutions with ReLU of the given widths on `x [N, 3, size, size]`, averaged, then a Gemm."""
    builder = Builder(np.random.default_rng(seed))
    tensor, into = "x", 3
    for width in widths:
        tensor = builder.add("Relu", [_conv(builder, tensor, out=width, into=into)])
        into = width
    pooled = builder.add("ReduceMean", [tensor], axes=[2, 3], keepdims=0)
    return builder.model(["N", 3, size, size], builder.add("Gemm", [pooled, builder.weight(classes, into)], transB=1))


BLOCKS = (
    "conv", "strided", "grouped", "depthwise", "dilated", "transposed", "batchnorm", "relu", "maxpool", "residual",
    "downsampled", "concat", "shuffle", "gate", "pad", "split", "shared", "nhwc", "softmax_rows", "resize", "same_pad",
    "sliced",
)  # fmt: skip
HEADS = ("flatten", "average", "matmul", "left_matmul", "conv", "gemm_trans_a", "tokens", "weight_chain")


@st.composite
def classifiers(draw: st.DrawFn) -> tuple[onnx.ModelProto, int]:
    """Draw an image classifier `x [N, 4, 6, 6] -> [N, classes]` and a seed."""
    seed = draw(st.integers(0, 2**20))
    blocks = draw(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=5))
    head = draw(st.sampled_from(HEADS))
    return classifier(blocks, head, seed), seed


def classifier(blocks: Sequence[str], head: str, seed: int, classes: int = 3) -> onnx.ModelProto:
    """Return an image classifier made of the named blocks; its maps have 4 channels between them."""
    builder = Builder(np.random.default_rng(seed))
    tensor, size = "x", 6
    for block in blocks:
        tensor, size = _BLOCK[block](builder, tensor, size)
    return builder.model(["N", 4, 6, 6], _HEAD[head](builder, tensor, size, classes))


def _conv(b: Builder, x: str, out: int = 4, into: int = 4, kernel: int = 3, **attributes: object) -> str:
    group = int(str(attributes.get("group", 1)))
    settings = {"pads": [kernel // 2] * 4} if "auto_pad" not in attributes else {}
    weights = [b.weight(out, into // group, kernel, kernel), b.weight(out)]
    return b.add("Conv", [x, *weights], kernel_shape=[kernel, kernel], **(settings | attributes))


def _strided(b: Builder, x: str, size: int) -> tuple[str, int]:
    return b.add("Relu", [_conv(b, x, strides=[2, 2])]), -(-size // 2)


def _same_pad(b: Builder, x: str, size: int) -> tuple[str, int]:
    upper = _conv(b, x, auto_pad="SAME_UPPER", strides=[2, 2], kernel=2)
    return b.add("Relu", [_conv(b, upper, auto_pad="SAME_LOWER", kernel=3)]), -(-size // 2)


def _dilated(b: Builder, x: str, size: int) -> tuple[str, int]:
    return b.add("Relu", [_conv(b, x, dilations=[2, 2], pads=[2] * 4)]), size


def _depthwise(b: Builder, x: str, size: int) -> tuple[str, int]:
    wide = _conv(b, x, out=8, group=4)  # two children per parent
    return _conv(b, b.add("Relu", [wide]), into=8, kernel=1), size


def _transposed(b: Builder, x: str, size: int) -> tuple[str, int]:
    wide = b.add("ConvTranspose", [x, b.weight(4, 3, 2, 2), b.weight(6)], strides=[2, 2], group=2)
    return b.add("MaxPool", [_conv(b, wide, into=6)], kernel_shape=[2, 2], strides=[2, 2]), size


def _batchnorm(b: Builder, x: str, size: int) -> tuple[str, int]:
    parameters = [b.store(b.rng.uniform(0.5, 1.5, 4).astype(np.float32)), b.weight(4), b.weight(4)]
    variance = b.store(b.rng.uniform(0.5, 2, 4).astype(np.float32))
    return b.add("BatchNormalization", [_conv(b, x), *parameters, variance]), size


def _maxpool(b: Builder, x: str, size: int) -> tuple[str, int]:
    return (b.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2]), size // 2) if size > 1 else (x, size)


def _residual(b: Builder, x: str, size: int) -> tuple[str, int]:
    inner = _conv(b, b.add("Relu", [_conv(b, x)]))
    return b.add("Relu", [b.add("Add", [inner, x])]), size


def _downsampled(b: Builder, x: str, size: int) -> tuple[str, int]:
    inner = _conv(b, b.add("Relu", [_conv(b, x, strides=[2, 2])]))
    return b.add("Relu", [b.add("Add", [inner, _conv(b, x, kernel=1, strides=[2, 2])])]), -(-size // 2)


def _sliced(b: Builder, x: str, size: int) -> tuple[str, int]:
    """Sixteen channels, which go into blocks, and a shortcut that takes every second place (ResNet's option A)."""
    most = np.iinfo(np.int64).max
    every_second = [b.integers(0, 0), b.integers(most, most), b.integers(2, 3), b.integers(2, 2)]
    wide = b.add("Relu", [_conv(b, x, out=16)])
    same = b.add("Relu", [b.add("Add", [_conv(b, wide, out=16, into=16), wide])])
    half = _conv(b, b.add("Relu", [_conv(b, same, out=16, into=16, strides=[2, 2])]), out=16, into=16)
    added = b.add("Relu", [b.add("Add", [half, b.add("Slice", [same, *every_second])])])
    return b.add("Relu", [_conv(b, added, into=16, kernel=1)]), -(-size // 2)


def _concat(b: Builder, x: str, size: int) -> tuple[str, int]:
    both = b.add("Concat", [_conv(b, x, out=2), x, _conv(b, x, out=3)], axis=1)
    return _conv(b, b.add("Relu", [both]), into=9, kernel=1), size


def _shuffle(b: Builder, x: str, size: int) -> tuple[str, int]:
    split = b.add("Reshape", [_conv(b, x, group=2), b.integers(0, 2, 2, size, size)])
    swapped = b.add("Transpose", [split], perm=[0, 2, 1, 3, 4])
    return b.add("Reshape", [swapped, b.integers(0, 4, size, size)]), size


def _gate(b: Builder, x: str, size: int) -> tuple[str, int]:
    squeezed = b.add("GlobalAveragePool", [x])
    gate = b.add("Sigmoid", [_conv(b, b.add("Relu", [_conv(b, squeezed, out=2, kernel=1)]), into=2, kernel=1)])
    return b.add("Mul", [x, gate]), size


def _pad(b: Builder, x: str, size: int) -> tuple[str, int]:
    wide = b.add("Pad", [_conv(b, x, out=2), b.integers(0, 1, 1, 1, 0, 1, 1, 1)])  # channels too, as option A does
    return b.add("AveragePool", [wide], kernel_shape=[3, 3]), size


def _split(b: Builder, x: str, size: int) -> tuple[str, int]:
    first, second = f"split_a_{len(b.ops)}", f"split_b_{len(b.ops)}"
    b.ops.append(helper.make_node("Split", [_conv(b, x), b.integers(1, 3)], [first, second], axis=1))
    return b.add("Concat", [b.add("Relu", [second]), first], axis=1), size


def _shared(b: Builder, x: str, size: int) -> tuple[str, int]:
    first = b.add("Relu", [_conv(b, x)])
    weight = b.ops[-2].input[1]
    return b.add("Relu", [b.add("Conv", [first, weight], kernel_shape=[3, 3], pads=[1] * 4)]), size


def _nhwc(b: Builder, x: str, size: int) -> tuple[str, int]:
    last = b.add("Transpose", [x], perm=[0, 2, 3, 1])
    mixed = b.add("Add", [b.add("MatMul", [last, b.weight(4, 4)]), b.weight(4)])
    return b.add("Transpose", [b.add("Relu", [mixed])], perm=[0, 3, 1, 2]), size


def _softmax_rows(b: Builder, x: str, size: int) -> tuple[str, int]:
    return b.add("Mul", [_conv(b, x), b.add("Softmax", [x], axis=3)]), size  # over columns: same channel


def _resize(b: Builder, x: str, size: int) -> tuple[str, int]:
    scales = b.store(np.array([1, 1, 2, 2], np.float32))
    large = b.add("Resize", [_conv(b, x), "", scales], mode="nearest")
    return b.add("AveragePool", [large], kernel_shape=[2, 2], strides=[2, 2]), size


_BLOCK = {
    "conv": lambda b, x, size: (b.add("Relu", [_conv(b, x)]), size),
    "strided": _strided,
    "grouped": lambda b, x, size: (b.add("Relu", [_conv(b, x, group=2)]), size),
    "depthwise": _depthwise,
    "dilated": _dilated,
    "transposed": _transposed,
    "batchnorm": _batchnorm,
    "relu": lambda b, x, size: (b.add("LeakyRelu", [x]), size),
    "maxpool": _maxpool,
    "residual": _residual,
    "downsampled": _downsampled,
    "concat": _concat,
    "shuffle": _shuffle,
    "gate": _gate,
    "pad": _pad,
    "split": _split,
    "shared": _shared,
    "nhwc": _nhwc,
    "softmax_rows": _softmax_rows,
    "resize": _resize,
    "same_pad": _same_pad,
    "sliced": _sliced,
}


def _flatten(b: Builder, x: str, size: int, classes: int) -> str:
    hidden = b.add(
        "Relu", [b.add("Gemm", [b.add("Flatten", [x]), b.weight(5, 4 * size * size), b.weight(5)], transB=1)]
    )
    return b.add("Gemm", [hidden, b.weight(5, classes), b.weight(classes)], alpha=0.5, beta=2.0)


def _average(b: Builder, x: str, size: int, classes: int) -> str:
    del size
    pooled = b.add("ReduceMean", [x], axes=[2, 3], keepdims=0)
    return b.add("Gemm", [pooled, b.weight(classes, 4)], transB=1)


def _matmul(b: Builder, x: str, size: int, classes: int) -> str:
    last = b.add("Transpose", [x], perm=[0, 2, 3, 1])
    flat = b.add("Reshape", [last, b.integers(0, 4 * size * size)])
    return b.add("Add", [b.weight(classes), b.add("MatMul", [flat, b.weight(4 * size * size, classes)])])


def _left_matmul(b: Builder, x: str, size: int, classes: int) -> str:
    maps = b.add("Reshape", [x, b.integers(0, 4, size * size)])
    product = b.add("MatMul", [b.weight(classes, 4), maps])
    return b.add("ReduceMax", [product], axes=[2], keepdims=0)


def _conv_head(b: Builder, x: str, size: int, classes: int) -> str:
    del size
    pooled = b.add("GlobalAveragePool", [b.add("Relu", [_conv(b, x, out=classes, kernel=1)])])
    return b.add("Reshape", [pooled, b.integers(0, -1)])


def _gemm_trans_a(b: Builder, x: str, size: int, classes: int) -> str:
    pooled = b.add("Transpose", [b.add("ReduceMax", [x], axes=[2, 3], keepdims=0)], perm=[1, 0])
    left = b.add("Gemm", [b.weight(4, 5), pooled], transA=1)  # [5, N]: the weight on the left
    del size
    return b.add("Gemm", [left, b.weight(5, classes)], transA=1)


def _tokens(b: Builder, x: str, size: int, classes: int) -> str:
    maps = b.add("Reshape", [x, b.integers(0, 4, size * size)])
    tokens = b.add("Transpose", [maps], perm=[0, 2, 1])
    normal = b.add("LayerNormalization", [tokens, b.weight(4), b.weight(4)], axis=-1)
    hidden = b.add("Relu", [b.add("MatMul", [normal, b.weight(4, 6)])])
    added = b.add("Add", [tokens, b.add("MatMul", [hidden, b.weight(6, 4)])])
    first = b.add("Gather", [added, b.store(np.array(0, np.int64))], axis=1)
    return b.add("MatMul", [first, b.weight(4, classes)])


def _weight_chain(b: Builder, x: str, size: int, classes: int) -> str:
    del size
    pooled = b.add("Squeeze", [b.add("GlobalMaxPool", [x]), b.integers(2, 3)])
    turned = b.add("Transpose", [b.add("Identity", [b.weight(classes, 4)])], perm=[1, 0])
    return b.add("MatMul", [pooled, turned])


_HEAD = {
    "flatten": _flatten,
    "average": _average,
    "matmul": _matmul,
    "left_matmul": _left_matmul,
    "conv": _conv_head,
    "gemm_trans_a": _gemm_trans_a,
    "tokens": _tokens,
    "weight_chain": _weight_chain,
}
