"""Models with heads that keep the decision of their scores, and heads that change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis
from tests.support.networks import Builder
from tests.support.opened import Inputs

CLASSES, FEATURES = 3, 6
X: Inputs = np.random.default_rng(5).normal(size=(240, FEATURES)).astype(np.float32)
Outputs = Sequence[str | onnx.ValueInfoProto]
Head = Callable[[Builder, str], Outputs]


def body(b: Builder, outputs: int = CLASSES) -> str:
    """Append two layers; return the scores `[N, outputs]`."""
    hidden = b.add("Relu", [b.add("Gemm", ["x", b.weight(8, FEATURES)], transB=1)])
    return b.add("Gemm", [hidden, b.weight(outputs, 8)], transB=1)


def typed(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, None)


@dataclass
class Made:
    """A model with a head, and the scores of its samples."""

    path: Path
    scores: NDArray[np.floating]

    def run(self, y: NDArray[np.generic] | None = None, **settings: Any) -> Analysis:
        labels = self.scores.argmax(axis=1) if y is None else y
        return analyze(self.path, (X, labels), samples=20, **settings)


def made(folder: Path, head: Head, *, outputs: int = CLASSES, batch: int | str = "N") -> Made:
    """Write a model whose scores go through a head."""
    b = Builder(np.random.default_rng(3))
    scores = body(b, outputs)
    found = [typed(name, TensorProto.FLOAT) if isinstance(name, str) else name for name in head(b, scores)]
    graph = b.graph([batch, FEATURES], scores)
    del graph.output[:]
    graph.output.extend(found)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "model.onnx")
    weights = [values.astype(np.float32) for values in b.stored.values() if values.ndim == 2]
    return Made(folder / "model.onnx", np.maximum(X @ weights[0].T, 0) @ weights[1].T)


def softmax(b: Builder, s: str) -> str:
    return b.add("Softmax", [s], axis=1)


def number(b: Builder, value: float, kind: type[np.generic] = np.float32) -> str:
    return b.store(np.array(value, kind))


def quantised(b: Builder, s: str, scale: float) -> str:
    step, zero = number(b, scale), number(b, 0, np.uint8)
    return b.add("DequantizeLinear", [b.add("QuantizeLinear", [softmax(b, s), step, zero]), step, zero])


def half(b: Builder, s: str) -> str:
    return b.add("Cast", [softmax(b, b.add("Cast", [s], to=TensorProto.FLOAT16))], to=TensorProto.FLOAT)


def labelled(b: Builder, s: str) -> Outputs:
    """Return what scikit-learn's exporter writes: a label, looked up in a table, and probabilities."""
    table, best = b.store(np.arange(CLASSES)), b.add("ArgMax", [s], axis=1, keepdims=0)
    return [typed(b.add("Gather", [table, best]), TensorProto.INT64), softmax(b, s)]


def named(names: Sequence[bytes]) -> Head:
    def head(b: Builder, s: str) -> Outputs:
        words = b.store(np.array(names, object))
        label = b.add("Gather", [words, b.add("ArgMax", [s], axis=1, keepdims=0)])
        return [typed(label, TensorProto.STRING), softmax(b, s)]

    return head


def mapped(keys: Sequence[int] | Sequence[str]) -> Head:
    def head(b: Builder, s: str) -> Outputs:
        ints = isinstance(keys[0], int)
        settings: dict[str, Any] = {"classlabels_int64s" if ints else "classlabels_strings": keys}
        name = "by_class"
        b.ops.append(helper.make_node("ZipMap", [softmax(b, s)], [name], domain="ai.onnx.ml", **settings))
        key = TensorProto.INT64 if ints else TensorProto.STRING
        kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        return [helper.make_value_info(name, helper.make_sequence_type_proto(kind))]

    return head


def ranked(b: Builder, s: str) -> Outputs:
    b.ops.append(helper.make_node("TopK", [softmax(b, s), b.integers(2)], ["best", "places"]))
    return [softmax(b, s), typed("places", TensorProto.INT64)]


def in_evaluation(b: Builder, s: str) -> Outputs:
    b.ops.append(helper.make_node("Dropout", [s, number(b, 0.9)], ["kept"]))
    return ["kept"]


HONEST: dict[str, Head] = {
    "the scores": lambda b, s: [b.add("Identity", [s])],
    "softmax": lambda b, s: [softmax(b, s)],
    "log-softmax": lambda b, s: [b.add("LogSoftmax", [s], axis=1)],
    "sigmoid": lambda b, s: [b.add("Sigmoid", [s])],
    "scores and probabilities": lambda b, s: [s, softmax(b, s)],
    "half precision": lambda b, s: [half(b, s)],
    "dropout that is off": in_evaluation,
    "one more axis": lambda b, s: [b.add("Unsqueeze", [softmax(b, s), b.integers(2)])],
    "a label and probabilities": labelled,
    "a label of an axis of its own": lambda b, s: [
        softmax(b, s),
        typed(b.add("ArgMax", [s], axis=1, keepdims=1), TensorProto.INT64),
    ],
    "names": named([b"oak", b"elm", b"ash"]),
    "a map from indices": mapped(range(CLASSES)),
    "a map from names": mapped(["oak", "elm", "ash"]),
    "the best two": ranked,
    "whole numbers that are no labels": lambda b, s: [softmax(b, s), typed(b.add("Shape", [s]), TensorProto.INT64)],
}


def noisy(b: Builder, s: str) -> Outputs:
    b.ops.append(helper.make_node("Dropout", [s, number(b, 0.9), number(b, 1, np.bool_)], ["kept"]))
    return ["kept"]


def as_truth(b: Builder, s: str) -> Outputs:
    return [softmax(b, b.add("Cast", [b.add("Cast", [s], to=TensorProto.BOOL)], to=TensorProto.FLOAT))]


def constant_label(b: Builder, s: str) -> Outputs:
    zeros = helper.make_tensor("zero", TensorProto.INT64, [1], [0])
    return [
        softmax(b, s),
        typed(b.add("ConstantOfShape", [b.add("Shape", [s], end=1)], value=zeros), TensorProto.INT64),
    ]


def label_of_the_worst(b: Builder, s: str) -> Outputs:
    return [softmax(b, s), typed(b.add("ArgMin", [s], axis=1, keepdims=0), TensorProto.INT64)]


def shifted_label(b: Builder, s: str) -> Outputs:
    best = b.add("ArgMax", [s], axis=1, keepdims=0)
    return [softmax(b, s), typed(b.add("Add", [best, number(b, 1, np.int64)]), TensorProto.INT64)]


def digits_in_another_order(b: Builder, s: str) -> Outputs:
    return named([b"2", b"0", b"1"])(b, s)


def one_name(b: Builder, s: str) -> Outputs:
    return named([b"oak", b"oak", b"ash"])(b, s)


def not_a_number(b: Builder, s: str) -> Outputs:
    large = b.add("Cast", [b.add("Cast", [s], to=TensorProto.INT32)], to=TensorProto.FLOAT)
    return [softmax(b, large)]


def by_size(condition: str, size: int) -> Head:
    """Return a head that names class 0 in batches of some sizes alone."""

    def head(b: Builder, s: str) -> Outputs:
        samples = b.add("Gather", [b.add("Shape", ["x"]), number(b, 0, np.int64)])
        found = b.add(condition, [samples, number(b, size, np.int64)])
        kept = b.add("Cast", [b.add("Not", [found])], to=TensorProto.INT64)
        best = b.add("ArgMax", [s], axis=1, keepdims=0)
        return [softmax(b, s), typed(b.add("Mul", [best, kept]), TensorProto.INT64)]

    return head


def of_the_first(b: Builder, s: str) -> Outputs:
    first = b.add("Gather", [s, b.integers(0)])
    rows = b.add("Add", [b.add("Mul", [s, number(b, 0)]), first])
    return [softmax(b, s), typed(b.add("ArgMax", [rows], axis=1, keepdims=0), TensorProto.INT64)]


CHANGING: dict[str, tuple[Head, str]] = {
    "softmax over the batch": (lambda b, s: [b.add("Softmax", [s], axis=0)], "in batches"),
    "quantised to zero": (lambda b, s: [quantised(b, s, 1000.0)], "ties or rounds"),
    "cast to bool": (as_truth, "ties or rounds"),
    "cast to whole numbers": (not_a_number, "ties or rounds"),
    "dropout that is on": (noisy, "output kept"),
    "always one label": (constant_label, "output constantofshape"),
    "label of the lowest score": (label_of_the_worst, "output argmin"),
    "label of the next class": (shifted_label, "output add"),
    "map in another order": (mapped([2, 0, 1]), "output by_class"),
    "map from the next index": (mapped([1, 2, 3]), "output by_class"),
    "map with digits as names": (mapped(["1", "0", "2"]), "output by_class"),
    "digits as names": (digits_in_another_order, "output gather"),
    "one name for two classes": (one_name, "output gather"),
    "rows mixed": (lambda b, s: [b.add("Reshape", [softmax(b, s), b.integers(CLASSES, -1)])], "nothing of this sample"),
    "wrong alone": (by_size("Less", 2), "one by one"),
    "wrong on batches of seven": (by_size("Equal", 7), "two, three and more"),
    "wrong on batches of sixteen": (by_size("Equal", 16), "larger batches"),
    "wrong on large batches": (by_size("Greater", 40), "in batches, beside"),
    "the first sample decides": (of_the_first, "in batches"),
}
