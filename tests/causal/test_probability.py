"""Probabilities of classes, against their definitions one by one."""

import math

import numpy as np
import pytest

from onnxcausal.causal.probability import log_probabilities
from onnxcausal.causal.task import Task

SCORES = np.array([[1.0, -0.5, 2.0], [0.0, 3.0, -4.0]])


def test_classes_that_exclude_each_other_share_a_probability_of_one() -> None:
    found = log_probabilities(SCORES, Task.CLASSIFICATION)
    for scores, row in zip(SCORES.tolist(), found.tolist(), strict=True):
        total = math.fsum(math.exp(score) for score in scores)
        assert row == pytest.approx([math.log(math.exp(score) / total) for score in scores], rel=1e-12)


def test_the_odds_of_a_binary_model_are_those_of_its_score() -> None:
    found = log_probabilities(np.array([[-2.0, 2.0], [700.0, -700.0]]), Task.BINARY)
    assert found[0].tolist() == pytest.approx([math.log(1 / (1 + math.exp(2))), math.log(1 / (1 + math.exp(-2)))])
    assert found[1].tolist() == pytest.approx([0, -700])


def test_probabilities_that_are_known_are_only_kept_from_being_zero() -> None:
    found = log_probabilities(np.array([[0.25, 0.75], [0.0, 1.0]], np.float32), Task.CLASSIFICATION, known=True)
    smallest = 2.0**-126  # the smallest normal number of float32
    np.testing.assert_allclose(found, np.log([[0.25, 0.75], [smallest, 1.0]]), rtol=1e-15)


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.BINARY])
def test_half_precision_scores_are_computed_in_double(task: Task) -> None:
    scores = np.array([[0.1, -0.1]], np.float16)
    found = log_probabilities(scores, task)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, log_probabilities(scores.astype(np.float64), task))
