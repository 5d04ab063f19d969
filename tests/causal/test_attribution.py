"""Attributions from the graph, against sums over places by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal.causal.attribution import Weighting, parent_weights, peak_of, resized, spatial_softmax
from onnxcausal.causal.route import Step
from onnxcausal.causal.significance import Role

N = Role.NECESSARY


@pytest.fixture
def step() -> Step:
    return Step("conv", np.array([4, 6, 9]), np.array([-0.25, -0.5, 2.0, -0.125]), (N, N, Role.NOISY, N))


REACHING = np.array([[True, False, False], [True, True, False], [True, True, True], [False, True, False]])
"""Nothing necessary reaches the last target."""


def test_each_target_is_answered_by_the_necessary_nodes_that_reach_it_alike(step: Step) -> None:
    assert parent_weights(step, REACHING).tolist() == [[0.5, 0, 0], [0.5, 0.5, 0], [0, 0, 0], [0, 0.5, 0]]


def test_by_effect_each_node_counts_as_much_as_it_does_among_those_that_reach_the_target(step: Step) -> None:
    found = parent_weights(step, REACHING, Weighting.EFFECT)
    expected = np.array([[1 / 3, 0, 0], [2 / 3, 0.8, 0], [0, 0, 0], [0, 0.2, 0]])
    np.testing.assert_allclose(found, expected)


def softmax_slowly(values: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    odds = [[math.exp(value / temperature) for value in row] for row in values.tolist()]
    total = math.fsum(value for row in odds for value in row)
    return np.array([[value / total for value in row] for row in odds])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_each_map_is_a_distribution_over_its_own_places(temperature: float) -> None:
    maps = np.random.default_rng(0).normal(0, 3, (2, 3, 4, 5))
    found = spatial_softmax(maps, temperature)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(found[i, j], softmax_slowly(maps[i, j], temperature), rtol=1e-12)


def test_responses_too_large_for_an_exponential_still_give_probabilities() -> None:
    maps = np.array([[[800.0, 800.0], [-900.0, 0.0]], [[-800.0, -801.0], [-2000.0, -2000.0]]])
    found = spatial_softmax(maps)
    np.testing.assert_allclose(found[0], np.array([[0.5, 0.5], [0, 0]]))
    np.testing.assert_allclose(found[1], np.array([[1 / (1 + 1 / math.e), 1 / (1 + math.e)], [0, 0]]))


def linear_slowly(values: NDArray[np.float64], wanted: int) -> list[float]:
    """Interpolate between the centres of cells, the ends held: from the definition."""
    size = len(values)
    centres = (np.arange(size) + 0.5) / size
    return [float(np.interp((place + 0.5) / wanted, centres, values)) for place in range(wanted)]


@pytest.mark.parametrize(("shape", "wanted"), [((3, 5), (7, 4)), ((4, 2), (2, 9)), ((1, 1), (3, 2)), ((2, 1), (5, 1))])
def test_resizing_is_linear_between_the_centres_of_cells(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    maps = np.random.default_rng(1).normal(size=(2, *shape))
    found = resized(maps, *wanted)
    for plane, result in zip(maps, found, strict=True):
        rows = np.array([linear_slowly(column, wanted[0]) for column in plane.T]).T
        np.testing.assert_allclose(result, [linear_slowly(row, wanted[1]) for row in rows], rtol=1e-12)


def test_a_map_in_its_own_size_stays_as_it_is() -> None:
    maps = np.random.default_rng(2).normal(size=(4, 6))
    np.testing.assert_allclose(resized(maps, 4, 6), maps)


def test_the_peak_is_the_first_of_the_largest_in_size() -> None:
    found = peak_of(np.array([[1.0, 2.0, 0.0], [0.0, -4.0, 4.0]]))
    assert found == (1, 1)
    assert (type(found.row), type(found.column)) == (int, int)
