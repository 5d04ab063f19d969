"""Embeddings decide by whom they are like: every similarity against its definition in float64."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from onnxcausal import analyze, explain
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, SamplesError
from tests.support.networks import Builder
from tests.support.opened import Inputs

RNG = np.random.default_rng(5)
CENTRES = 2 * RNG.normal(size=(3, 6))
Y = np.arange(240) % 3
X: Inputs = (CENTRES[Y] + 0.5 * RNG.normal(size=(240, 6))).astype(np.float32)
GALLERY: Inputs = (CENTRES[[0, 0, 1, 2]] + 0.5 * RNG.normal(size=(4, 6))).astype(np.float32)
GALLERY_OF = np.array([0, 0, 1, 2])


def embedder(folder: Path, *, normalised: bool = False) -> Path:
    """Return a model of an embedding of 5 values, `[N, 5]`."""
    b = Builder(np.random.default_rng(3))
    hidden = b.add("Relu", [b.add("Gemm", ["x", b.weight(8, 6)], transB=1)])
    z = b.add("Gemm", [hidden, b.weight(5, 8)], transB=1)
    proto = b.model(["N", 6], b.add("LpNormalization", [z], axis=1) if normalised else z)
    onnx.save(proto, folder / "embedder.onnx")
    return folder / "embedder.onnx"


def vectors(path: Path, x: Inputs) -> np.ndarray:
    session = ort.InferenceSession(path)
    return np.asarray(session.run(None, {"x": x})[0], np.float64)


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def likeness(path: Path, x: Inputs, gallery: Inputs, labels: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of samples to the centroid of each class, `[samples, classes]`."""
    of_length_one = unit(vectors(path, gallery))
    centroids = unit(np.stack([of_length_one[labels == label].mean(axis=0) for label in range(labels.max() + 1)]))
    return np.asarray(unit(vectors(path, x)) @ centroids.T)


def without_node(path: Path, layer: int, node: int) -> Path:
    """Return a file in which a parent of a layer leads nowhere."""
    proto = onnx.load(path)
    weight = [op.input[1] for op in proto.graph.node if op.op_type == "Gemm"][layer]
    (stored,) = [held for held in proto.graph.initializer if held.name == weight]
    changed = numpy_helper.to_array(stored).copy()
    changed[:, node] = 0
    stored.CopyFrom(numpy_helper.from_array(changed, weight))
    edited = path.with_name("edited.onnx")
    onnx.save(proto, edited)
    return edited


def held_to_edits(path: Path, analysis: Analysis, gallery: Inputs, labels: np.ndarray) -> None:
    """Compare the effects of the layer before the outcome with files whose weights were edited, centroids as before."""
    of_length_one = unit(vectors(path, gallery))
    centroids = unit(np.stack([of_length_one[labels == label].mean(axis=0) for label in range(labels.max() + 1)]))
    for graph in analysis.graphs:
        x = X[graph.samples]
        before = unit(vectors(path, x)) @ centroids.T
        np.testing.assert_allclose(graph.observed, before[:, graph.target], atol=1e-6)
        effects = graph.layers[0].effects
        assert effects is not None
        for node in range(8):
            after = unit(vectors(without_node(path, 1, node), x)) @ centroids.T
            expected = (after - before)[:, graph.target].mean()
            np.testing.assert_allclose(effects.ate[node], expected, atol=2e-6)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_outcome_is_the_cosine_similarity_to_the_centroid_of_the_references(
    tmp_path: Path, *, normalised: bool
) -> None:
    model = embedder(tmp_path, normalised=normalised)
    np.savez(tmp_path / "gallery.npz", x=GALLERY, y=GALLERY_OF)
    analysis = analyze(model, (X, Y), task="embedding", references=str(tmp_path / "gallery.npz"), samples=30)
    assert analysis.settings.task is Task.EMBEDDING
    scores = likeness(model, X, GALLERY, GALLERY_OF)
    for graph in analysis.graphs:
        assert (scores[graph.samples].argmax(axis=1) == graph.target).all()
    held_to_edits(model, analysis, GALLERY, GALLERY_OF)


def test_without_references_the_data_is_its_own(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    analysis = analyze(model, (X, Y), task="embedding", samples=30)
    assert analysis.targets == (0, 1, 2)
    held_to_edits(model, analysis, X, Y)


def test_similarity_to_one_reference_is_a_value_of_every_sample(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    np.savez(tmp_path / "one.npz", x=GALLERY[:1], y=[0])
    analysis = analyze(model, (X, Y), task="embedding", references=str(tmp_path / "one.npz"), samples=40)
    assert analysis.settings.task is Task.REGRESSION
    (graph,) = analysis.graphs
    assert graph.correct == graph.examined
    np.testing.assert_allclose(
        graph.observed, likeness(model, X[graph.samples], GALLERY[:1], np.array([0]))[:, 0], atol=1e-6
    )


def test_a_class_without_references_is_decided_for_no_sample(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    np.savez(tmp_path / "gallery.npz", x=GALLERY[[0, 3]], y=[0, 2])
    analysis = analyze(model, (X, Y), task="embedding", references=str(tmp_path / "gallery.npz"), samples=30)
    assert [(entry.target, entry.correct) for entry in analysis.skipped] == [(1, 0)]
    assert analysis.targets == (0, 2)


def test_a_saved_analysis_brings_its_centroids(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    np.savez(tmp_path / "gallery.npz", x=GALLERY, y=GALLERY_OF)
    analyze(
        model,
        tmp_path / "data.npz",
        task="embedding",
        references=str(tmp_path / "gallery.npz"),
        samples=30,
        out=tmp_path / "out",
    )
    held = read_analysis(tmp_path / "out").settings.reading["centroids"]
    assert np.shape(held) == (3, 5)
    np.testing.assert_allclose(np.linalg.norm(held, axis=1), 1, atol=1e-6)
    explained = explain(model, tmp_path / "data.npz", analysis=tmp_path / "out", task="embedding")
    scores = likeness(model, X, GALLERY, GALLERY_OF)
    np.testing.assert_array_equal(explained.predicted, scores.argmax(axis=1))
    with pytest.raises(ConfigError, match="the analysis has its references already"):
        explain(
            model,
            tmp_path / "data.npz",
            analysis=tmp_path / "out",
            task="embedding",
            references=str(tmp_path / "gallery.npz"),
        )


def test_names_of_reference_folders_are_those_of_the_classes(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    names = ["ann", "bob", "eve"]
    for part, x, y in (("data", X, Y), ("gallery", GALLERY, GALLERY_OF)):
        rows = [",".join([*map(str, row), names[label]]) for row, label in zip(x.tolist(), y.tolist(), strict=True)]
        (tmp_path / f"{part}.csv").write_text("\n".join([",".join([*"abcdef", "label"]), *rows]))
    analysis = analyze(
        model, tmp_path / "data.csv", task="embedding", references=str(tmp_path / "gallery.csv"), samples=30
    )
    assert analysis.class_names == ("ann", "bob", "eve")
    (tmp_path / "gallery.csv").write_text((tmp_path / "gallery.csv").read_text().replace("eve", "eva"))
    with pytest.raises(SamplesError, match="eve"):
        analyze(model, tmp_path / "data.csv", task="embedding", references=str(tmp_path / "gallery.csv"), samples=30)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.array([0, 0, 1, -1]), "too many classes"),
        (np.array([0, 0, 1, 2**40]), "too many classes"),
        (np.eye(4), "of several classes"),
    ],
)
def test_references_of_no_usable_classes_are_refused(tmp_path: Path, labels: np.ndarray, error: str) -> None:
    np.savez(tmp_path / "gallery.npz", x=GALLERY, y=labels)
    with pytest.raises(SamplesError, match=error):
        analyze(embedder(tmp_path), (X, Y), task="embedding", references=str(tmp_path / "gallery.npz"))


def test_references_without_direction_or_use_are_refused(tmp_path: Path) -> None:
    model = embedder(tmp_path)
    np.savez(tmp_path / "gallery.npz", x=np.zeros((4, 6), np.float32), y=GALLERY_OF)
    with pytest.raises(ModelError, match="has no direction"):
        analyze(model, (X, Y), task="embedding", references=str(tmp_path / "gallery.npz"))
    with pytest.raises(ConfigError, match="nothing is compared"):
        analyze(model, (X, Y), references=str(tmp_path / "gallery.npz"))
    with pytest.raises(SamplesError, match="nothing to compare"):
        analyze(model, task="embedding")
    (tmp_path / "embedder.toml").write_text('[model]\ntask = "embedding"\ncentroids = [[1.0, 2.0]]\n')
    with pytest.raises(ConfigError, match="not of this embedding"):
        analyze(model, (X, Y))
