"""Masks on many layers at once against edited weights, and what stands in for the mean."""

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings

from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.masking.masked import (
    MeanContributions,
    edges_alone,
    weight_sizes,
    with_masks,
    without_nodes,
)
from onnxcausal.onnxgraph.masking.masks import mask_shape
from tests.support.networks import classifiers, convolutional
from tests.support.opened import edit, open_proto
from tests.support.oracles import run_float64

GENERATED = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@GENERATED
@given(drawn=classifiers())
def test_masks_on_all_layers_are_edits_of_all_their_weights(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, 6, 6)).astype(np.float32)
    opened = open_proto(proto, x)
    index = index_graph(opened.network.proto, opened.network.model.opset)
    masks, weights = {}, {}
    for number, layer in enumerate(opened.layers):
        features = np.flatnonzero(rng.random(layer.parents) < 0.4)
        children = np.flatnonzero(rng.random(layer.children) < 0.5)
        stored = value_of(index, index.ops[layer.op].input[layer.weight_input])
        assert stored is not None
        whole = stored.astype(np.float64)
        if number % 2:
            masks[layer.name] = without_nodes(layer, features)
            weights[layer.output, layer.weight_input] = edit(layer, whole, features, np.arange(layer.children), 0.0)
        else:
            masks[layer.name] = edges_alone(layer, features, children)
            weights[layer.output, layer.weight_input] = whole - edit(layer, whole, features, children, 0.0)
    found = with_masks(opened.network, masks, opened.wiring).scores(x)
    expected = run_float64(opened.network.proto, opened.network.outcome.tensor, x, weights).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


def test_no_mask_leaves_the_scores_bit_for_bit() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    ones = {layer.name: np.ones(mask_shape(layer)) for layer in opened.layers}
    np.testing.assert_array_equal(with_masks(opened.network, ones, opened.wiring).scores(x), opened.network.scores(x))


def test_the_mean_contribution_of_a_path_is_what_the_engine_puts_in_its_place() -> None:
    rng = np.random.default_rng(1)
    x, reference = (rng.normal(size=(count, 3, 8, 8)).astype(np.float32) for count in (4, 9))
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    engine = opened.engine(reference=reference)
    means = MeanContributions(opened.network, opened.wiring, reference)
    before = outcome_of(opened.network.scores(x), 1)
    for layer in opened.layers:
        nodes = opened.wiring.flow.nodes[layer.name]
        every = np.arange(layer.children)
        probe = PathProbe(layer, nodes, every)
        effects = engine.effects(probe, x, lambda scores: outcome_of(scores, 1))
        for node, features in enumerate(nodes):
            masks = {layer.name: without_nodes(layer, features)}
            masked = with_masks(opened.network, masks, opened.wiring, shifts=means(masks))
            found = outcome_of(masked.scores(x), 1) - before
            np.testing.assert_allclose(found, effects[node], rtol=0, atol=2e-5 * float(np.abs(before).max()))


def test_removing_all_of_a_layer_leaves_its_mean_output() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(7, 3, 8, 8)).astype(np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    layer = opened.layers[-1]
    masks = {layer.name: np.zeros(mask_shape(layer))}
    shifts = MeanContributions(opened.network, opened.wiring, x)(masks)
    found = with_masks(opened.network, masks, opened.wiring, shifts=shifts).scores(x)
    np.testing.assert_allclose(found, np.repeat(opened.network.scores(x).mean(axis=0)[None], 7, axis=0), atol=1e-5)


@GENERATED
@given(drawn=classifiers())
def test_the_size_of_a_node_is_the_sum_of_its_weights(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    x = np.random.default_rng(seed).normal(size=(1, 4, 6, 6)).astype(np.float32)
    opened = open_proto(proto, x)
    index = index_graph(opened.network.proto, opened.network.model.opset)
    for layer in opened.layers:
        stored = value_of(index, index.ops[layer.op].input[layer.weight_input])
        assert stored is not None
        whole = np.abs(stored.astype(np.float64))
        every = np.arange(layer.children)
        expected = [
            (whole - edit(layer, whole, np.array([parent]), every, 0.0)).sum() for parent in range(layer.parents)
        ]
        np.testing.assert_allclose(weight_sizes(opened.network, layer), expected, rtol=1e-6, atol=1e-9)
