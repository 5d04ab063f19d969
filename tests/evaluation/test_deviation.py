"""Deviations are those of the definition, in batches as at once."""

import numpy as np
import pytest

from onnxcausal.evaluation.deviation import DeviationSum


@pytest.mark.parametrize("axis", [1, -1, None])
def test_batches_sum_up_to_the_definition(axis: int | None) -> None:
    rng = np.random.default_rng(0)
    reference, other = (1e4 + rng.normal(size=(20, 3, 5)) for _ in range(2))
    total = DeviationSum(axis)
    for start in range(0, 20, 7):
        total.add(reference[start : start + 7], other[start : start + 7])
    found = total.found()
    channels = np.moveaxis(reference, axis, 0) if axis is not None else reference[None]
    others = np.moveaxis(other, axis, 0) if axis is not None else other[None]
    rows, differences = (held.reshape(len(channels), -1) for held in (channels, others - channels))
    np.testing.assert_allclose(found.channels, np.sqrt((differences**2).mean(axis=1)) / rows.std(axis=1))
    spread = ((rows - rows.mean(axis=1, keepdims=True)) ** 2).sum()
    assert found.whole == pytest.approx(np.sqrt((differences**2).sum() / spread))


def test_constant_channels_are_held_to_the_spread_of_all() -> None:
    reference = np.array([[0.0, 1.0, 5.0], [0.0, 3.0, 5.0]])
    other = reference + np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    total = DeviationSum(axis=1)
    total.add(reference, other)
    found = total.found()
    np.testing.assert_allclose(found.channels, [np.sqrt(3.0), 0, 0])
    assert found.worst(2) == [0]


def test_what_is_no_number_and_what_has_no_spread_are_infinitely_off_and_equal_ones_are_not() -> None:
    constant, broken = DeviationSum(axis=None), DeviationSum(axis=1)
    constant.add(np.ones((4, 1)), np.zeros((4, 1)))
    assert constant.found().whole == np.inf
    broken.add(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[np.nan, 2.5], [2.0, 1.0]]))
    assert np.isnan(broken.found().whole)
    assert broken.found().worst(1) == [0]
    equal = DeviationSum(axis=1)
    equal.add(np.ones((4, 2)), np.ones((4, 2)))
    assert (equal.found().whole, equal.found().worst(5)) == (0, [])
