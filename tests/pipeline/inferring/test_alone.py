"""Classes that are decided by themselves: at which number, and how right the model is with others."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.formats.analysis_file import to_record
from onnxcausal.analysis.gating.gates import parse_gate
from onnxcausal.analysis.gating.measures import GateEvidence, values_of
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import Rejected
from onnxcausal.report.summary import summary
from tests.pipeline.inferring.test_tasks import head, scores
from tests.support.networks import Builder

RNG = np.random.default_rng(3)
X = RNG.normal(size=(240, 6)).astype(np.float32)


def shares(b: Builder, classes: int) -> str:
    """Return `a^2 / (a^2 + b^2)`, which no interval arithmetic over single ops bounds."""
    one, other = (b.add("Mul", [half, half]) for half in (head(b, classes), head(b, classes)))
    return b.add("Div", [one, b.add("Add", [one, other])])


def saved(folder: Path, b: Builder, output: str) -> tuple[Path, np.ndarray]:
    proto = b.model(["N", 6], output)
    onnx.save(proto, folder / "model.onnx")
    return folder / "model.onnx", scores(proto, X)


def accuracies(analysis: Analysis) -> dict[int, float | None]:
    assert parse_gate("accuracy < 0.9", "test").measure == "accuracy"
    found = values_of("accuracy", GateEvidence(to_record(analysis)), None)
    return {value.target: value.number for value in found if value.target is not None}


@pytest.mark.parametrize("classes", [1, 3])
def test_what_samples_show_to_be_probabilities_is_decided_at_a_half(tmp_path: Path, classes: int) -> None:
    b = Builder(np.random.default_rng(1))
    model, p = saved(tmp_path, b, shares(b, classes))
    y = (p[:, 0] > 0.5).astype(int) if classes == 1 else (p > 0.5).astype(int)
    analysis = analyze(model, (X, y), samples=20, task="binary" if classes == 1 else None)
    assert any("taken for probabilities" in note for note in analysis.notes)
    assert all(graph.correct == graph.examined for graph in analysis.graphs)
    assert len(analysis.graphs) == max(2, classes)


def test_scores_of_both_signs_or_of_few_samples_are_decided_by_their_sign(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    model, z = saved(tmp_path, b, head(b, 3))
    analysis = analyze(model, (X, (z > 0).astype(int)), samples=20)
    assert not any("probabilities" in note for note in analysis.notes)
    b = Builder(np.random.default_rng(1))
    model, p = saved(tmp_path, b, shares(b, 3))
    few = analyze(model, (X[:15], (p[:15] > 0).astype(int)), samples=5)
    assert not any("probabilities" in note for note in few.notes)


def test_a_model_that_always_says_yes_is_right_on_half(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    raised = b.add("Add", [head(b, 2), b.store(np.array([100.0, 0.0], np.float32))])
    model, z = saved(tmp_path, b, raised)
    y = np.stack([RNG.integers(0, 2, len(X)), z[:, 1] > 0], axis=1).astype(int)
    analysis = analyze(model, (X, y), samples=30)
    always, right = analysis.graphs
    assert always.correct == always.examined
    assert always.rejected == Rejected(always.examined, 0)
    assert right.rejected is not None
    assert right.rejected.correct == right.rejected.examined == right.examined
    assert accuracies(analysis) == {0: 0.5, 1: 1.0}
    text = summary(analysis)
    assert "without it: balanced accuracy 50.0%" in text
    assert "without it: balanced accuracy 100.0%" in text


def test_classes_that_compete_tell_nothing_of_others(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    model, z = saved(tmp_path, b, head(b, 3))
    analysis = analyze(model, (X, z.argmax(axis=1)), samples=10)
    assert [graph.rejected for graph in analysis.graphs] == [None] * 3
    assert set(accuracies(analysis).values()) == {1.0}
