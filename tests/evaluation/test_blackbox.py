"""Black-box explanations on models whose answer is known."""

import numpy as np
import pytest

from onnxcausal.evaluation.blackbox import constant, edges, occlusion, rise, rise_masks
from onnxcausal.samples.planes import Planes


@pytest.mark.parametrize("planes", [Planes(1), Planes(3), Planes(None)])
def test_every_method_finds_the_one_place_that_matters(planes: Planes) -> None:
    rng = np.random.default_rng(0)
    x = planes.back(rng.random((2, 16, 16, 1 if planes.channels is None else 3)).astype(np.float32) + 1)

    def predict(inputs: np.ndarray) -> np.ndarray:
        return np.asarray(planes.last(inputs)[:, 4:8, 10:14].astype(np.float64).sum(axis=(1, 2, 3)))

    places = np.zeros((16, 16), np.bool_)
    places[4:8, 10:14] = True
    for values in (
        rise(predict, x, planes, rise_masks(16, 16, 3000, rng)),
        np.abs(occlusion(predict, x, planes)),
    ):
        assert values.shape == (2, 16, 16)
        inside, outside = values[:, places].mean(axis=1), values[:, ~places].mean(axis=1)
        assert (inside > 1.1 * outside).all()


def test_occlusion_of_a_sum_is_what_the_squares_take_away() -> None:
    x = np.random.default_rng(0).random((1, 1, 16, 16)).astype(np.float32)
    found = occlusion(lambda inputs: inputs.astype(np.float64).sum(axis=(1, 2, 3)), x, Planes(1))[0]
    side, fill = 2, float(x.mean())
    expected, covered = np.zeros((16, 16)), np.zeros((16, 16))
    for row in range(-1, 16):
        for column in range(-1, 16):
            place = (slice(max(0, row), row + side), slice(max(0, column), column + side))
            expected[place] += float((x[0, 0][place] - fill).sum())
            covered[place] += 1
    np.testing.assert_allclose(found, expected / covered, atol=1e-4)


def test_masks_keep_half_of_every_place_on_average() -> None:
    masks = rise_masks(20, 30, 4000, np.random.default_rng(0))
    assert masks.shape == (4000, 20, 30)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(axis=0), 0.5, atol=0.05)
    np.testing.assert_array_equal(masks, rise_masks(20, 30, 4000, np.random.default_rng(0)))


def test_maps_that_know_no_model() -> None:
    x = np.zeros((2, 3, 9, 9), np.float32)
    x[:, :, :, 5:] = 1
    assert edges(x, Planes(1))[:, :, 4:6].min() > 0
    assert not edges(x, Planes(1))[:, :, :3].any()
    np.testing.assert_array_equal(constant(x, Planes(1)), np.ones((2, 9, 9)))
