"""Which parts are removed for good, by hand."""

import numpy as np

from onnxcausal.causal.compression import cheapest_first, part_costs, removal_costs, sparing


def test_a_node_costs_the_mean_size_of_its_effects_each_class_counting_alike() -> None:
    effects = {0: np.array([[-0.5, 0.25, 0.75], [0.0, 0.0, 0.0]]), 4: np.array([[1.0], [-0.25]])}
    assert removal_costs(effects).tolist() == [0.75, 0.125]


def test_parts_are_ordered_by_cost_a_number_saved() -> None:
    # A part that saves a single number costs what it costs; one that saves none counts as if it did too.
    costs = np.array([3.0, 1.0, 2.0, 0.75, 0.5])
    assert cheapest_first(costs, [2, 1, 4, 0, 1]).tolist() == [2, 4, 3, 1, 0]


def test_of_equals_the_first_goes_first() -> None:
    assert cheapest_first(np.zeros(20), [7] * 20).tolist() == list(range(20))


def test_a_part_that_would_empty_a_layer_stays_and_later_ones_may_still_go() -> None:
    parts = [
        {"a": np.array([0, 1]), "b": np.array([0])},
        {"a": np.array([2])},
        {"b": np.array([1])},
        {"b": np.array([2])},
    ]
    found = sparing(np.array([0, 1, 2, 3]), parts, {"a": 3, "b": 3})
    assert found.tolist() == [0, 2]
    assert parts[0]["a"].tolist() == [0, 1]
    assert sparing(np.array([], np.int64), parts, {"a": 3}).dtype == np.int64  # they are indices, though there are none


def test_a_part_costs_the_sum_over_its_nodes_in_every_layer() -> None:
    costs = {"a": np.array([1.0, 2.0, 4.0]), "b": np.array([8.0, 16.0])}
    assert part_costs(costs, [{"a": np.array([0, 2]), "b": np.array([1])}, {"b": np.array([0])}]).tolist() == [21, 8]
