"""Stability of explanations: the local Lipschitz estimate (Alvarez-Melis and Jaakkola 2018)."""

import numpy as np

from onnxcausal.evaluation.maps import Explain, Floats, scaled
from onnxcausal.samples.source import Inputs


def lipschitz_estimates(
    explain: Explain, x: Inputs, *, perturbations: int, sd: float, rng: np.random.Generator
) -> Floats:
    """Return `max_k ||e(x) - e(x'_k)|| / ||x - x'_k||` of each input, `[samples]`; lower is more stable.

    The norms are Euclidean, `x'_k = x + noise`, and the maps are divided by their largest absolute value. A constant
    map has 0, whatever it is worth.

    Args:
        explain: the explanation method.
        x: inputs, `[samples, ...]`.
        perturbations: noisy copies of each input.
        sd: standard deviation of the noise, in the unit of the inputs.
        rng: of the noise.

    >>> rng = np.random.default_rng(0)
    >>> constant = lambda x: np.ones((len(x), 2, 2))
    >>> lipschitz_estimates(constant, np.zeros((1, 4), np.float32), perturbations=3, sd=0.1, rng=rng).tolist()
    [0.0]
    """
    estimates = np.empty(len(x))
    for number, one in enumerate(x):
        noisy = (one + rng.normal(0, sd, (perturbations, *one.shape))).astype(np.float32)
        maps = scaled(explain(np.concatenate([one[None], noisy]).astype(np.float32)))
        moved = _lengths(maps[1:] - maps[0])
        estimates[number] = (moved / _lengths(noisy.astype(np.float64) - one)).max()
    return estimates


def _lengths(differences: Floats) -> Floats:
    return np.asarray(np.linalg.norm(differences.reshape(len(differences), -1), axis=1))
