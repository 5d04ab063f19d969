"""Models that decide other things than one of several classes, and take other things than one input."""

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal import analyze
from onnxcausal.analysis.formats.analysis_file import to_record
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, SamplesError
from tests.support.networks import Builder
from tests.support.opened import Inputs

RNG = np.random.default_rng(0)
X: Inputs = RNG.normal(size=(200, 6)).astype(np.float32)


def save(folder: Path, proto: onnx.ModelProto) -> Path:
    onnx.save(proto, folder / "model.onnx")
    return folder / "model.onnx"


def head(b: Builder, outputs: int, x: str = "x", width: int = 6) -> str:
    hidden = b.add("Relu", [b.add("Gemm", [x, b.weight(8, width)], transB=1)])
    return b.add("Gemm", [hidden, b.weight(outputs, 8)], transB=1)


def scores(proto: onnx.ModelProto, x: Inputs = X) -> np.ndarray:
    import onnxruntime as ort  # noqa: PLC0415

    session = ort.InferenceSession(proto.SerializeToString())
    return np.asarray(session.run(None, {"x": x})[0])


def test_the_sign_of_a_single_score_decides_between_two_classes(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    proto = b.model(["N", 6], b.add("Sigmoid", [head(b, 1)]))
    y = (scores(proto)[:, 0] > 0.5).astype(int)
    analysis = analyze(save(tmp_path, proto), (X, y), samples=30)
    assert analysis.settings.task is Task.BINARY
    assert analysis.targets == (0, 1)
    top = [graph.layers[0] for graph in analysis.graphs]
    logits = np.log(1 / scores(proto)[analysis.graph(1).samples, 0] - 1) * -1
    np.testing.assert_allclose(analysis.graph(1).observed, logits, rtol=1e-4)
    assert (analysis.graph(0).observed > 0).all()
    # What speaks for one class speaks against the other one.
    assert top[0].effects is not None
    assert top[1].effects is not None


def test_a_raw_single_score_is_a_value_unless_said_otherwise(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    proto = b.model(["N", 6], head(b, 1))
    model = save(tmp_path, proto)
    value = analyze(model, (X, RNG.normal(size=200)), samples=30)
    assert value.settings.task is Task.REGRESSION
    assert value.targets == (0,)
    np.testing.assert_allclose(value.graph(0).observed, scores(proto)[value.graph(0).samples, 0], rtol=1e-5)
    binary = analyze(model, (X, (scores(proto)[:, 0] > 0).astype(int)), samples=30, task="binary")
    assert binary.targets == (0, 1)


def test_every_output_of_a_regression_is_an_outcome(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(2))
    proto = b.model(["N", 6], head(b, 3))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{i}" for i in range(6)), "label"])
        writer.writerows([*row, 0.25] for row in X.tolist())
    analysis = analyze(save(tmp_path, proto), tmp_path / "table.csv", samples=40, task="regression")
    assert analysis.targets == (0, 1, 2)
    for graph in analysis.graphs:
        assert len(graph.samples) == 40
        assert graph.correct == graph.examined
        np.testing.assert_allclose(graph.observed, scores(proto)[graph.samples, graph.target], rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match="makes no sense"):
        analyze(tmp_path / "model.onnx", (X, X), task="regression", outcome="margin")


def test_a_sample_of_several_labels_counts_for_each(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(3))
    proto = b.model(["N", 6], b.add("Sigmoid", [head(b, 4)]))
    y = (scores(proto) > 0.5).astype(int)
    analysis = analyze(save(tmp_path, proto), (X, y), samples=25)
    assert analysis.settings.task is Task.MULTILABEL
    for graph in analysis.graphs:
        assert (y[graph.samples, graph.target] == 1).all()
        assert (graph.observed > 0).all()
    with pytest.raises(SamplesError, match="of 3 classes"):
        analyze(tmp_path / "model.onnx", (X, y[:, :3]), samples=25)


def two_inputs() -> onnx.ModelProto:
    """Return a model that takes two vectors, and ids that weigh them."""
    b = Builder(np.random.default_rng(4))
    weights = b.add("Cast", ["ids"], to=TensorProto.FLOAT)
    joined = b.add("Concat", ["x", b.add("Mul", ["z", weights])], axis=1)
    beside = [
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 2]),
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", 1]),
    ]
    return b.model(["N", 6], head(b, 3, joined, 8), beside=beside)


Z: Inputs = RNG.normal(size=(200, 2)).astype(np.float32)
IDS = RNG.integers(0, 3, (200, 1))


def decided(proto: onnx.ModelProto, ids: np.ndarray) -> np.ndarray:
    import onnxruntime as ort  # noqa: PLC0415

    session = ort.InferenceSession(proto.SerializeToString())
    return np.asarray(session.run(None, {"x": X, "z": Z, "ids": ids})[0])


def assert_same_effects(first: Analysis, second: Analysis) -> None:
    for one, other in zip(first.graphs, second.graphs, strict=True):
        for mine, yours in zip(one.layers, other.layers, strict=True):
            np.testing.assert_allclose(mine.ate, yours.ate, rtol=0, atol=1e-6)


def test_several_inputs_come_from_arrays_of_their_names(tmp_path: Path) -> None:
    proto = two_inputs()
    y = decided(proto, IDS).argmax(axis=1)
    np.savez(tmp_path / "data.npz", x=X, z=Z, ids=IDS, y=y)
    model = save(tmp_path, proto)
    from_file = analyze(model, tmp_path / "data.npz", samples=30)
    assert all(graph.correct == graph.examined for graph in from_file.graphs)
    assert_same_effects(from_file, analyze(model, ({"x": X, "z": Z, "ids": IDS}, y), samples=30))
    graph = from_file.graphs[0]
    np.testing.assert_allclose(graph.observed, decided(proto, IDS)[graph.samples, graph.target], rtol=0, atol=1e-5)


def test_an_input_may_have_one_value_for_every_sample(tmp_path: Path) -> None:
    proto = two_inputs()
    twos = np.full_like(IDS, 2)
    y = decided(proto, twos).argmax(axis=1)
    model = save(tmp_path, proto)
    fixed = analyze(model, ({"x": X, "z": Z}, y), samples=30, fixed={"ids": 2})
    assert_same_effects(fixed, analyze(model, ({"x": X, "z": Z, "ids": twos}, y), samples=30))
    with pytest.raises(ConfigError, match="no input 'idz'"):
        analyze(model, ({"x": X, "z": Z}, y), fixed={"idz": 2})
    with pytest.raises(SamplesError, match="nothing for the input 'ids'"):
        analyze(model, ({"x": X, "z": Z}, y))
    with pytest.raises(ModelError, match="exactly one input"):
        analyze(model, (X, y))


def test_columns_of_a_table_are_inputs_by_their_names(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(5))
    beside = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("age", "height")]
    proto = b.model(["N", 1], head(b, 3, b.add("Concat", ["x", "age", "height"], axis=1), 3), beside=beside)
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "name", "x", "height", "label"])
        writer.writerows([a, "anna", x, h, i % 3] for i, (a, x, h) in enumerate(X[:, :3].tolist()))
    arrays = {"age": X[:, :1], "x": X[:, 1:2], "height": X[:, 2:3]}
    model, y = save(tmp_path, proto), np.arange(200) % 3
    from_table = analyze(model, tmp_path / "people.csv", samples=10)
    assert_same_effects(from_table, analyze(model, (arrays, y), samples=10))


def test_scores_at_many_places_are_reduced_where_a_tensor_and_a_reduction_are_named(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(6))
    maps = b.add("Relu", [b.add("Conv", ["x", b.weight(4, 2, 3, 3)], pads=[1] * 4)])
    proto = b.model(["N", 2, 6, 6], b.add("Conv", [maps, b.weight(3, 4, 1, 1)]), output_rank=4)
    x = RNG.normal(size=(60, 2, 6, 6)).astype(np.float32)
    expected = scores(proto, x).mean(axis=(2, 3))
    model = save(tmp_path, proto)
    with pytest.raises(ModelError, match="not one score per class"):
        analyze(model, (x, expected.argmax(axis=1)), samples=10)
    analysis = analyze(model, (x, expected.argmax(axis=1)), samples=10, reduce="mean")
    for graph in analysis.graphs:
        np.testing.assert_allclose(graph.observed, expected[graph.samples, graph.target], rtol=0, atol=1e-5)
    volume = b.model(["N", 2, 6, 6], b.add("Reshape", [b.ops[-1].output[0], b.integers(0, 3, -1)]), output_rank=3)
    with pytest.raises(ConfigError, match="axis of the classes is not known"):
        analyze(save(tmp_path, volume), (x, expected.argmax(axis=1)), samples=10, reduce="mean")
    with pytest.raises(ConfigError, match="do not stand along axis 3"):
        analyze(tmp_path / "model.onnx", (x, expected.argmax(axis=1)), samples=10, reduce="mean", class_axis=3)
    named = analyze(tmp_path / "model.onnx", (x, expected.argmax(axis=1)), samples=10, reduce="mean", class_axis=1)
    assert_same_effects(analysis, named)
    assert any("classes stand along axis 1" in note for note in named.notes)


def test_a_fixed_value_must_be_one_of_its_type(tmp_path: Path) -> None:
    model = save(tmp_path, two_inputs())
    with pytest.raises(ConfigError, match=r"does not take the value 0\.5"):
        analyze(model, ({"x": X, "z": Z}, IDS[:, 0]), fixed={"ids": 0.5})


def test_binary_is_refused_where_there_are_several_scores(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(1))
    with pytest.raises(ConfigError, match="no single score"):
        analyze(save(tmp_path, b.model(["N", 6], head(b, 3))), (X, IDS[:, 0]), task="binary")


def test_the_value_of_a_regression_is_that_of_the_output_itself(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(2))
    proto = b.model(["N", 6], b.add("Sigmoid", [head(b, 1)]))
    analysis = analyze(save(tmp_path, proto), (X, None), samples=30, task="regression")
    np.testing.assert_allclose(analysis.graph(0).observed, scores(proto)[analysis.graph(0).samples, 0], rtol=1e-5)


def test_labels_of_a_table_with_several_inputs_are_found_as_in_any_table(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(5))
    beside = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])]
    proto = b.model(["N", 1], head(b, 2, b.add("Concat", ["x", "y"], axis=1), 2), beside=beside)
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y", "label", "kind"])
        writer.writerows([x, y, "cat", ("dog", "cat")[i % 2]] for i, (x, y) in enumerate(X[:, :2].tolist()))
    model = save(tmp_path, proto)
    arrays = ({"x": X[:, :1], "y": X[:, 1:2]}, 1 - np.arange(200) % 2)
    named = analyze(model, tmp_path / "people.csv", samples=10, label_column="kind")
    assert named.class_names == ("cat", "dog")
    assert_same_effects(named, analyze(model, arrays, samples=10))
    np.savez(tmp_path / "data.npz", x=X[:, :1], y=X[:, 1:2])
    with pytest.raises(SamplesError, match="has no labels"):
        analyze(model, tmp_path / "data.npz", samples=10)


def test_preprocessing_is_refused_for_several_inputs(tmp_path: Path) -> None:
    model = save(tmp_path, two_inputs())
    with pytest.raises(ConfigError, match="belongs to a single input"):
        analyze(model, ({"x": X, "z": Z, "ids": IDS}, IDS[:, 0]), rescale=0.5)


def test_what_the_model_is_read_as_is_recorded(tmp_path: Path) -> None:
    model = save(tmp_path, two_inputs())
    twos = np.full_like(IDS, 2)
    y = decided(two_inputs(), twos).argmax(axis=1)
    analysis = analyze(model, ({"x": X, "z": Z}, y), samples=10, fixed={"ids": 2})
    assert to_record(analysis).settings.reading == {"fixed": {"ids": 2.0}}
