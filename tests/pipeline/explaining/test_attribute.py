"""Attributions against equation 3, computed by editing the weights of whole models in float64."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings

from onnxcausal.causal.attribution import Weighting, peak_of, resized, spatial_softmax
from onnxcausal.causal.route import Route, Step
from onnxcausal.causal.significance import Role
from onnxcausal.errors import ConfigError, NothingToAnalyseError
from onnxcausal.onnxgraph.engine.responses import Responder, ResponseRequest, reads_input
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.pipeline.explaining.attribute import in_space, open_attributor
from tests.support.networks import Builder, classifiers, convolutional, mlp
from tests.support.opened import Opened, edit, open_proto
from tests.support.oracles import Array, run_float64

GENERATED = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def by_definition(opened: Opened, layer: Layer, step: Step, x: np.ndarray) -> Array:
    """Return `s_i` of every target on every sample, `[samples, targets, ...]`: one weight edit per target."""
    index = index_graph(opened.network.proto, opened.network.model.opset)
    stored = value_of(index, opened.network.proto.graph.node[layer.op].input[layer.weight_input])
    assert stored is not None
    weight = stored.astype(np.float64)
    nodes = opened.wiring.flow.nodes[layer.name]
    own = layer.group_of_parents()
    rows = []
    for target in step.targets.tolist():
        group = layer.group_of_children()[target]
        reaching = [node for node in step.necessary if (own[nodes[node]] == group).any()]
        kept = np.concatenate([nodes[node] for node in reaching]) if reaching else np.empty(0, np.int64)
        others = np.setdiff1d(np.arange(layer.parents), kept)
        alone = edit(layer, weight, others, np.array([target]), 0.0)
        nothing = edit(layer, weight, np.arange(layer.parents), np.array([target]), 0.0)
        outputs = [
            run_float64(opened.network.proto, layer.output, x, {(layer.output, layer.weight_input): changed})
            for changed in (alone, nothing)
        ]
        axis = 0 if layer.child_axis is None else layer.child_axis % outputs[0].ndim
        difference = outputs[0] - outputs[1]
        chosen = difference if layer.child_axis is None else difference.take(target, axis=axis)
        rows.append(chosen / max(1, len(reaching)))
    return np.stack(rows, axis=1)


@pytest.mark.slow
@GENERATED
@given(drawn=classifiers())
def test_responses_are_those_of_edited_weights_on_generated_models(drawn: tuple[onnx.ModelProto, int]) -> None:
    proto, seed = drawn
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, 6, 6)).astype(np.float32)
    opened = open_proto(proto, x)
    for layer in opened.layers:
        if opened.wiring.trace.rows.get(layer.output) is None:
            continue
        if opened.wiring.trace.rows[layer.output].multiple > 1 or opened.wiring.trace.rows[layer.output].axis > 0:
            continue  # rows of one sample side by side are covered below
        nodes = opened.wiring.flow.nodes[layer.name]
        roles = tuple(Role.NECESSARY if rng.random() < 0.6 else Role.NOISY for _ in nodes)
        targets = np.sort(rng.choice(layer.children, rng.integers(1, layer.children + 1), replace=False))
        step = Step(layer.name, targets, rng.normal(size=len(nodes)), roles)
        if not len(step.necessary):
            continue
        found = Responder(opened.network, opened.wiring, {layer.name: asked_for(opened, layer, step)})(x)[layer.name]
        expected = by_definition(opened, layer, step, x)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(1.0, np.abs(expected).max()))


def asked_for(opened: Opened, layer: Layer, step: Step) -> ResponseRequest:
    """Return what eq. 3 asks of a layer, by counting the necessary parents of each group."""
    factors = np.zeros(layer.parents)
    own, nodes = layer.group_of_parents(), opened.wiring.flow.nodes[layer.name]
    for node in step.necessary:
        together = [other for other in step.necessary if own[nodes[other][0]] == own[nodes[node][0]]]
        factors[nodes[node]] = 1 / len(together)
    return ResponseRequest(layer, factors, step.targets)


def test_the_attributor_asks_what_equation_3_says() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    layer = opened.layers[1]
    step = Step(layer.name, np.array([0, 2, 5]), np.array([-2.0, 1.0, -1.0, -0.5]), roles("NyNN"))
    attributor = open_attributor(opened.network, opened.wiring, Route(0, np.arange(4), (step,)))
    assert attributor.layers == (layer.name,)
    responses = attributor.responder(x)[layer.name]
    np.testing.assert_allclose(responses, by_definition(opened, layer, step, x), rtol=0, atol=1e-5)
    sizes = np.abs(responses).sum(axis=1)
    expected = sizes / sizes.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        attributor(x), resized(expected, 8, 8) / resized(expected, 8, 8).max(axis=(1, 2), keepdims=True)
    )


def test_strong_parents_count_more_when_weighted_by_effect() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    layer = opened.layers[1]
    alone = [
        open_attributor(
            opened.network,
            opened.wiring,
            Route(0, np.arange(2), (Step(layer.name, np.array([1]), np.array([-3.0, -1.0, 0, 0]), held),)),
            weighting=weighting,
        ).responder(x)[layer.name]
        for held, weighting in (
            (roles("N..."), Weighting.EQUAL),
            (roles(".N.."), Weighting.EQUAL),
            (roles("NN.."), Weighting.EFFECT),
        )
    ]
    np.testing.assert_allclose(alone[2], 0.75 * alone[0] + 0.25 * alone[1], rtol=0, atol=1e-6)


def test_the_map_over_all_layers_is_the_mean_of_those_of_each() -> None:
    x = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    first, second = opened.layers[1:3]
    steps = (
        Step(second.name, np.array([0, 1]), np.array([-1.0, -1, 0, 0, 0, 0]), roles("NN....")),
        Step(first.name, np.array([0, 1]), np.array([-1.0, -1, 0, 0]), roles("NN..")),
    )
    route = Route(0, np.arange(3), steps)
    whole = open_attributor(opened.network, opened.wiring, route)
    each = [open_attributor(opened.network, opened.wiring, route, layers=(layer.name,)) for layer in (first, second)]
    assert whole.layers == (first.name, second.name)
    np.testing.assert_allclose(whole(x), np.mean([one(x) for one in each], axis=0), rtol=1e-6)
    assert whole(x).max() <= 1


def test_a_dense_layer_that_reads_the_input_is_shown_feature_by_feature() -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(5, 6)), rng.normal(size=(3, 5))]
    x = rng.normal(size=(4, 6)).astype(np.float32)
    opened = open_proto(mlp(weights, [rng.normal(size=5), np.zeros(3)]), x)
    layer = opened.layers[0]
    assert reads_input(opened.network, opened.wiring, layer)
    assert not reads_input(opened.network, opened.wiring, opened.layers[1])
    step = Step(layer.name, np.array([1, 4]), -np.ones(6), roles("N.NN.N"))
    attributor = open_attributor(opened.network, opened.wiring, Route(0, np.arange(4), (step,)))
    found = attributor.responder(x)[layer.name]
    matrix = weights[0] if weights[0].shape == (layer.children, layer.parents) else weights[0].T
    for sample in range(4):
        for place, child in enumerate((1, 4)):
            expected = [matrix[child, j] * x[sample, j] / 4 if j in (0, 2, 3, 5) else 0.0 for j in range(6)]
            np.testing.assert_allclose(found[sample, place], expected, rtol=1e-5, atol=1e-7)
    assert attributor(x).shape == (4, 6)


@pytest.mark.parametrize("transposed", [False, True])
def test_features_of_an_image_are_its_places_only_in_its_own_order(*, transposed: bool) -> None:
    b = Builder(np.random.default_rng(0))
    data = b.add("Transpose", ["x"], perm=[0, 2, 3, 1]) if transposed else "x"
    scores = b.add("MatMul", [b.add("Flatten", [data], axis=1), b.store(np.ones((48, 3), np.float32))])
    proto = b.model(["N", 3, 4, 4], scores)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    opened = open_proto(proto, x)
    assert reads_input(opened.network, opened.wiring, opened.layers[0]) is not transposed
    if not transposed:
        step = Step(opened.layers[0].name, np.array([0]), -np.ones(48), roles("N" * 48))
        attributor = open_attributor(opened.network, opened.wiring, Route(0, np.arange(2), (step,)))
        np.testing.assert_allclose(
            attributor.responder(x)[opened.layers[0].name][:, 0], x.sum(axis=1) / 48, rtol=1e-5, atol=1e-7
        )


def test_a_layer_outside_the_graph_lists_those_inside() -> None:
    x = np.zeros((2, 3, 8, 8), np.float32)
    opened = open_proto(convolutional([4, 6, 5], size=8, classes=3), x)
    layer = opened.layers[1]
    route = Route(3, np.arange(2), (Step(layer.name, np.array([0]), -np.ones(4), roles("N...")),))
    with pytest.raises(ConfigError, match="is not in the causal graph") as caught:
        open_attributor(opened.network, opened.wiring, route, layers=("nope",))
    assert layer.name in caught.value.why
    empty = Route(3, np.arange(2), (Step(layer.name, np.array([0]), np.ones(4), roles("....")),))
    with pytest.raises(NothingToAnalyseError):
        open_attributor(opened.network, opened.wiring, empty)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (14, 20), (3, 40), (2, 3)])
def test_maps_are_interpolated_between_the_centres_of_their_cells(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 7, 5))
    rows, columns = ((np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(size, (7, 5), strict=True))
    along = np.apply_along_axis(lambda line: np.interp(rows, np.arange(7), line), 2, maps)
    expected = np.apply_along_axis(lambda line: np.interp(columns, np.arange(5), line), 3, along)
    np.testing.assert_allclose(resized(maps, *size), expected, rtol=0, atol=1e-13)
    assert resized(maps[:0], *size).shape == (0, 3, *size)


def test_maps_are_stretched_linearly_and_keep_their_mean_on_an_even_grid() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 4))
    stretched = resized(maps, 3, 4)
    np.testing.assert_array_equal(stretched, maps)
    double = resized(maps, 6, 8)
    # The weights of neighbouring cells are 3/4 and 1/4 between centres (half-pixel rule).
    np.testing.assert_allclose(
        double[:, 1, 1], (9 * maps[:, 0, 0] + 3 * maps[:, 0, 1] + 3 * maps[:, 1, 0] + maps[:, 1, 1]) / 16
    )
    np.testing.assert_allclose(resized(np.full((1, 2, 2), 5.0), 7, 3), 5.0)
    np.testing.assert_allclose(in_space(np.array([[0.0, 2.0]]), (4,)), [[0.0, 0.5, 1.5, 2.0]])


def test_softmax_over_places_is_a_probability_and_flattens_with_temperature() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 5, 5)) * 300
    held = spatial_softmax(maps)
    np.testing.assert_allclose(held.sum(axis=(1, 2)), 1)
    assert spatial_softmax(maps, 1000.0).max() < held.max()
    assert peak_of(maps[0]) == np.unravel_index(np.abs(maps[0]).argmax(), (5, 5))


def roles(letters: str) -> tuple[Role, ...]:
    """Return roles by letter: N necessary, y noisy, anything else neutral."""
    return tuple({"N": Role.NECESSARY, "y": Role.NOISY}.get(letter, Role.NEUTRAL) for letter in letters)
