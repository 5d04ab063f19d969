"""Detectors are recognised by their metadata and shapes, and read by the best score of all boxes."""

import hashlib
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.detection.columns import Columns, Detector, columns_of
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.runner import Runner
from tests.support.detectors import CLASSES, SIDE, ULTRALYTICS, apart, columns, picked, queries, rows
from tests.support.opened import assert_equal_to_edited_weights, open_proto
from tests.support.zoo import converted

Array = NDArray[np.floating]
ASKED, WHOLE = Reading(task=Task.DETECTOR), Reading()
X = np.random.default_rng(0).normal(0, 2, (6, 3, SIDE, SIDE)).astype(np.float32)


def opened(proto: onnx.ModelProto, reading: Reading = WHOLE) -> Network:
    return open_network(Model("d.onnx", proto, hashlib.sha256(proto.SerializeToString()).hexdigest()), reading)


def output(proto: onnx.ModelProto) -> Array:
    """Return what the file's first output holds."""
    spec = opened(proto, ASKED).spec
    return Runner(proto, spec, "d.onnx").run(X, [proto.graph.output[0].name])[0]


def of_rows(made: Array) -> Array:
    return np.asarray((made[:, :, 5:] * made[:, :, 4:5]).max(axis=1))


def of_sure_rows(made: Array) -> Array:
    return np.asarray(made[:, :, 4:].max(axis=1))


def of_columns(made: Array) -> Array:
    return np.asarray(made[:, 4 : 4 + CLASSES].max(axis=2))


SEGMENTS = {**ULTRALYTICS, "task": "segment"}
KINDS: dict[str, tuple[onnx.ModelProto, Reading, Callable[[Array], Array]]] = {
    "rows with objectness": (rows(), ASKED, of_rows),
    "rows with objectness, by metadata": (rows(properties=ULTRALYTICS), WHOLE, of_rows),
    "rows without, by metadata": (rows(objectness=False, properties=ULTRALYTICS), WHOLE, of_sure_rows),
    "columns": (columns(), ASKED, of_columns),
    "columns, by metadata": (columns(properties=ULTRALYTICS), WHOLE, of_columns),
    "columns followed by masks": (columns(extra=2, properties=SEGMENTS), WHOLE, of_columns),
    "scores beside boxes": (apart(), WHOLE, lambda made: made.max(axis=1)),
    "softmax beside boxes": (apart(squashed="Softmax"), WHOLE, lambda made: made.max(axis=1)),
    "scores beside boxes [n, boxes, 1, 4]": (apart(between=True), WHOLE, lambda made: made.max(axis=1)),
    "queries": (queries(properties={**ULTRALYTICS, "names": "['a', 'b']"}), WHOLE, of_sure_rows),
    "scores beside boxes, channels first": (apart(channels_first=True), WHOLE, lambda made: made.max(axis=2)),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_best_box_of_each_class_decides_at_a_quarter(
    kind: tuple[onnx.ModelProto, Reading, Callable[[Array], Array]],
) -> None:
    proto, reading, best = kind
    network = opened(proto, reading)
    np.testing.assert_allclose(network.scores(X), best(output(proto)) - 0.25, atol=1e-6)
    assert network.task is Task.MULTILABEL
    assert network.decided_at == 0.25
    assert network.notes[0].startswith("a detector: classes stand from")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_effects_are_those_of_edited_weights(
    kind: tuple[onnx.ModelProto, Reading, Callable[[Array], Array]],
) -> None:
    proto, reading, _ = kind
    for beta in (0.0, 0.5):
        assert_equal_to_edited_weights(open_proto(proto, X, reading), X, beta, seed=3)


def test_what_says_where_boxes_are_is_not_intervened_on() -> None:
    proto = columns(properties=ULTRALYTICS)
    found = open_proto(proto, X)
    assert len(found.layers) == 7  # of 11: two more at each scale lead to boxes alone
    assert len(open_proto(rows(properties=ULTRALYTICS), X).layers) == 5  # where one layer makes both


def test_a_shape_alone_is_not_taken_for_a_detector() -> None:
    with pytest.raises(ModelError, match="not one score per class") as caught:
        opened(rows()).scores(X)
    assert "--task detector" in caught.value.remedy
    network = opened(
        columns(properties=ULTRALYTICS), Reading(output=columns().graph.output[0].name, task=Task.MULTILABEL)
    )
    assert network.decided_at != 0.25


@pytest.mark.parametrize("task", [Task.MULTILABEL, Task.REGRESSION])
def test_another_task_wins_over_metadata(task: Task) -> None:
    assert opened(columns(properties=ULTRALYTICS), Reading(task=task)).plain.output_shape == (None, 4 + CLASSES, 20)


def test_scores_beside_boxes_that_are_no_probabilities_stay_several_outputs() -> None:
    with pytest.raises(ModelError, match="several outputs"):
        opened(apart(squashed=""))


@pytest.mark.parametrize("properties", [{}, ULTRALYTICS])
def test_scores_that_are_no_probabilities_are_refused(properties: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="no probabilities"):
        opened(rows(squashed=False, properties=properties), ASKED).scores(X)


def test_boxes_that_the_file_picks_are_refused_and_those_before_are_named() -> None:
    proto, every = picked(properties=ULTRALYTICS)
    with pytest.raises(ModelError, match="picks the boxes itself") as caught:
        opened(proto)
    assert f"--output {every} --task detector" in caught.value.remedy
    named = opened(proto, Reading(output=every, task=Task.DETECTOR))
    boxes = Runner(cut_at(proto, [every]), named.spec, "d.onnx").run(X, [every])[0]
    np.testing.assert_allclose(named.scores(X), of_columns(boxes) - 0.25, atol=1e-6)


def test_a_detector_is_not_reduced_twice() -> None:
    with pytest.raises(ConfigError, match="reduced already"):
        opened(columns(properties=ULTRALYTICS), Reading(reduce=Reduction.MAX, class_axis=1))


def test_which_of_several_outputs_is_asked() -> None:
    proto = columns()
    proto.graph.output.append(helper.make_tensor_value_info("concat_28", 1, ["n", CLASSES, 20]))
    with pytest.raises(ModelError, match="not known"):
        opened(proto, ASKED)
    chosen = Reading(output=proto.graph.output[0].name, task=Task.DETECTOR)
    np.testing.assert_array_equal(opened(proto, chosen).scores(X), opened(columns(), ASKED).scores(X))


@pytest.mark.parametrize(
    ("classes", "shape", "expected"),
    [
        (None, (None, 25200, 85), Columns(2, 5, None, 4)),
        (None, (1, 84, 8400), Columns(1, 4)),
        (None, (None, 84, None), Columns(1, 4)),
        (None, (None, None, 85), Columns(2, 5, None, 4)),
        (80, (1, 84, 8400), Columns(1, 4, 80)),
        (80, (1, 84, 21), Columns(1, 4, 80)),  # of a small image
        (80, (1, 25200, 85), Columns(2, 5, 80, 4)),
        (80, (1, 300, 84), Columns(2, 4, 80)),
        (80, (1, 116, 8400), Columns(1, 4, 80)),  # with 32 weights of masks
        (80, (1, 25200, 117), Columns(2, 5, 80, 4)),
        (15, (1, 20, 21504), Columns(1, 4, 15)),  # with an angle
        (1, (1, 56, 8400), Columns(1, 4, 1)),  # with key points
        (80, (1, 80, 8400), Columns(1, 0)),  # the scores alone
        (80, (1, 8400, 80), Columns(2, 0)),
    ],
)
def test_where_classes_stand(classes: int | None, shape: tuple[int | None, ...], expected: Columns) -> None:
    assert columns_of(Detector(classes), shape, "here") == expected


@pytest.mark.parametrize(
    ("classes", "shape"),
    [
        (None, None),
        (None, (1, 84)),
        (None, (1, 3, 20, 20)),
        (None, (1, 84, 84)),
        (None, (1, 8400, 5)),
        (None, (1, 4, 8400)),
        (None, (1, None, None)),
        (80, (1, 83, 8400)),
        (80, (1, 8400, 81)),
    ],
)
def test_what_is_no_tensor_of_boxes_is_refused(classes: int | None, shape: tuple[int | None, ...] | None) -> None:
    with pytest.raises(ConfigError, match="no detector's") as caught:
        columns_of(Detector(classes), shape, "here")
    assert "--output" in caught.value.remedy


@pytest.mark.parametrize(
    "names", ["", "no list", "{", "[" * 100_000, "{0: " * 5000, "7", "()", "{}", "'" + "a" * 2**21 + "'"]
)
def test_names_that_cannot_be_read_say_nothing(names: str) -> None:
    network = opened(columns(properties={**ULTRALYTICS, "names": names}))
    assert network.scores(X).shape == (6, CLASSES)


def test_names_of_other_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no detector's") as caught:
        opened(columns(properties={**ULTRALYTICS, "names": "['a', 'b', 'c', 'd']"}))
    assert "names 4 classes" in caught.value.why


@pytest.mark.parametrize("outputs", [0, 1])
def test_scores_that_are_named_are_read_beside_their_boxes(outputs: int) -> None:
    proto = apart()
    name = proto.graph.output[outputs].name
    asked = Reading(output=name, task=Task.DETECTOR)
    if outputs:  # the boxes
        with pytest.raises(ConfigError, match="no detector's"):
            opened(proto, asked)
        return
    np.testing.assert_array_equal(opened(proto, asked).scores(X), opened(proto).scores(X))


def test_an_inner_tensor_of_scores_alone_is_not_taken_for_boxes() -> None:
    proto = columns(classes=12)
    scores = proto.graph.node[-1].input[1]
    with pytest.raises(ConfigError, match="no detector's") as caught:
        opened(proto, Reading(output=scores, task=Task.DETECTOR))
    assert "squashed" in caught.value.why
    named = columns(classes=12, properties={"names": str(list("abcdefghijkl"))})
    found = opened(named, Reading(output=scores, task=Task.DETECTOR)).scores(X)
    np.testing.assert_array_equal(found, opened(proto, ASKED).scores(X))


def fixed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of one image."""
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return proto


def with_maps_of_masks(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that also gives the maps that masks are mixed of, as such exports do."""
    proto.graph.output.append(helper.make_tensor_value_info(proto.graph.node[1].output[0], 1, ["n", 8, 8, 8]))
    return proto


def in_halves(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that computes in float16."""
    return converted(proto, TensorProto.FLOAT16)


@pytest.mark.parametrize("kind", [rows, columns, apart])
@pytest.mark.parametrize("change", [fixed, with_maps_of_masks, in_halves])
def test_exports_of_other_forms_are_read_alike(
    kind: Callable[..., onnx.ModelProto], change: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> None:
    reading = WHOLE if kind is apart else ASKED
    found = open_proto(change(kind()), X.astype(np.float16) if change is in_halves else X, reading).network
    tolerance = 2e-2 if change is in_halves else 1e-6
    np.testing.assert_allclose(found.scores(X), opened(kind(), reading).scores(X), atol=tolerance)
    assert found.decided_at == 0.25
