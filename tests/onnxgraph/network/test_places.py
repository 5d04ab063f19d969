"""One score per class from scores at many places: held to numpy on what the model gives."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import Network, open_network
from tests.onnxgraph.network.test_walk_back import CLASSES, PLACES, X, plain, sequence, sigmoid, softmax
from tests.support.networks import Builder
from tests.support.opened import Inputs


def turned(b: Builder, x: str) -> str:
    return b.add("Transpose", [x], perm=[0, 2, 1])


def frames_first(b: Builder, x: str) -> str:
    return b.add("Transpose", [x], perm=[2, 0, 1])


def maps(b: Builder, x: str) -> str:
    """Put the six places into two rows of three: `[N, 3, 2, 3]`."""
    return b.add("Reshape", [x, b.integers(-1, CLASSES, 2, 3)])


def test_a_place_along_each_axis() -> None:
    model = sequence(maps, 4)
    held = plain(model).reshape(-1, CLASSES, 2, 3)
    found = open_network(model, Reading(at=(1, -1), class_axis=1))
    np.testing.assert_allclose(found.scores(X), held[:, :, 1, 2], atol=1e-6)
    assert found.task is Task.CLASSIFICATION
    reduced = open_network(model, Reading(at=(1,), reduce=Reduction.MEAN))
    np.testing.assert_allclose(reduced.scores(X), held[:, :, 1].mean(axis=2), atol=1e-6)
    assert any("place 1 of axis 2" in note for note in reduced.notes)


def test_the_axis_of_a_softmax_is_that_of_the_classes() -> None:
    model = sequence(lambda b, x: turned(b, softmax(b, x)))
    found = open_network(model, Reading(at=(2,)))
    np.testing.assert_allclose(found.scores(X), plain(model)[:, :, 2], atol=1e-6)
    mean = open_network(model, Reading(reduce=Reduction.MEAN))
    np.testing.assert_allclose(mean.scores(X), plain(model).mean(axis=2), atol=1e-6)


def test_decisions_in_one_row_are_not_one_decision() -> None:
    model = sequence(lambda b, x: b.add("Flatten", [softmax(b, x)], axis=1), 2)
    with pytest.raises(ModelError, match="not one score per class") as caught:
        open_network(model).scores(X)
    assert "--at" in caught.value.remedy
    np.testing.assert_allclose(open_network(model, Reading(at=(4,))).scores(X), plain(model)[:, :, 4], atol=1e-6)


def test_some_of_the_scores() -> None:
    model = sequence(lambda b, x: b.add("Flatten", [x], axis=1), 2)
    found = open_network(model, Reading(scores=(6, 10)))
    np.testing.assert_allclose(found.scores(X), plain(model).reshape(len(X), -1)[:, 6:10], atol=1e-6)


def values(b: Builder, x: str) -> str:
    """Keep the first row of scores as a value for each place: `[N, 6]`."""
    return b.add("Gather", [x, b.store(np.array(0))], axis=1)


@pytest.mark.parametrize("reduce", Reduction)
def test_values_at_many_places_become_one(reduce: Reduction) -> None:
    model = sequence(values, 2)
    found = open_network(model, Reading(task=Task.REGRESSION, reduce=reduce))
    expected = getattr(plain(model)[:, 0], str(reduce))(axis=1)
    np.testing.assert_allclose(found.scores(X), expected[:, None], atol=1e-5)
    there = open_network(model, Reading(task=Task.REGRESSION, at=(3,)))
    np.testing.assert_allclose(there.scores(X), plain(model)[:, 0, 3:4], atol=1e-6)


def test_a_probability_of_each_frame_decides_once() -> None:
    model = sequence(lambda b, x: sigmoid(b, values(b, x)), 2)
    found = open_network(model, Reading(task=Task.BINARY, reduce=Reduction.MAX))
    highest = plain(model)[:, 0].max(axis=1)
    np.testing.assert_allclose(found.scores(X), np.stack([-highest, highest], axis=1), atol=1e-6)
    one = open_network(model, Reading(at=(0,)))
    assert one.task is Task.BINARY
    np.testing.assert_allclose(one.scores(X)[:, 1], plain(model)[:, 0, 0], atol=1e-6)


def read(scores: Inputs, blank: int) -> np.ndarray:
    """Return which classes each sample's text has: `[samples, classes]`."""
    best = scores.argmax(axis=1)
    return np.stack([(best == label).any(axis=1) & (label != blank) for label in range(scores.shape[1])], axis=1)


READ = {
    "classes before frames": (softmax, Reading(blank=0)),
    "frames before classes": (lambda b, x: turned(b, softmax(b, x)), Reading(blank=0)),
    "frames first": (
        lambda b, x: frames_first(b, softmax(b, x)),
        Reading(blank=0, sample_axis=1, class_axis=2),
    ),
    "scores alone": (turned, Reading(blank=-1)),
}


@pytest.mark.parametrize("how", READ)
def test_a_class_leads_where_it_is_read(how: str) -> None:
    head, reading = READ[how]
    model = sequence(head)
    network: Network = open_network(model, reading)
    assert network.task is Task.MULTILABEL
    scores = plain(model)
    others = np.stack([np.delete(scores, label, axis=1).max(axis=1) for label in range(CLASSES)], axis=1)
    found = network.scores(X)
    np.testing.assert_allclose(found, (scores - others).max(axis=2), atol=1e-5)
    blank = (reading.blank or 0) % CLASSES
    kept = [label for label in range(CLASSES) if label != blank]
    np.testing.assert_array_equal(found[:, kept] > 0, read(scores, blank)[:, kept])


def test_a_text_is_analysed_class_by_class(tmp_path: Path) -> None:
    model = sequence(lambda b, x: turned(b, softmax(b, x)))
    onnx.save(model.proto, tmp_path / "reader.onnx")
    y = read(plain(model), 0)
    analysis = analyze(tmp_path / "reader.onnx", (X, y), blank=0, samples=10, targets=[1, 2])
    assert analysis.settings.task is Task.MULTILABEL
    assert [graph.correct == graph.examined for graph in analysis.graphs] == [True, True]
    assert any("class 0 is the blank" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("reading", "error"),
    [
        (Reading(at=(0, 0), class_axis=1), "fewer places"),
        (Reading(at=(6,), class_axis=1), "place is not there"),
        (Reading(scores=(2, 2), class_axis=1), "no such scores"),
        (Reading(scores=(0, 4), class_axis=1), "no such scores"),
        (Reading(blank=3), "no sequence"),
        (Reading(blank=0, task=Task.CLASSIFICATION), "decides for each class"),
        (Reading(sample_axis=5, at=(0,)), "axis of the samples"),
        (Reading(reduce=Reduction.MAX, class_axis=7), "do not stand along"),
        (Reading(reduce=Reduction.MAX, class_axis=0), "do not stand along"),
        (Reading(reduce=Reduction.MAX), "not known"),
    ],
)
def test_what_is_not_there_is_refused(reading: Reading, error: str) -> None:
    model = sequence(turned if reading.blank == 3 else lambda b, x: b.add("Identity", [x]))
    with pytest.raises(ConfigError, match=error):
        open_network(model, reading)


def test_scores_of_one_axis_have_no_places() -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], b.add("MatMul", ["x", b.weight(6, 4)]))
    model = Model("m.onnx", proto, "0" * 64)
    with pytest.raises(ConfigError, match="nothing to reduce"):
        open_network(model, Reading(reduce=Reduction.MAX))
    assert X.shape[2] == PLACES
