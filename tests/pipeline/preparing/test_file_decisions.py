"""What is measured is what the file itself decides: heads that keep the decision, and heads that change it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal import analyze, evaluate, explain, repair
from onnxcausal.errors import ModelError
from tests.support.heads import (
    CHANGING,
    CLASSES,
    HONEST,
    Head,
    Outputs,
    X,
    body,
    label_of_the_worst,
    made,
    named,
    noisy,
    number,
    of_the_first,
    quantised,
    softmax,
    typed,
)
from tests.support.networks import Builder


@pytest.mark.parametrize("head", HONEST.values(), ids=HONEST)
def test_a_head_that_keeps_the_decision_passes(head: Head, tmp_path: Path) -> None:
    analysis = made(tmp_path, head).run()
    assert analysis.targets == (0, 1, 2)
    assert all(graph.correct == graph.examined for graph in analysis.graphs)
    assert not any("itself decides" in note for note in analysis.notes)


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
