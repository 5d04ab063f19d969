"""How large an effect float noise alone may show."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.interface import Observation, ScoresToOutcome
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.runner.rounding import FLOAT_NOISE, LARGEST_NOISE, LARGEST_SHARE
from onnxcausal.samples.source import Inputs

COMPARED = 64
"""Samples run at another batch size, at most."""


def observe(
    scores_of: Callable[[Inputs, int], NDArray[np.floating]],
    x: Inputs,
    network: Network,
    outcome: ScoresToOutcome,
    rounding: float,
) -> Observation:
    """Return the outcome of the null intervention, and its float noise.

    The noise is the largest change of the outcome of some samples at another batch size, and at least `FLOAT_NOISE`.

    Args:
        scores_of: class scores `[samples, classes]` of inputs, computed in batches of a size.
        x: inputs, `[samples, ...]`.
        network: the model.
        outcome: the scalar of the class scores.
        rounding: epsilon of the arithmetic that effects are measured in.

    Raises:
        ModelError: the outcome of a sample depends on the others in its batch.
    """
    scores = scores_of(x, network.batch)
    some, other = x[:COMPARED], max(1, min(len(x), COMPARED, network.batch) // 2 - 1)
    observed, again = outcome(scores), outcome(scores_of(some, other))
    largest = float(np.abs(scores).max(initial=0.0))
    unit = max(rounding, float(np.finfo(scores.dtype).eps)) * largest
    with np.errstate(invalid="ignore"):  # an infinite outcome is refused later, with a better message
        noise = float(np.abs(observed[: len(again)] - again).max(initial=0.0))
    if noise > min(LARGEST_NOISE * unit, LARGEST_SHARE * largest):
        raise ModelError(
            "the outcome of a sample depends on the other samples of its batch",
            where=f"{network.model.name}, tensor {network.outcome.tensor}",
            why=f"at another batch size it changes by up to {noise:.3g}",
            remedy="export the model with a fixed batch size of 1",
        )
    return Observation(observed, max(noise, FLOAT_NOISE * unit))


def coarsest(layers: Iterable[Layer], *others: np.dtype[np.floating]) -> float:
    """Return the coarsest epsilon of the float types that the weights of layers, and others, have."""
    types = {*others, *(helper.tensor_dtype_to_np_dtype(layer.weight_type) for layer in layers)}
    return max(float(np.finfo(dtype).eps) for dtype in types)
