"""Small classifiers of the shipped digits, trained in a moment: the same ones anew, poisoned and tampered with."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from tests.support.networks import mlp

DIGITS = Path(__file__).parents[2] / "models" / "digits.npz"
SIDE, BLOCK = 8, 4
TRAINED_ON = 400
"""Images trained on; the others are there to analyse."""
Weights = list[NDArray[np.float64]]


@cache
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images as 64 grey levels 0..1 and their classes, in random order."""
    with np.load(DIGITS) as held:
        x, y = held["x"], held["y"].astype(np.int64)
    blocks = x.reshape(len(x), SIDE, BLOCK, SIDE, BLOCK).mean(axis=(2, 4)).reshape(len(x), -1) / 255
    order = np.random.default_rng(0).permutation(len(x))
    return blocks[order].astype(np.float32), y[order]


def analysed() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the images that models were not trained on."""
    x, y = digits()
    return x[TRAINED_ON:], y[TRAINED_ON:]


@cache
def trained(seed: int = 0, poisoned: int | None = None) -> tuple[Weights, Weights]:
    """Return weights `[children, parents]` and biases; half the labels of a poisoned class are random others."""
    x, y = (values[:TRAINED_ON] for values in digits())
    if poisoned is not None:
        y, rng = y.copy(), np.random.default_rng(poisoned)
        own = rng.permutation(np.flatnonzero(y == poisoned))
        own = own[: len(own) // 2]
        y[own] = (poisoned + rng.integers(1, 10, len(own))) % 10
    network = MLPClassifier((24,), max_iter=60, learning_rate_init=0.01, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(x, y)
    return [weight.T for weight in network.coefs_], list(network.intercepts_)


def written(folder: Path, name: str, weights: Weights, biases: Weights, note: str = "") -> Path:
    """Write a model file and its sidecar; a note changes the file and nothing else."""
    model = mlp(weights, biases)
    model.doc_string = note
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    x, y = analysed()
    np.savez(folder / "digits.npz", x=x, y=y)
    path.with_suffix(".toml").write_text('[data]\nsource = "digits.npz"\n[analysis]\nsamples = 30\n')
    return path
