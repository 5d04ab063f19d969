"""Causal graphs of networks whose graph is known."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.significance import Role
from onnxcausal.errors import SamplesError
from tests.support.assets import MNIST, model_path, needs_assets
from tests.support.networks import Builder, mlp
from tests.support.oracles import Array

SHIPPED = Path(__file__).parents[3] / "models"


def planted() -> onnx.ModelProto:
    """Class 0 is `h0 + h1 - h2 + 0 h3 + 0.02 h4`, each `h_k = relu(x_k + 1)`; `h5 = relu(x_5 - 50)` never fires."""
    first = np.eye(6)
    bias = np.array([1.0, 1.0, 1.0, 1.0, 1.0, -50.0])
    second = np.array([[2.0, 1.5, -1.0, 0.0, 0.02, 5.0], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    return mlp([first, second], [bias, np.array([5.0, -1.0])])


def analysed(tmp_path: Path, proto: onnx.ModelProto, x: np.ndarray, y: np.ndarray, **settings: Any) -> Analysis:
    onnx.save(proto, tmp_path / "model.onnx")
    return analyze(tmp_path / "model.onnx", (x, y), **settings)


def data(seed: int = 0, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(2, 1, size=(count, 6)).astype(np.float32)
    return x, (np.arange(count) % 2).astype(np.int64)


def test_a_planted_graph_is_recovered(tmp_path: Path) -> None:
    analysis = analysed(tmp_path, planted(), *data(), targets=[0])
    top, bottom = analysis.graph(0).layers
    assert [role.value for role in top.roles] == ["necessary", "necessary", "noisy", "dead", "minor", "dead"]
    assert top.targets.tolist() == [0]
    # Only the paths to the necessary h0 and h1 are tested above: x2 and the others reach neither.
    assert bottom.targets.tolist() == [0, 1]
    assert [role.value for role in bottom.roles] == ["necessary"] * 2 + ["dead"] * 4
    assert list(top.edges()) == [(0, 0), (1, 0)]
    assert set(bottom.links) == {(top.name, 0, 0), (top.name, 1, 1)}


def test_the_graph_of_another_class_is_another(tmp_path: Path) -> None:
    x, _ = data()
    x[::2, 3] += 20  # these are of class 1, which h3 alone speaks for
    analysis = analysed(tmp_path, planted(), x, np.arange(60) % 2 == 0)
    assert analysis.targets == (0, 1)
    assert [layer.necessary.tolist() for layer in analysis.graph(1).layers] == [[3], [3]]
    assert [layer.necessary.tolist() for layer in analysis.graph(0).layers] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("settings", [{}, {"outcome": "margin", "replace": "mean"}])
def test_data_of_one_class_give_its_graph_as_data_of_several_do(tmp_path: Path, settings: dict[str, Any]) -> None:
    x, _ = data()
    alone = analysed(tmp_path, planted(), x[2:], np.zeros(58, np.int64), **settings)
    assert alone.targets == alone.present == (0,)
    assert "the data holds class 0 only: how right the model is on other classes is not known" in alone.notes
    if settings:
        return  # what stands in for a path is the mean over all classes
    # Two samples of the other class change nothing.
    both = analysed(tmp_path, planted(), x, np.r_[1, 1, np.zeros(58, np.int64)], targets=[0], **settings)
    assert not any("only" in note for note in both.notes)
    for one, other in zip(alone.graph(0).layers, both.graph(0).layers, strict=True):
        assert one.roles == other.roles
    assert (alone.graph(0).examined, alone.graph(0).correct) == (58, 58)


def test_of_one_class_that_the_model_takes_for_another_nothing_is_analysed(tmp_path: Path) -> None:
    x, y = data()
    with pytest.raises(SamplesError, match="no class can be analysed") as caught:
        analysed(tmp_path, planted(), x, y * 0 + 1)
    assert "class 1 as 0 (60 of 60)" in caught.value.why


def test_class_names_that_do_not_fit_the_model_are_refused(tmp_path: Path) -> None:
    x, y = data()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    onnx.save(planted(), tmp_path / "model.onnx")
    with pytest.raises(SamplesError, match="3 class names, but the model has 2 classes"):
        analyze(tmp_path / "model.onnx", tmp_path / "data.npz")


def test_permuting_the_channels_of_a_layer_permutes_its_results(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weights, biases = [rng.normal(size=(8, 6)), rng.normal(size=(2, 8))], [rng.normal(size=8), np.zeros(2)]
    order = rng.permutation(8)
    plain = analysed(tmp_path, mlp(weights, biases), *data(1), samples=30)
    swapped_weights = [weights[0][order], weights[1][:, order]]
    swapped = analysed(tmp_path, mlp(swapped_weights, [biases[0][order], biases[1]]), *data(1), samples=30)
    for target in plain.targets:
        old, new = plain.graph(target).layers[0], swapped.graph(target).layers[0]
        assert [old.roles[i] for i in order] == list(new.roles)
        np.testing.assert_allclose(new.ate, old.ate[order], rtol=0, atol=1e-5)


def test_the_route_ends_where_nothing_is_necessary_and_the_result_says_so(tmp_path: Path) -> None:
    # Every hidden node speaks against class 0, whose score is its bias alone.
    weights = [np.eye(6), np.stack([-np.ones(6), np.zeros(6)])]
    analysis = analysed(tmp_path, mlp(weights, [np.full(6, 3.0), np.array([100.0, 0.0])]), *data(), targets=[0])
    top, bottom = analysis.graph(0).layers
    assert top.verdicts is not None
    assert top.verdicts.reason == "no significant effect is negative: nothing here speaks for the class"
    assert len(top.having(Role.NOISY))
    assert bottom.verdicts is None
    assert bottom.targets.tolist() == []
    assert bottom.reason == f"not reached: no necessary node in {top.name}"


def test_the_margin_and_the_log_probability_count_every_class(tmp_path: Path) -> None:
    for outcome in ("margin", "log-prob"):
        analysis = analysed(tmp_path, planted(), *data(), targets=[0], outcome=outcome)
        assert analysis.graph(0).layers[0].targets.tolist() == [0, 1]
        # h3 speaks for the other class alone: removing it helps class 0.
        assert analysis.graph(0).layers[0].ate[3] > 0


def test_a_grouped_convolution_connects_a_parent_with_its_group_alone(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    maps = builder.add("Relu", [builder.add("Conv", ["x", builder.weight(4, 2, 3, 3)], group=2, pads=[1] * 4)])
    pooled = builder.add("ReduceMean", [maps], axes=[2, 3], keepdims=0)
    proto = builder.model(["N", 4, 6, 6], builder.add("Gemm", [pooled, builder.store(np.eye(4, 2, dtype=np.float32))]))
    x = np.random.default_rng(1).normal(size=(40, 4, 6, 6)).astype(np.float32)
    analysis = analysed(tmp_path, proto, x, np.arange(40) % 2, targets=[0])
    grouped = analysis.graph(0).layers[1]
    assert grouped.targets.tolist() == [0]
    assert grouped.connected[:, 0].tolist() == [True, True, False, False]
    assert [role.value for role in grouped.roles[2:]] == ["dead", "dead"]


def test_weights_that_are_not_intervened_on_are_named(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    first = builder.add("Relu", [builder.add("MatMul", ["x", builder.weight(6, 4)])])
    mixed = builder.add("Einsum", [first, builder.weight(4, 3)], equation="nk,kc->nc")
    analysis = analysed(tmp_path, builder.model(["N", 6], mixed), *data())
    assert f"1 op(s) with weights are no layers and were not intervened on: Einsum /{mixed}/Einsum" in analysis.notes
    assert analysis.graphs[0].layers[0].flow.value == "untracked"


def published(under_do: Array, observed: Array) -> tuple[list[int], str]:
    """Return what the published code selects, and by which step (docs/method.md, "The rule welch")."""
    n = len(observed)
    threshold = observed.mean() - 1.65 * np.sqrt(under_do.var(axis=1, ddof=1) / n + observed.var(ddof=1) / n)
    passed = under_do.mean(axis=1) < threshold
    if passed.any():
        return np.flatnonzero(passed).tolist(), "welch"
    passed = (under_do / observed - 1).mean(axis=1) < -0.001
    return np.flatnonzero(passed).tolist(), "fallback" if passed.any() else "none"


class NumpyLeNet:
    """LeNet-5 in float64 from the definition, with the paths of one node of one layer removed."""

    def __init__(self, path: Path) -> None:
        stored = {t.name: onnx.numpy_helper.to_array(t).astype(float) for t in onnx.load(path).graph.initializer}
        by_rank = [value for value in stored.values() if value.ndim in (2, 4)]
        biases = [value for value in stored.values() if value.ndim == 1 and value.dtype == float and len(value) > 5]
        self.weights = sorted(by_rank, key=lambda w: (w.ndim != 4, -w.shape[0] if w.ndim == 2 else w.shape[0]))
        self.biases = [next(bias for bias in biases if len(bias) == len(weight)) for weight in self.weights]

    def cached(self, x: Array) -> list[Array]:
        """Return the input of each layer."""
        inputs = [x]
        for layer in range(5):
            inputs.append(self.step(layer, inputs[layer], self.weights[layer]))
        return inputs

    def step(self, layer: int, a: Array, weight: Array) -> Array:
        if weight.ndim == 4:
            windows = np.lib.stride_tricks.sliding_window_view(a, (5, 5), axis=(2, 3))
            z = np.moveaxis(np.tensordot(windows, weight, axes=([1, 4, 5], [1, 2, 3])), 3, 1)
            z = np.maximum(z + self.biases[layer][:, None, None], 0)
            n, c, h, w = z.shape
            return np.asarray(z.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5)))
        z = a.reshape(len(a), -1) @ weight.T + self.biases[layer]
        return z if layer == 4 else np.asarray(np.maximum(z, 0))

    def nodes(self, layer: int) -> list[np.ndarray]:
        features = np.arange(self.weights[layer].shape[1])
        return np.split(features, 16) if layer == 2 else [np.array([f]) for f in features]

    def under_do(self, layer: int, targets: list[int], inputs: list[Array], target_class: int) -> Array:
        rows = []
        for node in self.nodes(layer):
            weight = self.weights[layer].copy()
            weight[np.ix_(np.array(targets), node)] = 0
            a = self.step(layer, inputs[layer], weight)
            for below in range(layer + 1, 5):
                a = self.step(below, a, self.weights[below])
            rows.append(a[:, target_class])
        return np.array(rows)


def assert_published_sets(path: Path, x: Array, analysis: Analysis) -> int:
    """Compare every layer of every class; return how many classes needed the fallback somewhere."""
    network, fallbacks = NumpyLeNet(path), 0
    for graph in analysis.graphs:
        inputs = network.cached(x[graph.samples])
        targets = [graph.target]
        for layer, result in zip(range(4, -1, -1), graph.layers, strict=True):
            assert result.targets.tolist() == targets
            expected, step = published(
                network.under_do(layer, targets, inputs, graph.target), inputs[5][:, graph.target]
            )
            assert result.necessary.tolist() == expected, (graph.target, result.name)
            assert result.verdicts is not None
            assert result.verdicts.selected_by.value == step
            fallbacks += step == "fallback"
            targets = expected
            if not targets:
                break
    return fallbacks


@pytest.mark.slow
def test_the_welch_rule_selects_what_the_published_formula_selects_in_the_digits_lenet() -> None:
    path = SHIPPED / "digits_lenet.onnx"
    analysis = analyze(path, rule="welch")
    assert analysis.targets == tuple(range(10))
    x = np.load(SHIPPED / "digits.npz")["x"][:, None].astype(np.float32) * np.float32(1 / 255)
    assert assert_published_sets(path, x.astype(float), analysis) > 0


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("which", ["mnist_lenet", "lenet5_pytorch_dynamic"])
def test_the_welch_rule_selects_what_the_published_formula_selects_on_mnist(which: str) -> None:
    from onnxcausal.samples.idx import read_idx_pair  # noqa: PLC0415
    from onnxcausal.samples.resize import resize  # noqa: PLC0415

    images = read_idx_pair(MNIST)[0].astype(np.uint8)
    path = model_path(which)
    settings: dict[str, Any] = {"rescale": 1 / 255, "rule": "welch"}
    if which == "mnist_lenet":
        path = SHIPPED / "mnist_lenet.onnx"
        images = np.stack([resize(image[:, :, None], 32, 32)[:, :, 0] for image in images])
        settings["resize"] = 32
    analysis = analyze(path, MNIST, **settings)
    if which == "lenet5_pytorch_dynamic":  # pads in its first convolution
        images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    x = images[:, None].astype(np.float32) * np.float32(1 / 255)
    assert analysis.targets == tuple(range(10))
    assert_published_sets(path, x.astype(float), analysis)
