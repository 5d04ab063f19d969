"""Which samples are used, and probe inputs where there are none."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal.causal.task import Task, is_right
from onnxcausal.errors import SamplesError
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.selection import choose_balanced, choose_correct, tried
from onnxcausal.samples.source import Batch, InputSpec, Samples
from onnxcausal.samples.synthetic import probe_input, synthetic_samples

SPEC = InputSpec("x", (None, 3))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 3)).astype(np.float32)
Y = RNG.integers(0, 3, 500)
SAMPLES = array_samples(X, Y, SPEC, Preprocess(), source="arrays")


def scores(x: np.ndarray) -> np.ndarray:
    return x


def right(target: int) -> Callable[[NDArray[np.floating]], NDArray[np.bool_]]:
    return partial(is_right, target=target, task=Task.CLASSIFICATION)


def test_only_correctly_classified_samples_of_the_class_are_chosen() -> None:
    chosen = choose_correct(SAMPLES, 1, 40, 0, scores, right=right(1))
    assert len(chosen.indices) == len(set(chosen.indices.tolist())) == 40
    assert (Y[chosen.indices] == 1).all()
    assert (X[chosen.indices].argmax(axis=1) == 1).all()
    np.testing.assert_array_equal(chosen.x, X[chosen.indices])


def test_the_choice_follows_the_seed_and_the_class_alone() -> None:
    first = choose_correct(SAMPLES, 1, 20, 0, scores, right=right(1)).indices
    np.testing.assert_array_equal(choose_correct(SAMPLES, 1, 20, 0, scores, right=right(1)).indices, first)
    assert choose_correct(SAMPLES, 1, 20, 1, scores, right=right(1)).indices.tolist() != first.tolist()
    # More samples of one seed hold the fewer.
    assert choose_correct(SAMPLES, 1, 40, 0, scores, right=right(1)).indices[:20].tolist() == first.tolist()


def test_a_class_with_fewer_gives_all_it_has() -> None:
    chosen = choose_correct(SAMPLES, 2, 10_000, 0, scores, right=right(2))
    expected = np.flatnonzero((Y == 2) & (X.argmax(axis=1) == 2))
    assert sorted(chosen.indices.tolist()) == expected.tolist()
    assert chosen.examined == (Y == 2).sum()


def test_a_class_the_model_never_gets_right_gives_none() -> None:
    chosen = choose_correct(SAMPLES, 0, 10, 0, lambda x: -x * 0 + np.array([0, 1, 0]), right=right(0))
    assert len(chosen.indices) == 0
    assert chosen.examined == (Y == 0).sum()


def test_reference_samples_are_balanced_over_the_classes() -> None:
    counts = np.bincount(Y[choose_balanced(SAMPLES, 30, 0).indices])
    assert counts.tolist() == [10, 10, 10]


def test_probe_images_have_the_spectrum_of_natural_images() -> None:
    spectrum = np.mean([np.abs(np.fft.fft2(probe_input((64, 64), 0, i))) for i in range(50)], axis=0)
    frequencies = np.arange(2, 30)
    slope = np.polyfit(np.log(frequencies), np.log(spectrum[0, frequencies]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("shape", [(3, 32, 32), (32, 32, 3), (1, 28, 28), (12,), (100, 4)])
def test_probe_inputs_are_seeded_and_standardised(shape: tuple[int, ...]) -> None:
    x = np.stack([probe_input(shape, 0, i) for i in range(40)])
    assert abs(x.mean()) < 0.2
    assert x.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(x[3], probe_input(shape, 0, 3))
    assert (x[3] != probe_input(shape, 1, 3)).any()


def test_synthetic_samples_are_labelled_by_the_model() -> None:
    samples = synthetic_samples(InputSpec("x", (None, 3)), 200, 0, scores)
    assert samples.synthetic
    batch = samples.read(np.array([5, 150]))
    assert samples.labels[[5, 150]].tolist() == batch.x.argmax(axis=1).tolist()


def test_no_probe_is_made_up_for_integers() -> None:
    with pytest.raises(SamplesError, match="integer input"):
        synthetic_samples(InputSpec("ids", (None, 8), is_integer=True), 10, 0, scores)


def test_what_is_left_after_choosing_is_a_fair_draw() -> None:
    labels = np.repeat([0, 1], 300)
    wrong = np.random.default_rng(0).random(600) < 0.4
    samples = Samples("made up", labels, lambda wanted: Batch(wanted[:, None].astype(np.float32), wanted), lambda: "")

    def right(found: np.ndarray) -> np.ndarray:
        return np.asarray(found[:, 0] > 0)

    def predict(x: np.ndarray) -> np.ndarray:
        return np.where(wrong[x[:, 0].astype(int)], -1.0, 1.0)[:, None]

    shares = []
    for seed in range(200):
        chosen = choose_correct(samples, 1, 100, seed, predict, right=right)
        looked_at = tried(samples, 1, chosen.indices, 100, seed)
        assert (~wrong[looked_at]).sum() == 100
        assert not wrong[looked_at[-1]]
        shares.append(wrong[np.setdiff1d(samples.of_class(1), looked_at)].mean())
    truth = wrong[300:].mean()
    assert abs(np.mean(shares) - truth) < 4 * np.std(shares) / np.sqrt(200)
    everything = choose_correct(samples, 1, 1000, 0, predict, right=right)
    assert len(tried(samples, 1, everything.indices, 1000, 0)) == 300
