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


RIDGES_TRIED = (1e-7, 1e-5, 1e-3, 0.01, 0.1, 1.0, 10.0)


def fitted(x: Array, r: Array, ridge: float, *, intercept: bool) -> tuple[Array, Array]:
    """Return the ridge solution; without an intercept the mean of the squared features is not about their mean."""
    if intercept:
        return slowly(x, r, ridge)
    size = ridge * float((x**2).sum(axis=0).mean())
    weights: Array = np.asarray(np.linalg.solve(x.T @ x + size * np.eye(x.shape[1]), x.T @ r), np.float64)
    return weights, np.zeros(r.shape[1])


@pytest.mark.parametrize("intercept", [True, False])
def test_the_ridge_is_the_one_with_which_either_half_does_best_on_the_other(*, intercept: bool) -> None:
    chosen = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        count, features = int(rng.integers(8, 60)), int(rng.integers(2, 20))
        x = rng.normal(size=(count, features)) + (1.0 if intercept else 0.0)
        noise = 10.0 ** rng.uniform(-5, 1)
        r = x @ rng.normal(size=(features, 2)) + noise * rng.normal(size=(count, 2))
        found = fit_correction(halves_of(x, r), intercept=intercept)
        missed = []
        for ridge in RIDGES_TRIED:
            of_one, of_other = (fitted(x[part::2], r[part::2], ridge, intercept=intercept) for part in (0, 1))
            rest = [
                r[1 - part :: 2] - x[1 - part :: 2] @ weights - constant
                for part, (weights, constant) in enumerate((of_one, of_other))
            ]
            missed.append(sum(float((part**2).sum()) for part in rest))
        assert found.ridge == RIDGES_TRIED[int(np.argmin(missed))], seed
        weights, constant = fitted(x, r, found.ridge, intercept=intercept)
        np.testing.assert_allclose(found.weights, weights, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.intercept, constant, rtol=1e-5, atol=1e-7)
        assert found.left == pytest.approx(((r - x @ weights - constant) ** 2).sum() / (r**2).sum(), abs=1e-9)
        chosen.add(found.ridge)
    assert len(chosen) == len(RIDGES_TRIED)


def test_residuals_that_are_not_there_need_no_correction() -> None:
    x = np.random.default_rng(1).normal(size=(20, 3))
    with np.errstate(all="raise"):  # nothing is divided by 0
        found = fit_correction(halves_of(x, np.zeros((20, 2))), intercept=True)
    assert not found.weights.any()
    assert found.left == 1


def test_what_is_left_is_a_share_however_small_the_residuals() -> None:
    x = np.random.default_rng(2).normal(size=(40, 3))
    r = np.random.default_rng(3).normal(size=(40, 2))
    whole, small = (fit_correction(halves_of(x, scale * r), intercept=False) for scale in (1.0, 1e-4))
    assert 0.5 < whole.left < 1
    assert small.left == pytest.approx(whole.left)


def test_samples_in_half_precision_are_summed_in_double() -> None:
    rng = np.random.default_rng(4)
    x, r = rng.normal(100, 30, (300, 2)).astype(np.float16), rng.normal(100, 30, (300, 2)).astype(np.float16)
    found = with_samples(no_moments(2, 2), x, r)
    exact = with_samples(no_moments(2, 2), x.astype(np.float64), r.astype(np.float64))
    for name in ("x", "r", "xx", "xr"):
        np.testing.assert_array_equal(getattr(found, name), getattr(exact, name))
    assert (found.n, found.rr) == (300, exact.rr)


def test_a_half_of_a_single_sample_or_none_gives_no_nan() -> None:
    one = with_samples(no_moments(2, 1), np.array([[1.0, 2.0]]), np.array([[3.0]]))
    found = fit_correction((one, no_moments(2, 1)), intercept=True)
    assert np.isfinite(found.weights).all()
    assert found.intercept.tolist() == [3.0]
    assert not found.weights.any()
