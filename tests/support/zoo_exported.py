"""Models as exporters, converters and ONNX Runtime's optimiser write them, of every opset that is in use."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.support.zoo_structures import (
    FLOAT,
    IMAGES,
    INT64,
    MICROSOFT,
    SAMPLES,
    VECTORS,
    Build,
    Inputs,
    Kind,
    Sketch,
    Specimen,
    image_model,
    plain,
    samples,
    sketch,
    value,
    vector_model,
)

WIDTH, HEADS = 8, 2
OPSETS = range(7, 27)


def of_opset(opset: int) -> onnx.ModelProto:
    """Return a CNN with the ops that were written differently over the years, as the opset has them."""
    b = sketch(8)
    scale, shift = b.store(b.rng.uniform(0.5, 1.5, 4).astype(np.float32)), b.bias(4)
    mean, variance = b.bias(4), b.store(b.rng.uniform(0.5, 2, 4).astype(np.float32))
    x = b.add("BatchNormalization", [b.conv("x", 4, 3), scale, shift, mean, variance])
    x = b.add("Clip", [x], min=0.0, max=6.0) if opset < 11 else b.add("Clip", [x, b.scalar(0), b.scalar(6)])
    around = [0, 0, 1, 1, 0, 0, 1, 1]
    x = b.add("Pad", [x], pads=around) if opset < 11 else b.add("Pad", [x, b.integers(*around)])
    x = b.relu(b.conv(x, pads=[0] * 4, strides=[2, 2]))
    if opset < 9:
        x = b.add("Upsample", [x], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])
    elif opset < 11:
        x = b.add("Upsample" if opset == 9 else "Resize", [x, b.floats(1, 1, 2, 2)], mode="nearest")
    else:
        x = b.add("Resize", [x, b.floats() if opset < 13 else "", b.floats(1, 1, 2, 2)], mode="nearest")
    x = b.relu(b.conv(x))
    x = b.add("Dropout", [x], ratio=0.5) if opset < 12 else b.add("Dropout", [x, b.scalar(0.5)])
    x = b.add("ReduceMean", [x], axes=[2, 3]) if opset < 18 else b.add("ReduceMean", [x, b.integers(2, 3)])
    x = b.add("Squeeze", [x], axes=[2, 3]) if opset < 13 else b.add("Squeeze", [x, b.integers(2, 3)])
    output = b.add("Softmax", [b.classify(x, 3, 4)], axis=1)
    version = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
    return b.vend([value("x", "N", 3, 8, 8)], [value(output, "N", 3)], opset=opset, ir=version)


def optimised(parent: Build, level: ort.GraphOptimizationLevel) -> onnx.ModelProto:
    """Return a model as ONNX Runtime saves it after it has optimised it."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        options.log_severity_level = 3
        ort.InferenceSession(parent().SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def gelu(b: Sketch, x: str) -> str:
    """Append GELU by its error function."""
    bell = b.add("Add", [b.add("Erf", [b.add("Div", [x, b.scalar(2**0.5)])]), b.scalar(1)])
    return b.add("Mul", [b.add("Mul", [x, bell]), b.scalar(0.5)])


def normal(b: Sketch, x: str) -> str:
    around_one = b.store(b.rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
    return b.add("LayerNormalization", [x, around_one, b.bias(WIDTH)], axis=-1, epsilon=1e-5)


def normal_written_out(b: Sketch, x: str) -> str:
    centred = b.add("Sub", [x, b.add("ReduceMean", [x], axes=[-1])])
    variance = b.add("ReduceMean", [b.add("Pow", [centred, b.scalar(2)])], axes=[-1])
    deviation = b.add("Sqrt", [b.add("Add", [variance, b.scalar(1e-5)])])
    around_one = b.store(b.rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
    return b.add("Add", [b.add("Mul", [b.add("Div", [centred, deviation]), around_one]), b.bias(WIDTH)])


def attend(b: Sketch, x: str, mask: str = "") -> str:
    """Append attention of two heads on `[N, L, WIDTH]`."""

    def heads(perm: Sequence[int]) -> str:
        split = b.add("Reshape", [b.project(x, WIDTH, WIDTH), b.integers(0, -1, HEADS, WIDTH // HEADS)])
        return b.add("Transpose", [split], perm=perm)

    query, key, values = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = b.add("Div", [b.add("MatMul", [query, key]), b.scalar((WIDTH / HEADS) ** 0.5)])
    weights = b.add("Softmax", [b.add("Add", [scores, mask]) if mask else scores], axis=-1)
    mixed = b.add("Transpose", [b.add("MatMul", [weights, values])], perm=[0, 2, 1, 3])
    return b.project(b.add("Reshape", [mixed, b.integers(0, -1, WIDTH)]), WIDTH, WIDTH)


def block(b: Sketch, x: str, norm: Callable[[Sketch, str], str] = normal) -> str:
    """Append a transformer block that normalises first."""
    x = b.add("Add", [x, attend(b, norm(b, x))])
    hidden = gelu(b, b.project(norm(b, x), 2 * WIDTH, WIDTH))
    return b.add("Add", [x, b.project(hidden, WIDTH, 2 * WIDTH)])


def vit(norm: Callable[[Sketch, str], str] = normal, seed: int = 0) -> onnx.ModelProto:
    """Return a vision transformer of two blocks with four patches and a class token."""
    b = sketch(seed)
    patches = b.conv("x", WIDTH, 3, kernel=4, strides=[4, 4], pads=[0] * 4)
    tokens = b.add("Transpose", [b.add("Reshape", [patches, b.integers(0, WIDTH, -1)])], perm=[0, 2, 1])
    size = b.add("Slice", [b.add("Shape", ["x"]), b.integers(0), b.integers(1)])
    first = b.add("Expand", [b.weight(1, 1, WIDTH), b.add("Concat", [size, b.integers(1, WIDTH)], axis=0)])
    x = b.add("Add", [b.add("Concat", [first, tokens], axis=1), b.weight(1, 5, WIDTH)])
    for _ in range(2):
        x = block(b, x, norm)
    output = b.classify(b.add("Gather", [norm(b, x), b.scalar(0, np.int64)], axis=1), 3, WIDTH)
    return b.vend([value("x", "N", 3, 8, 8)], [value(output, "N", 3)])


def bert() -> onnx.ModelProto:
    """Return a text encoder of two blocks that normalise last, with a mask and a pooler."""
    b = sketch(3)
    b.stored["embedding"] = b.rng.normal(0, 1, (16, WIDTH)).astype(np.float32)
    x = b.add("Gather", ["embedding", "input_ids"])
    x = normal(b, b.add("Add", [x, b.weight(1, 6, WIDTH)]))
    seen = b.add("Cast", [b.add("Unsqueeze", ["attention_mask", b.integers(1, 2)])], to=FLOAT)
    mask = b.add("Mul", [b.add("Sub", [b.scalar(1), seen]), b.scalar(-10000)])
    for _ in range(2):
        x = normal(b, b.add("Add", [x, attend(b, x, mask)]))
        x = normal(b, b.add("Add", [x, b.project(gelu(b, b.project(x, 2 * WIDTH, WIDTH)), WIDTH, 2 * WIDTH)]))
    first = b.add("Gather", [x, b.scalar(0, np.int64)], axis=1)
    output = b.classify(b.add("Tanh", [b.linear(first, WIDTH, WIDTH)]), 3, WIDTH)
    given = [value(name, "N", 6, kind=INT64) for name in ("input_ids", "attention_mask")]
    return b.vend(given, [value(output, "N", 3)])


def texts() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 7, SAMPLES)
    return {
        "input_ids": rng.integers(1, 16, (SAMPLES, 6)),
        "attention_mask": (np.arange(6) < lengths[:, None]).astype(np.int64),
    }


def microsoft(op_type: str, b: Sketch, x: str) -> str:
    """Append one of ONNX Runtime's own ops to `[N, 6]`; it keeps the shape."""
    add = partial(b.add, domain=MICROSOFT)
    match op_type:
        case "FusedGemm":
            return add("FusedGemm", [x, b.weight(6, 6), b.bias(6)], transB=1, activation="Relu")
        case "FusedMatMul":
            return add("FusedMatMul", [x, b.weight(6, 6)], transB=1, alpha=0.5)
        case "FusedMatMul, weight on the left":
            turned = add("FusedMatMul", [b.weight(6, 6), x], transA=1, transB=1, alpha=1.5)
            return b.add("Transpose", [turned], perm=[1, 0])
        case "BiasGelu" | "FastGelu":
            return add(op_type, [b.add("MatMul", [x, b.weight(6, 6)]), b.bias(6)])
        case "QuickGelu":
            return add("QuickGelu", [b.linear(x, 6, 6)], alpha=1.702)
        case "MatMulNBits":
            packed = b.store(b.rng.integers(0, 256, (6, 1, 8), np.uint8))
            scales = b.store(b.rng.uniform(0.05, 0.15, 6).astype(np.float32))
            return add("MatMulNBits", [x, packed, scales], K=6, N=6, bits=4, block_size=16)
    raise AssertionError(op_type)


def fused_conv(b: Sketch, x: str) -> str:
    """Append FusedConv with a ReLU, then one with a residual input."""
    shape = {"kernel_shape": [3, 3], "pads": [1] * 4, "domain": MICROSOFT, "activation": "Relu"}
    first = b.add("FusedConv", [x, b.weight(4, 4, 3, 3), b.bias(4)], **shape)
    return b.add("FusedConv", [first, b.weight(4, 4, 3, 3), b.bias(4), x], **shape)


def microsoft_transformer() -> onnx.ModelProto:
    """Return a block of Attention and SkipLayerNormalization on `[N, 5, WIDTH]`."""
    b = sketch(4)
    add = partial(b.add, domain=MICROSOFT)

    def skip(x: str, residual: str) -> str:
        scale = b.store(b.rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
        return add("SkipLayerNormalization", [x, residual, scale, b.bias(WIDTH), b.bias(WIDTH)], epsilon=1e-5)

    weight = b.store((b.rng.normal(0, 1, (WIDTH, 3 * WIDTH)) / WIDTH**0.5).astype(np.float32))
    mixed = b.project(add("Attention", ["x", weight, b.bias(3 * WIDTH)], num_heads=HEADS), WIDTH, WIDTH)
    x = skip(mixed, "x")
    hidden = add("BiasGelu", [b.add("MatMul", [x, b.weight(WIDTH, WIDTH)]), b.bias(WIDTH)])
    x = skip(b.add("MatMul", [hidden, b.weight(WIDTH, WIDTH)]), x)
    output = b.classify(b.add("Gather", [x, b.scalar(0, np.int64)], axis=1), 3, WIDTH)
    return b.vend([value("x", "N", 5, WIDTH)], [value(output, "N", 3)])


def scikit_learn(
    form: str = "classes", *, zipmap: bool = False, columns: bool = False, steps: Sequence[str] = ()
) -> onnx.ModelProto:
    """Return what skl2onnx writes for a small network.

    Args:
        form: what it decides: "classes", "binary", "labels" (several at once) or "value".
        zipmap: whether probabilities leave in a dictionary.
        columns: whether each column of the table is an input of its own.
        steps: what stands before the network.
    """
    skl2onnx = pytest.importorskip("skl2onnx")
    network = pytest.importorskip("sklearn.neural_network")
    types = pytest.importorskip("skl2onnx.common.data_types")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaling = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (90, 4)).astype(np.float32)
    score = x @ rng.normal(0, 1, (4, 3))
    answer = {"classes": score.argmax(1), "binary": score[:, 0] > 0, "labels": score > 0, "value": score[:, 0]}[form]
    settings = {"hidden_layer_sizes": (6, 5), "solver": "lbfgs", "max_iter": 5000, "random_state": 0}
    model = network.MLPRegressor(**settings) if form == "value" else network.MLPClassifier(**settings, alpha=1.0)
    options = {} if form == "value" else {id(model): {"zipmap": zipmap}}
    chain = pipeline.make_pipeline(*[getattr(scaling, step)() for step in steps], model)
    chain.fit(x, answer if form == "value" else answer.astype(np.int64))
    kind = types.FloatTensorType
    given = [(f"column_{i}", kind([None, 1])) for i in range(4)] if columns else [("x", kind([None, 4]))]
    written = skl2onnx.to_onnx(chain, initial_types=given, options=options, target_opset={"": 17, "ai.onnx.ml": 3})
    assert isinstance(written, onnx.ModelProto)
    return written


@dataclass
class Traced(Sketch):
    """Names ops and tensors as PyTorch's exporters do."""

    style: str = "/{op}_{number}"
    end: str = "_output_0"

    def add(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = self.style.format(op=op_type, number=len(self.ops))
        output = name.removeprefix("node_") + self.end
        self.ops.append(helper.make_node(op_type, list(inputs), [output], name=name, **attributes))
        return output

    def keep(self, name: str, *shape: int, level: float = 0) -> str:
        """Store random weights about a level under a name."""
        gain = 1.4 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        self.stored[name] = self.rng.normal(level, gain, shape).astype(np.float32)
        return name


def traced(*, folded: bool = True) -> onnx.ModelProto:
    """Return a CNN with a linear layer on tokens as PyTorch's first exporter writes it."""
    b = Traced(np.random.default_rng(2))
    shape = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
    if folded:
        x = b.add("Conv", ["input", b.keep("onnx::Conv_53", 4, 3, 3, 3), b.keep("onnx::Conv_54", 4)], **shape)
    else:
        x = b.add("Conv", ["input", b.keep("c1.weight", 4, 3, 3, 3)], **shape)
        levels = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
        statistics = [b.keep(f"bn.{name}", 4, level=level) for name, level in levels.items()]
        x = b.add("BatchNormalization", [x, *statistics], epsilon=1e-5, momentum=0.9, training_mode=0)
    x = b.relu(x)
    x = b.relu(b.add("Add", [b.add("Conv", [x, b.keep("c2.weight", 4, 4, 3, 3), b.keep("c2.bias", 4)], **shape), x]))

    def constant(numbers: Any, dtype: Any = np.int64) -> str:
        return b.add("Constant", [], value=numpy_helper.from_array(np.array(numbers, dtype)))

    front = b.add("Slice", [b.add("Shape", [x]), constant([0]), constant([2]), constant([0])])
    flat = b.add("Reshape", [x, b.add("Concat", [front, constant([-1])], axis=0)], allowzero=0)
    tokens = b.add("MatMul", [b.add("Transpose", [flat], perm=[0, 2, 1]), b.keep("onnx::MatMul_55", 4, 6)])
    tokens = b.add("Add", [b.keep("tok.bias", 6), tokens])
    bell = b.add("Add", [b.add("Erf", [b.add("Div", [tokens, constant(2**0.5, np.float32)])]), constant(1, np.float32)])
    tokens = b.add("Mul", [b.add("Mul", [tokens, bell]), constant(0.5, np.float32)])
    mean = b.add("ReduceMean", [tokens], axes=[1], keepdims=0)
    size = b.add("Unsqueeze", [b.add("Gather", [b.add("Shape", ["input"]), constant(0)], axis=0), constant([0])])
    view = b.add("Reshape", [mean, b.add("Concat", [size, constant([-1])], axis=0)], allowzero=0)
    output = b.add("Gemm", [view, b.keep("fc.weight", 3, 6), b.keep("fc.bias", 3)], alpha=1.0, beta=1.0, transB=1)
    return b.vend([value("input", "batch", 3, 8, 8)], [value(output, "batch", 3)])


def exported() -> onnx.ModelProto:
    """Return the same network as PyTorch's second exporter writes it."""
    b = Traced(np.random.default_rng(2), style="node_{op}_{number}", end="")
    shape = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
    shape |= {"auto_pad": "NOTSET"}
    x = b.relu(b.add("Conv", ["input", b.keep("c1.weight", 4, 3, 3, 3), b.keep("c1.bias", 4)], **shape))
    x = b.relu(b.add("Add", [b.add("Conv", [x, b.keep("c2.weight", 4, 4, 3, 3), b.keep("c2.bias", 4)], **shape), x]))
    b.stored |= {"val_18": np.array([1]), "val_23": np.array([0, 4, 64]), "val_24": np.array([-1, 6])}
    tokens = b.add("Transpose", [b.add("Reshape", [x, "val_23"], allowzero=0)], perm=[0, 2, 1])
    tokens = b.add("Add", [b.add("MatMul", [tokens, b.keep("val_14", 4, 6)]), b.keep("tok.bias", 6)])
    mean = b.add("ReduceMean", [b.add("Gelu", [tokens], approximate="none"), "val_18"], keepdims=0)
    view = b.add("Reshape", [mean, "val_24"], allowzero=0)
    weights = [b.keep("fc.weight", 3, 6), b.keep("fc.bias", 3)]
    output = b.add("Gemm", [view, *weights], alpha=1.0, beta=1.0, transA=0, transB=1)
    return b.vend([value("input", "batch", 3, 8, 8)], [value(output, "batch", 3)], opset=20, ir=10)


def keras() -> onnx.ModelProto:
    """Return a CNN as tf2onnx writes it: channels last at the ends, batch normalisation folded, MatMul and Add."""
    b = Traced(np.random.default_rng(10), style="StatefulPartitionedCall/model/{op}_{number}", end=":0")
    maps = b.add("Transpose", ["input_1"], perm=[0, 3, 1, 2])
    shape = {"kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "group": 1}
    weights = [
        b.keep("model/conv2d/Conv2D_weights_fused_bn", 4, 3, 3, 3),
        b.keep("model/conv2d/Conv2D_bias_fused_bn", 4),
    ]
    maps = b.relu(b.add("Conv", [maps, *weights], pads=[1] * 4, **shape))
    maps = b.add("MaxPool", [maps], kernel_shape=[2, 2], strides=[2, 2])
    weights = [b.keep("model/conv2d_1/Conv2D_weights", 4, 4, 3, 3), b.keep("model/conv2d_1/bias", 4)]
    maps = b.relu(b.add("Conv", [maps, *weights], auto_pad="SAME_UPPER", **shape))
    last = b.add("Transpose", [b.add("Transpose", [maps], perm=[0, 2, 3, 1])], perm=[0, 1, 2, 3])
    flat = b.add("Reshape", [last, b.integers(-1, 64)])
    hidden = b.relu(b.add("Add", [b.add("MatMul", [flat, b.keep("model/dense/MatMul/kernel", 64, 6)]), b.keep("d", 6)]))
    weight, bias = b.keep("model/dense_1/MatMul/kernel", 6, 3), b.keep("model/dense_1/bias", 3)
    output = b.add("Softmax", [b.add("Add", [b.add("MatMul", [hidden, weight]), bias])], axis=-1)
    return b.vend([value("input_1", "unk__25", 8, 8, 3)], [value(output, "unk__26", 3)])


def table_columns() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {f"column_{number}": rng.normal(0, 1, (SAMPLES, 1)).astype(np.float32) for number in range(4)}


def _of(name: str, build: Build, inputs: Inputs = IMAGES, kind: Kind = Kind.STRUCTURE) -> Specimen:
    return Specimen(name, kind, build, inputs)


SEQUENCES = samples(5, WIDTH, axis=1)
EXTENDED, BASIC = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC

VERSIONED: tuple[Specimen, ...] = tuple(_of(f"opset {opset}", partial(of_opset, opset)) for opset in OPSETS)

OPTIMISED: tuple[Specimen, ...] = (
    _of("optimised by ONNX Runtime, basic, CNN", partial(optimised, partial(image_model, plain, 2), BASIC)),
    _of("optimised by ONNX Runtime, extended, CNN", partial(optimised, partial(image_model, plain, 2), EXTENDED)),
    _of("optimised by ONNX Runtime, extended, ViT", partial(optimised, vit, EXTENDED)),
    _of("optimised by ONNX Runtime, extended, BERT-like", partial(optimised, bert, EXTENDED), texts),
    _of("com.microsoft FusedConv, activation and residual input", partial(image_model, fused_conv, 1)),
    *(
        _of(f"com.microsoft {op}", partial(vector_model, partial(microsoft, op), 1), VECTORS)
        for op in ("FusedGemm", "FusedMatMul", "FusedMatMul, weight on the left", "BiasGelu", "FastGelu", "QuickGelu",
                   "MatMulNBits")
    ),
    _of("com.microsoft Attention, SkipLayerNormalization, BiasGelu", microsoft_transformer, SEQUENCES),
)  # fmt: skip

TRANSFORMERS: tuple[Specimen, ...] = (
    _of("ViT, 2 blocks, class token", vit),
    _of("ViT, LayerNorm written out", partial(vit, normal_written_out)),
    _of("BERT-like encoder, ids and mask", bert, texts),
)

TABLE = samples(4)
PICTURES = samples(3, 8, 8, name="input")

EXPORTED: tuple[Specimen, ...] = tuple(
    _of(name, build, inputs, Kind.EXPORTER)
    for name, build, inputs in (
        ("PyTorch, legacy exporter", traced, PICTURES),
        ("PyTorch, legacy exporter, batch normalisation kept", partial(traced, folded=False), PICTURES),
        ("PyTorch, dynamo exporter", exported, PICTURES),
        ("tf2onnx, channels last", keras, samples(8, 8, 3, name="input_1", axis=2)),
        ("scikit-learn MLPClassifier", scikit_learn, TABLE),
        ("scikit-learn MLPClassifier, ZipMap", partial(scikit_learn, zipmap=True), TABLE),
        ("scikit-learn MLPClassifier, binary", partial(scikit_learn, "binary"), TABLE),
        ("scikit-learn MLPClassifier, several labels", partial(scikit_learn, "labels"), TABLE),
        ("scikit-learn MLPRegressor", partial(scikit_learn, "value"), TABLE),
        (
            "scikit-learn pipeline, StandardScaler and MLPClassifier",
            partial(scikit_learn, steps=["StandardScaler"]),
            TABLE,
        ),
        (
            "scikit-learn pipeline, an input per column",
            partial(scikit_learn, columns=True, steps=["StandardScaler"]),
            table_columns,
        ),
    )
)
