"""What is measured is what the file itself decides: heads that keep the decision, and heads that change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal import analyze, evaluate, explain, repair
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import ModelError
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


@pytest.mark.parametrize("head", HONEST.values(), ids=HONEST)
def test_a_head_that_keeps_the_decision_passes(head: Head, tmp_path: Path) -> None:
    analysis = made(tmp_path, head).run()
    assert analysis.targets == (0, 1, 2)
    assert all(graph.correct == graph.examined for graph in analysis.graphs)
    assert not any("itself decides" in note for note in analysis.notes)


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


@pytest.mark.attack("what the file decides", "refused with counts, exit code 3")
@pytest.mark.parametrize(("head", "told"), CHANGING.values(), ids=CHANGING)
def test_a_head_that_changes_the_decision_is_refused(head: Head, told: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="decides otherwise") as caught:
        made(tmp_path, head).run()
    assert told in str(caught.value)
    assert caught.value.exit_code == 3


def test_counts_and_a_sample_are_named(tmp_path: Path) -> None:
    model = made(tmp_path, label_of_the_worst)
    with pytest.raises(ModelError) as caught:
        model.run(targets=[1])
    first = int(caught.value.why.split("of sample ")[1].split()[0])
    assert model.scores[first].argmax() == 1
    assert f"output says {model.scores[first].argmin()}, the scores say class 1" in caught.value.why
    tried = min(64, int((model.scores.argmax(axis=1) == 1).sum()))
    assert f"on {tried} of {tried} samples (one by one)" in caught.value.why


@pytest.mark.attack("what the file decides", "refused with counts, exit code 3")
def test_names_that_are_known_are_held_to(tmp_path: Path) -> None:
    model = made(tmp_path, named([b"elm", b"oak", b"ash"]))
    table = tmp_path / "data.csv"
    words = np.array(["oak", "elm", "ash"])[model.scores.argmax(axis=1)]
    lines = [",".join([*map(str, row), word]) for row, word in zip(X.tolist(), words, strict=True)]
    table.write_text("\n".join([",".join([*"abcdef", "label"]), *lines]))
    (tmp_path / "labels.txt").write_text("oak\nelm\nash\n")
    with pytest.raises(ModelError, match="decides otherwise"):
        analyze(model.path, table, labels=str(tmp_path / "labels.txt"), samples=20)
    right = made(tmp_path, named([b"oak", b"elm", b"ash"]))
    assert analyze(right.path, table, labels=str(tmp_path / "labels.txt"), samples=20).targets == (0, 1, 2)


def test_an_output_that_is_named_decides_alone(tmp_path: Path) -> None:
    model = made(tmp_path, labelled_wrongly)
    with pytest.raises(ModelError, match="decides otherwise") as caught:
        model.run()
    assert "output wrong" in caught.value.where
    assert model.run(output="right").targets == (0, 1, 2)


def labelled_wrongly(b: Builder, s: str) -> Outputs:
    b.ops.append(helper.make_node("Softmax", [s], ["right"], axis=1))
    b.ops.append(helper.make_node("ArgMin", [s], ["wrong"], axis=1, keepdims=0))
    return ["right", typed("wrong", TensorProto.INT64)]


def test_an_inner_tensor_is_compared_where_an_output_is_its_softmax(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(3))
    scores = body(b)
    with pytest.raises(ModelError, match="decides otherwise"):
        made(tmp_path, noisy).run(output=scores)
    inner = made(tmp_path, lambda b, s: [b.add("Neg", [s])]).run(output=scores)
    assert any(f"is the tensor {scores} or its softmax" in note for note in inner.notes)


@pytest.mark.parametrize("squashed", [True, False])
def test_a_single_score_decides_by_its_sign(squashed: bool, tmp_path: Path) -> None:
    def head(b: Builder, s: str) -> Outputs:
        return [b.add("Sigmoid" if squashed else "Identity", [s])]

    model = made(tmp_path, head, outputs=1)
    assert model.run((model.scores[:, 0] > 0).astype(int), task="binary").targets == (0, 1)


@pytest.mark.attack("what the file decides", "refused with counts, exit code 3")
def test_a_label_beside_a_single_score_is_held_to_its_sign(tmp_path: Path) -> None:
    def head(b: Builder, s: str, sign: str = "Greater") -> Outputs:
        over = b.add("Cast", [b.add(sign, [s, number(b, 0)])], to=TensorProto.INT64)
        return [b.add("Sigmoid", [s]), typed(over, TensorProto.INT64)]

    model = made(tmp_path, head, outputs=1)
    y = (model.scores[:, 0] > 0).astype(int)
    assert model.run(y).targets == (0, 1)
    with pytest.raises(ModelError, match="decides otherwise"):
        made(tmp_path, lambda b, s: head(b, s, "Less"), outputs=1).run(y)


def test_each_class_of_several_is_held_to_its_threshold(tmp_path: Path) -> None:
    def cast(b: Builder, s: str) -> Outputs:
        return [b.add("Cast", [b.add("Cast", [b.add("Sigmoid", [s])], to=TensorProto.BOOL)], to=TensorProto.FLOAT)]

    def mixed(b: Builder, s: str) -> Outputs:
        return [b.add("Reshape", [b.add("Sigmoid", [s]), b.integers(CLASSES, -1)])]

    def flagged(b: Builder, s: str, sign: str = "Greater") -> Outputs:
        flags = b.add("Cast", [b.add(sign, [s, number(b, 0)])], to=TensorProto.INT64)
        return [b.add("Sigmoid", [s]), typed(flags, TensorProto.INT64)]

    model = made(tmp_path, lambda b, s: [b.add("Sigmoid", [s])])
    y = model.scores > 0
    assert model.run(y).targets == (0, 1, 2)
    assert made(tmp_path, flagged).run(y).targets == (0, 1, 2)
    assert made(tmp_path, lambda b, s: [softmax(b, s)]).run(y).targets == (0, 1, 2)
    for head in (cast, mixed, lambda b, s: flagged(b, s, "Less")):
        with pytest.raises(ModelError, match="decides otherwise"):
            made(tmp_path, head).run(y)


@pytest.mark.attack("what the file decides", "refused with counts, exit code 3")
def test_a_label_that_is_drawn_by_chance_is_refused(tmp_path: Path) -> None:
    def head(b: Builder, s: str) -> Outputs:
        return [softmax(b, s), typed(b.add("Multinomial", [s], dtype=TensorProto.INT64), TensorProto.INT64)]

    with pytest.raises(ModelError, match="depend on chance"):
        made(tmp_path, head).run()


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_fixed_to_a_batch_is_run_in_its_own(batch: int, tmp_path: Path) -> None:
    assert made(tmp_path, lambda b, s: [softmax(b, s)], batch=batch).run().targets == (0, 1, 2)
    if batch > 1:
        with pytest.raises(ModelError, match="beside samples of other classes"):
            made(tmp_path, of_the_first, batch=batch).run()


def test_a_quantised_output_is_read_as_the_number_it_stands_for(tmp_path: Path) -> None:
    def head(b: Builder, s: str) -> Outputs:
        parameters = [number(b, 1 / 128), number(b, 3, np.uint8)]
        return [typed(b.add("QuantizeLinear", [b.add("Sigmoid", [s]), *parameters]), TensorProto.UINT8)]

    model = made(tmp_path, head, outputs=1)
    assert model.run((model.scores[:, 0] > 0).astype(int)).targets == (0, 1)


def test_a_quantised_probability_may_tie(tmp_path: Path) -> None:
    model = made(tmp_path, lambda b, s: [quantised(b, s, 1 / 255)])
    best, second = np.sort(model.scores, axis=1)[:, :0:-1].T
    analysis = model.run()
    wrong = [graph.examined - graph.correct for graph in analysis.graphs]
    assert 0 < sum(wrong) <= (best - second < 0.02).sum()


def test_a_sample_that_the_file_ties_does_not_count_as_right(tmp_path: Path) -> None:
    model = made(tmp_path, lambda b, s: [b.add("Sigmoid", [s])])
    own, second = model.scores.argmax(axis=1), np.sort(model.scores, axis=1)[:, 1]
    loud, both = X.copy(), int(np.flatnonzero((own == 2) & (second > 0.2))[0])
    loud[both] *= 30 / second[both]  # both sigmoids are 1 in float32, and the first one counts
    graph = analyze(model.path, (loud, own), samples=100, targets=[2]).graph(2)
    assert graph.correct == graph.examined - 1
    assert both not in graph.samples


def test_what_an_output_needs_beside_the_samples_is_told(tmp_path: Path) -> None:
    def head(b: Builder, s: str) -> Outputs:
        return [
            softmax(b, s),
            typed(b.add("Add", [b.add("ArgMax", [s], axis=1, keepdims=0), "offset"]), TensorProto.INT64),
        ]

    model = made(tmp_path, head)
    proto = onnx.load(model.path)
    proto.graph.input.append(helper.make_tensor_value_info("offset", TensorProto.INT64, [1]))
    onnx.save(proto, model.path)
    with pytest.raises(ModelError, match="cannot be told") as caught:
        model.run()
    assert "offset" in caught.value.why
    assert model.run(fixed={"offset": 0}).targets == (0, 1, 2)
    with pytest.raises(ModelError, match="decides otherwise"):
        model.run(fixed={"offset": 1})


def test_a_regression_decides_nothing(tmp_path: Path) -> None:
    model = made(tmp_path, label_of_the_worst)
    assert model.run(X, task="regression", output=onnx.load(model.path).graph.output[0].name).targets == (0, 1, 2)


def wrong_beyond(b: Builder, s: str) -> Outputs:
    """Return a label that is another one where the first feature is large."""
    first = b.add("Gather", ["x", number(b, 0, np.int64)], axis=1)
    over = b.add("Cast", [b.add("Greater", [first, number(b, 1)])], to=TensorProto.INT64)
    return [softmax(b, s), typed(b.add("Add", [b.add("ArgMax", [s], axis=1, keepdims=0), over]), TensorProto.INT64)]


def test_samples_of_other_commands_are_held_to_the_file_too(tmp_path: Path) -> None:
    model = made(tmp_path, wrong_beyond)
    y = model.scores.argmax(axis=1)
    for name, kept in (("calm.npz", X[:, 0] <= 1), ("wild.npz", X[:, 0] > 0)):
        np.savez(tmp_path / name, x=X[kept], y=y[kept])
    analyze(model.path, tmp_path / "calm.npz", samples=10, out=tmp_path / "out")
    assert evaluate("sufficiency", model.path, tmp_path / "calm.npz", analysis=tmp_path / "out").measured
    for command in (
        lambda: evaluate("sufficiency", model.path, tmp_path / "wild.npz", analysis=tmp_path / "out"),
        lambda: explain(model.path, tmp_path / "wild.npz", analysis=tmp_path / "out"),
        lambda: repair(model.path, tmp_path / "new.onnx", data=tmp_path / "wild.npz", analysis=tmp_path / "out"),
    ):
        with pytest.raises(ModelError, match="decides otherwise"):
            command()
