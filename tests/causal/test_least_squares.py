"""Corrections in closed form, against a slow solution of the same problem."""

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal.causal.least_squares import RIDGES, Moments, fit_correction, no_moments, with_samples

Array = NDArray[np.float64]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def halves_of(x: Array, r: Array) -> tuple[Moments, Moments]:
    one, other = (with_samples(no_moments(x.shape[1], r.shape[1]), x[part::2], r[part::2]) for part in (0, 1))
    return one, other


def slowly(x: Array, r: Array, ridge: float) -> tuple[Array, Array]:
    """Return the ridge solution with a free intercept, by least squares over an enlarged system."""
    size = ridge * float(((x - x.mean(axis=0)) ** 2).sum(axis=0).mean())
    features = x.shape[1]
    design = np.vstack(
        [np.hstack([x, np.ones((len(x), 1))]), np.hstack([np.sqrt(size) * np.eye(features), np.zeros((features, 1))])]
    )
    found = np.linalg.lstsq(design, np.vstack([r, np.zeros((features, r.shape[1]))]), rcond=None)[0]
    return found[:-1], found[-1]


def test_the_correction_is_the_ridge_solution(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 7)) + 2.0
    r = x @ rng.normal(size=(7, 3)) + 0.5 * rng.normal(size=(200, 3)) + 1.5
    found = fit_correction(halves_of(x, r), intercept=True)
    weights, constant = slowly(x, r, found.ridge)
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)
    np.testing.assert_allclose(found.intercept, constant, atol=1e-8)
    left = ((r - x @ weights - constant) ** 2).sum() / (r**2).sum()
    assert found.left == pytest.approx(left, rel=1e-6)


def test_without_an_intercept_there_is_none(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 3))
    found = fit_correction(halves_of(x, x @ rng.normal(size=(3, 2)) + 4.0), intercept=False)
    assert not found.intercept.any()


def test_residuals_that_follow_from_the_features_go_although_features_repeat_others(rng: np.random.Generator) -> None:
    x = rng.normal(size=(60, 4))
    x = np.hstack([x, x[:, :2] + x[:, 2:]])
    found = fit_correction(halves_of(x, x @ rng.normal(size=(6, 2))), intercept=True)
    assert found.ridge == min(RIDGES)
    assert found.left < 1e-12


def test_residuals_that_are_noise_get_the_largest_ridge(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 30))
    found = fit_correction(halves_of(x, rng.normal(size=(40, 5))), intercept=False)
    assert found.ridge == max(RIDGES)
    assert found.left > 0.5


def test_features_that_are_never_there_get_nothing() -> None:
    found = fit_correction(halves_of(np.zeros((8, 2)), np.ones((8, 1))), intercept=True)
    assert not found.weights.any()
    assert found.intercept.tolist() == [1.0]
