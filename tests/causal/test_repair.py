"""Which interventions are made permanent, against sets and sums by hand."""

import numpy as np
import pytest

from onnxcausal.causal.repair import (
    Candidate,
    Stage,
    best_first,
    free_nodes,
    gains_and_costs,
    portion_of_best,
    stages_of,
)
from onnxcausal.causal.route import Route, Step
from onnxcausal.causal.significance import Role

ROLES = {"n": Role.NECESSARY, "y": Role.NOISY, "m": Role.MINOR, "-": Role.NEUTRAL}


def route(target: int, **layers: str) -> Route:
    """Return a route whose layers have nodes of the given roles."""
    steps = [
        Step(name, np.array([0]), -np.arange(1.0, len(roles) + 1), tuple(ROLES[role] for role in roles))
        for name, roles in layers.items()
    ]
    return Route(target, np.arange(3), tuple(steps))


def test_nodes_necessary_to_no_class_are_free() -> None:
    routes = [route(0, conv="ny-m-", dense="nn"), route(1, conv="-ynm-"), route(2, dense="--")]
    assert free_nodes(routes, "conv", 5).tolist() == [1, 3, 4]
    assert free_nodes(routes, "dense", 2).tolist() == []
    assert free_nodes(routes, "elsewhere", 3).tolist() == [0, 1, 2]
    assert free_nodes(iter(routes), "conv", 5).tolist() == [1, 3, 4]
    assert free_nodes([], "conv", 2).tolist() == [0, 1]


def test_a_node_noisy_to_any_repaired_class_is_taken_by_the_narrower_stage() -> None:
    routes = [route(0, conv="-y-m", dense="yy"), route(1, conv="--ym"), route(2, dense="--")]
    found = stages_of(routes, "conv", np.array([0, 2, 3, 1]))
    assert found == [Stage.FREE, Stage.NOISY, Stage.FREE, Stage.NOISY]
    assert stages_of(routes, "elsewhere", np.array([0, 1])) == [Stage.FREE, Stage.FREE]


def test_gains_are_weighted_sums_and_costs_only_what_protected_classes_lose() -> None:
    effects = {0: np.array([0.5, -0.25]), 1: np.array([1.0, 0.5]), 2: np.array([-0.5, 0.25]), 3: np.array([-1.0, -2.0])}
    gains, costs = gains_and_costs(effects, {0: 1.0, 1: 0.5})
    assert gains.tolist() == [1.0, 0.0]
    assert costs.tolist() == [1.5, 2.0]


def test_what_helps_nothing_is_never_masked_and_equals_keep_an_order_of_their_own() -> None:
    found = [
        Candidate("b", 1, Stage.FREE, 0.5, 0.25),
        Candidate("a", 9, Stage.FREE, 0.25, 0.0),
        Candidate("a", 2, Stage.NOISY, 0.25, 0.0),
        Candidate("a", 3, Stage.FREE, 0.0, 0.0),
        Candidate("a", 4, Stage.FREE, -0.5, 0.0),
        Candidate("a", 5, Stage.FREE, 0.125, 1.0),
        Candidate("a", 6, Stage.FREE, 2.0, 0.0),
    ]
    order = [(held.layer, held.node) for held in best_first(found, Stage.FREE)]
    assert order == [("a", 6), ("a", 2), ("a", 9), ("b", 1), ("a", 5)]
    assert [held.node for held in best_first(found, Stage.NOISY)] == [2]


@pytest.mark.parametrize(
    ("count", "portion", "taken"),
    [(3, 0.5, 2), (4, 0.5, 2), (5, 0.5, 3), (10, 0.14, 1), (10, 0.15, 2), (10, 0.01, 1), (10, 1.0, 10), (6, 0.25, 2)],
)
def test_a_portion_is_rounded_half_up_and_at_least_one(count: int, portion: float, taken: int) -> None:
    candidates = [Candidate("a", node, Stage.FREE, 1.0, 0.0) for node in range(count)]
    assert portion_of_best(candidates, portion)["a"].tolist() == list(range(taken))


def test_a_portion_of_nothing_is_nothing() -> None:
    assert portion_of_best([], 0.5) == {}


def test_a_portion_is_sorted_by_layer_and_node() -> None:
    candidates = [
        Candidate(layer, node, Stage.FREE, 1.0, 0.0) for layer, node in [("b", 7), ("a", 3), ("b", 2), ("c", 0)]
    ]
    found = portion_of_best(candidates, 0.75)
    assert list(found) == ["a", "b"]
    assert {layer: nodes.tolist() for layer, nodes in found.items()} == {"a": [3], "b": [2, 7]}
