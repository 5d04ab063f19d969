"""What values of outputs say of samples, and where that is not what scores say."""

from typing import Any

import numpy as np
import pytest

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.network.deployed import DecidingOutput, Kind
from onnxcausal.onnxgraph.network.stated import NO_CLASS, Stated, Vocabulary, differing, stated_by, unreadable

SCORES = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]], np.float32)


def said(kind: Kind, value: object, *, task: Task = Task.CLASSIFICATION, squashed: str = "", **words: Any) -> list[Any]:
    found = stated_by(DecidingOutput("out", kind, squashed), value, SCORES, task, Vocabulary(**words))
    return ["nothing"] if found is None else found.decided.tolist()


@pytest.mark.parametrize(
    ("kind", "value", "decided"),
    [
        (Kind.SCORES, SCORES, [0, 1]),
        (Kind.SCORES, SCORES[:, None, :, None], [0, 1]),
        (Kind.SCORES, (SCORES * 10).astype(np.uint8), [0, 1]),
        (Kind.SCORES, SCORES.T, ["nothing"]),
        (Kind.SCORES, SCORES[:, :2], ["nothing"]),
        (Kind.SCORES, np.zeros((0, 3), np.float32), ["nothing"]),
        (Kind.LABEL, np.array([2, 1]), [2, 1]),
        (Kind.LABEL, np.array([[2], [1]]), [2, 1]),
        (Kind.LABEL, np.array([2.0, 1.0], np.float32), [2, 1]),
        (Kind.LABEL, np.array([-4, 7]), [NO_CLASS, 7]),
        (Kind.LABEL, np.array(["2", "elm"], object), [2, 1]),
        (Kind.LABEL, np.array(["9" * 400, "-" + "9" * 20], object), [NO_CLASS, NO_CLASS]),
        (Kind.LABEL, np.array([2**62, -7]), [NO_CLASS, NO_CLASS]),
        (Kind.LABEL, np.array([b"ash", b"elm"], object), [2, 1]),
        (Kind.LABEL, np.array([[0, 0, 1], [1, 0, 0]]), [2, 0]),
        (Kind.LABEL, np.array([[0, 1, 1], [1, 0, 0]]), ["nothing"]),
        (Kind.LABEL, np.array([1, 2, 3]), ["nothing"]),
        (Kind.RANKING, np.array([[2, 0], [1, 0]]), [2, 1]),
        (Kind.RANKING, np.array([2, 0, 1]), ["nothing"]),
        (Kind.SCORES, [{0: 0.1, 1: 0.2, 2: 0.7}, {0: 0.1, 1: 0.9, 2: 0.0}], [2, 1]),
        (Kind.SCORES, [{"ash": 0.7, "oak": 0.3}, {"ash": 0.1, "oak": 0.9}], [2, 0]),
        (Kind.SCORES, [{0: 1.0}], ["nothing"]),
    ],
)
def test_a_value_says_a_class_of_each_sample(kind: Kind, value: object, decided: list[object]) -> None:
    assert said(kind, value, names=("oak", "elm", "ash")) == decided


def test_each_class_on_its_own_has_a_threshold() -> None:
    probabilities = 1 / (1 + np.exp(-SCORES))
    flags = (SCORES > 0).tolist()
    assert said(Kind.SCORES, probabilities, task=Task.MULTILABEL, squashed="Sigmoid") == flags
    assert said(Kind.SCORES, SCORES, task=Task.MULTILABEL) == flags
    assert said(Kind.LABEL, (SCORES > 0).astype(np.int64), task=Task.MULTILABEL) == flags
    assert said(Kind.SCORES, SCORES, task=Task.MULTILABEL, squashed="Softmax (a)") == [0, 1]


def test_a_name_that_is_not_known_stands_for_one_class() -> None:
    words = Vocabulary(("oak", "elm"))
    assert [words.class_of(label, own) for label, own in (("fir", 2), ("fir", 2), ("fir", 1), ("yew", 2))] == [
        *(2, 2, 2, NO_CLASS),
    ]
    assert words.class_of("oak", 2) == 0


def stated(decided: list[int], tied: list[list[bool]] | None = None) -> Stated:
    flags = np.zeros(SCORES.shape, np.bool_) if tied is None else np.array(tied)
    return Stated(np.array(decided), flags, ["", ""])


def test_a_difference_is_rounding_where_scores_or_values_are_as_good_as_equal() -> None:
    near = np.array([[3.0, 3.0 - 1e-5, 0.0], [0.0, 2.0, 1.0]], np.float32)

    def compared(found: Stated, scores: np.ndarray = SCORES, *, coarse: bool = False) -> list[list[bool]]:
        return [flags.tolist() for flags in differing(found, scores, coarse=coarse)]

    assert compared(stated([0, 1])) == [[False, False], [False, False]]
    assert compared(stated([1, 1])) == [[True, False], [False, False]]
    assert compared(stated([1, 1]), near) == [[True, False], [True, False]]
    assert compared(stated([2, 1]), near) == [[True, False], [False, False]]
    assert compared(stated([1, 1]), np.array([[3, 2.9, 0], [0, 2, 1]], np.float32)) == [[True, False], [False, False]]
    assert compared(stated([1, 1]), np.array([[3, 2.9, 0], [0, 2, 1]], np.float32), coarse=True)[1] == [True, False]
    both, one = [[True, True, False], [False] * 3], [[True, False, False], [False] * 3]
    assert compared(stated([1, 1], both)) == [[True, False], [True, False]]
    assert compared(stated([1, 1], one)) == [[True, False], [False, False]]
    assert compared(stated([NO_CLASS, 7], [[True] * 3] * 2)) == [[True, True], [False, False]]
    assert compared(unreadable(SCORES)) == [[True, True], [False, False]]


def test_values_that_differ_in_the_last_bit_are_tied() -> None:
    value = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0], [0, 0.9, 0.1]], np.float32)
    found = stated_by(DecidingOutput("p", Kind.SCORES, "Softmax"), value, SCORES, Task.CLASSIFICATION, Vocabulary())
    assert found is not None
    assert found.decided.tolist() == [1, 1]
    assert found.tied.tolist() == [[True, True, False], [False, True, False]]
