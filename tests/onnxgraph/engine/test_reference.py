"""The reference engine against float64 and against the definitions."""

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.networks import BLOCKS, HEADS, classifier, classifiers, mlp
from tests.support.opened import Opened, assert_equal_to_edited_weights, open_proto, treatment_effects
from tests.support.oracles import Array, run_float64

GENERATED = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def images(seed: int, count: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


@GENERATED
@given(drawn=classifiers(), beta=st.sampled_from([0.0, 0.25, 0.9]))
def test_effects_equal_a_float64_edit_of_the_weights(drawn: tuple[onnx.ModelProto, int], beta: float) -> None:
    model, seed = drawn
    x = images(seed)
    assert_equal_to_edited_weights(open_proto(model, x), x, beta, seed)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_exact_on_its_own(block: str) -> None:
    x = images(3)
    assert_equal_to_edited_weights(open_proto(classifier([block, "conv"], "flatten", 3), x), x, 0.0, 3)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_is_exact_on_its_own(head: str) -> None:
    x = images(4)
    assert_equal_to_edited_weights(open_proto(classifier(["conv"], head, 4), x), x, 0.5, 4)


@GENERATED
@given(drawn=classifiers())
def test_beta_of_one_changes_nothing_at_all(drawn: tuple[onnx.ModelProto, int]) -> None:
    model, seed = drawn
    x = images(seed)
    opened = open_proto(model, x)
    for layer in opened.layers:
        te, _ = treatment_effects(opened, layer, np.arange(layer.children), x, 0, beta=1.0)
        assert not te.any()


def test_in_a_linear_model_a_path_costs_exactly_its_contribution() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 6)).astype(np.float32)
    x = rng.normal(size=(20, 6)).astype(np.float32)
    opened = open_proto(mlp([weight], [np.zeros(3)]), x)
    te, floor = treatment_effects(opened, opened.layers[0], np.array([2]), x, 2, beta=0.3)
    np.testing.assert_allclose(te, -0.7 * weight[2][:, None] * x.T, rtol=0, atol=2 * floor)


def test_a_parent_that_is_always_zero_has_an_effect_of_exactly_zero() -> None:
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(8, 5)), rng.normal(size=(3, 8))]
    biases = [np.where(np.arange(8) < 2, -1e3, 0.1), rng.normal(size=3)]  # the ReLU of children 0 and 1 never opens
    x = rng.normal(size=(30, 5)).astype(np.float32)
    opened = open_proto(mlp(weights, biases), x)
    te, _ = treatment_effects(opened, opened.layers[1], np.array([0]), x, 0)
    assert not te[:2].any()
    assert te[2:].any(axis=1).all()


def test_the_mean_in_place_of_a_path_equals_the_definition() -> None:
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(6, 5)), rng.normal(size=(3, 6))]
    x, reference = (rng.normal(size=(count, 5)).astype(np.float32) for count in (12, 40))
    opened = open_proto(mlp(weights, [rng.normal(size=6), np.zeros(3)]), x)
    te, floor = treatment_effects(opened, opened.layers[0], np.array([1, 4]), x, 2, beta=0.2, reference=reference)
    bias = onnx.numpy_helper.to_array(opened.proto.graph.initializer[1]).astype(np.float64)
    w0, w1 = (weight.astype(np.float32).astype(np.float64) for weight in weights)
    for node in range(5):
        z: Array = x @ w0.T + bias
        changed = z.copy()
        for child in (1, 4):
            path = w0[child, node] * (x[:, node] - reference[:, node].astype(np.float64).mean())
            changed[:, child] -= 0.8 * path
        expected = (np.maximum(changed, 0) - np.maximum(z, 0)) @ w1[2]
        np.testing.assert_allclose(te[node], expected, rtol=0, atol=5 * floor)


def test_the_mean_keeps_the_maps_of_a_padded_convolution() -> None:
    x, reference = images(5), images(6, 30)
    opened = open_proto(classifier(["conv"], "average", 5), x)
    layer = opened.layers[0]
    te, floor = treatment_effects(opened, layer, np.array([0, 2]), x, 0, reference=reference)
    for node in range(layer.parents):
        centred = np.array(x, np.float64)
        # Removing the path and adding its mean equals running with that parent at its mean, for the targets alone.
        centred[:, node] = reference[:, node].astype(np.float64).mean(axis=0)
        z, z_mean = opened_layer_output(opened, x.astype(np.float64)), opened_layer_output(opened, centred)
        z[:, [0, 2]] = z_mean[:, [0, 2]]
        expected = after_first_layer(opened, z) - opened.exact_scores(x)[:, 0]
        np.testing.assert_allclose(te[node], expected, rtol=0, atol=20 * floor)


def opened_layer_output(opened: Opened, x: Array) -> Array:
    return run_float64(opened.network.proto, opened.layers[0].output, x)


def after_first_layer(opened: Opened, z: np.ndarray) -> np.ndarray:
    weight = onnx.numpy_helper.to_array(opened.proto.graph.initializer[2]).astype(np.float64)
    pooled: np.ndarray = np.maximum(z, 0).mean(axis=(2, 3))
    return np.asarray((pooled @ weight.T)[:, 0])


def test_effects_do_not_depend_on_the_batch_beyond_the_floor() -> None:
    x = images(7, 150)
    opened = open_proto(classifier(["conv", "residual"], "flatten", 7), x)
    layer = opened.layers[1]
    together, floor = treatment_effects(opened, layer, np.arange(4), x, 0)
    alone, _ = treatment_effects(opened, layer, np.arange(4), x[:3], 0)
    np.testing.assert_allclose(together[:, :3], alone, rtol=0, atol=4 * floor)
