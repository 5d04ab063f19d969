"""The metrics of explanations against slow versions written from their definitions."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

from onnxcausal.errors import ConfigError
from onnxcausal.evaluation.faithfulness import (
    area_over_curve,
    greedy_order,
    order_of,
    superpixels,
)
from onnxcausal.evaluation.maps import scaled
from onnxcausal.evaluation.stability import lipschitz_estimates
from onnxcausal.samples.planes import Planes, planes_of, spaces_of

PLANES = Planes(1)


def linear(weights: np.ndarray):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Return the probability of a logistic model, `[samples]`."""

    def predict(x: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-(x.astype(np.float64) * weights).reshape(len(x), -1).sum(axis=1))))

    return predict


def images(count: int = 3, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, channels, 12, 12)).astype(np.float32)


def squares() -> np.ndarray:
    """Return 16 segments of 3 x 3 pixels."""
    rows, columns = np.mgrid[:12, :12] // 3
    return np.asarray(rows * 4 + columns, np.int64)


def test_the_lipschitz_estimate_is_the_largest_ratio_of_distances() -> None:
    x = images()
    weights = np.random.default_rng(1).normal(size=(12, 12))

    def explain(inputs: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(inputs.astype(np.float64).sum(axis=1) * weights))

    found = lipschitz_estimates(explain, x, perturbations=7, sd=0.2, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for number, one in enumerate(x):
        noise = rng.normal(0, 0.2, (7, *one.shape))
        ratios = []
        for each in noise:
            other = (one + each).astype(np.float32)
            maps = [explain(image[None])[0] for image in (one, other)]
            maps = [values / np.abs(values).max() for values in maps]
            ratios.append(np.linalg.norm(maps[0] - maps[1]) / np.linalg.norm(other.astype(np.float64) - one))
        assert found[number] == pytest.approx(max(ratios), rel=1e-12)


def test_the_area_over_the_curve_is_what_replacing_one_segment_after_the_other_leaves() -> None:
    x = images()
    predict = linear(np.random.default_rng(2).normal(size=(3, 12, 12)))
    segments = squares()
    values = np.random.default_rng(3).normal(size=(12, 12))
    order = order_of(values, segments)
    means = [values[segments == segment].mean() for segment in range(16)]  # all different
    assert order.tolist() == sorted(range(16), key=lambda segment: -means[segment])
    for one in x:
        found = area_over_curve(predict, one[None], PLANES, segments, order)
        left, remaining = one.copy(), []
        for segment in order:
            left[:, segments == segment] = one.mean(axis=(1, 2))[:, None]
            remaining.append(float(predict(left[None])[0] / predict(one[None])[0]))
        trapezoids = sum((a + b) / 2 for a, b in pairwise(remaining))
        assert found.area == pytest.approx(16 - trapezoids, rel=1e-6)
        assert found.share == pytest.approx(found.area / 16)


def test_the_greedy_order_beats_every_other() -> None:
    x = images(1)
    predict = linear(np.random.default_rng(2).normal(size=(3, 12, 12)))
    segments = squares()
    best = area_over_curve(predict, x, PLANES, segments, greedy_order(predict, x, PLANES, segments)).area
    rng = np.random.default_rng(4)
    assert all(area_over_curve(predict, x, PLANES, segments, rng.permutation(16)).area <= best for _ in range(50))


def test_superpixels_cover_the_image_and_are_counted_from_0() -> None:
    pytest.importorskip("skimage", reason="superpixels need the extra evaluate")
    for shape, planes in (((2, 3, 24, 30), Planes(1)), ((2, 24, 30, 3), Planes(3)), ((2, 24, 30), Planes(None))):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        for segments in superpixels(x, planes):
            assert segments.shape == (24, 30)
            np.testing.assert_array_equal(np.unique(segments), np.arange(segments.max() + 1))
            assert segments.max() > 0


def test_without_the_extra_superpixels_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(ConfigError, match="scikit-image is not installed") as caught:
        superpixels(images(), PLANES)
    assert "onnxcausal[evaluate]" in caught.value.remedy


def test_areas_and_estimates_are_those_of_quantus(monkeypatch: pytest.MonkeyPatch) -> None:
    quantus = pytest.importorskip("quantus", minversion="0.4", reason="compared with Quantus where it is installed")
    torch = pytest.importorskip("torch", reason="Quantus takes PyTorch models")
    x = images()
    rng = np.random.default_rng(2)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 4)).eval()

    def predict(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(torch.softmax(model(torch.from_numpy(inputs)), dim=1)[:, 1].numpy(), np.float64)

    def filled(arr: np.ndarray, mask: np.ndarray, **_: object) -> np.ndarray:
        return np.where(mask, x[number].mean(axis=(1, 2))[None, :, None, None], arr).astype(np.float32)

    maps = rng.normal(size=(3, 12, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Quantus warns of its own settings and of numpy's names
        if not hasattr(np, "trapz"):
            monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # the name Quantus uses
        for number in range(3):
            theirs = quantus.IROF(perturb_func=filled, return_aggregate=False, abs=False, normalise=False)(
                model=model,
                x_batch=x[number : number + 1],
                y_batch=np.array([1]),
                a_batch=maps[number : number + 1, None],
                softmax=True,
            )
            segments = superpixels(x[number : number + 1], PLANES)[0]
            ours = area_over_curve(predict, x[number : number + 1], PLANES, segments, order_of(maps[number], segments))
            assert ours.area == pytest.approx(float(np.ravel(theirs)[0]), rel=1e-6)

        weights = torch.from_numpy(rng.normal(size=(12, 12)))

        def explain(inputs: np.ndarray) -> np.ndarray:
            return np.asarray(np.tanh(inputs.astype(np.float64).sum(axis=1) * weights.numpy()))

        noises = [rng.normal(0, 0.1, (1, 432)) for _ in range(6)]
        given = iter(noises)
        theirs = quantus.LocalLipschitzEstimate(
            nr_samples=6,
            normalise=True,
            abs=False,
            perturb_func=lambda arr, **_: (arr + next(given)).astype(np.float32),
        )(
            model=model,
            x_batch=x[:1],
            y_batch=np.array([1]),
            a_batch=explain(x[:1])[:, None],
            explain_func=lambda model, inputs, targets, **_: explain(inputs)[:, None],  # noqa: ARG005
        )

        class Given:
            def normal(self, mean: float, sd: float, shape: tuple[int, ...]) -> np.ndarray:
                del mean, sd
                return np.concatenate(noises).reshape(shape)

        ours_le = lipschitz_estimates(explain, x[:1], perturbations=6, sd=0.1, rng=Given())  # type: ignore[arg-type]
        assert ours_le[0] == pytest.approx(float(theirs[0]), abs=1e-6)


def test_planes_are_found_in_every_layout() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(Planes(1).back(Planes(1).last(x)), x)
    assert Planes(1).last(x).shape == (2, 2, 2, 3)
    assert planes_of((1, 20, 20)) == Planes(None)
    assert planes_of((1, 3, 3)) is None
    assert planes_of((1, 6, 16, 16)) == Planes(1)
    assert spaces_of((1, 7)) == [(7,)]
    assert spaces_of((1, 784, 1))[-1] == (784,)
    np.testing.assert_array_equal(scaled(np.array([[2.0, -4.0]])), [[0.5, -1.0]])
