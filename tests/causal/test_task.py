"""What scores decide."""

import numpy as np
import pytest

from onnxcausal.causal.task import Task, is_right

SCORES = np.array([[0.5, 2.0], [-1.0, -2.0], [0.0, 0.0], [3.0, 3.5]])


@pytest.mark.parametrize(
    ("task", "target", "right"),
    [
        (Task.CLASSIFICATION, 0, [False, True, True, False]),  # of equal scores the first decides
        (Task.CLASSIFICATION, 1, [True, False, False, True]),
        (Task.BINARY, 1, [True, False, False, True]),
        (Task.MULTILABEL, 0, [True, False, False, True]),  # a score of 0 is no label
        (Task.MULTILABEL, 1, [True, False, False, True]),
        (Task.REGRESSION, 1, [True, True, True, True]),
    ],
)
def test_each_task_decides_in_its_own_way(task: Task, target: int, right: list[bool]) -> None:
    found = is_right(SCORES, target, task)
    assert found.dtype == np.bool_
    assert found.tolist() == right


def test_only_classes_that_exclude_each_other_have_a_margin() -> None:
    assert {task for task in Task if task.compares} == {Task.CLASSIFICATION, Task.BINARY, Task.EMBEDDING}
