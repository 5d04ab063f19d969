"""Attributions from the causal graph (Ahmad et al. 2023, sec. 4, eq. 3).

The response of a target child `i` of a layer is `s_i = (1 / |J_i|) sum_{j in J_i} f(W[i, j], a_j)`, where `J_i` are the
necessary parents that reach `i`, `a_j` the layer's real input and `f` the layer's own op without its bias.

*Note*: the published code takes the input before its activation, a flipped kernel and full padding; here `f` is the
op as the model runs it. The paper shows maps as "pixel-wise probabilities": `spatial_softmax`, whose result depends on
the scale of the responses.
"""

from enum import StrEnum
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.route import Step


class Weighting(StrEnum):
    """How much each necessary parent counts in a response."""

    EQUAL = "equal"
    """All alike (eq. 3)."""
    EFFECT = "effect"
    """By the size of its average treatment effect, the sum of the weights being 1."""


class Peak(NamedTuple):
    """Where a map is largest in absolute value."""

    row: int
    column: int


def parent_weights(step: Step, reaching: NDArray[np.bool_], weighting: Weighting = Weighting.EQUAL) -> Floats:
    """Return how much each node counts in the response of each target, `[nodes, targets]`; columns sum to 1, or 0.

    Args:
        step: the layer of the causal graph.
        reaching: whether the layer has a path from a node to a target, `[nodes, targets]`.
        weighting: how much each necessary node counts.

    >>> from onnxcausal.causal.significance import Role
    >>> roles = (Role.NECESSARY, Role.NOISY, Role.NECESSARY)
    >>> step = Step("conv", np.array([4]), np.array([-3.0, 2.0, -1.0]), roles)
    >>> parent_weights(step, np.ones((3, 1), bool)).T.tolist()
    [[0.5, 0.0, 0.5]]
    >>> parent_weights(step, np.ones((3, 1), bool), Weighting.EFFECT).T.tolist()
    [[0.75, 0.0, 0.25]]
    """
    share = np.zeros(len(step.ate))
    share[step.necessary] = np.abs(step.ate[step.necessary]) if weighting is Weighting.EFFECT else 1.0
    weights = share[:, None] * reaching
    total = weights.sum(axis=0)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))


def spatial_softmax(maps: Floats, temperature: float = 1.0) -> Floats:
    """Return maps as probabilities over their places, `[..., height, width]`; those of each map sum to 1.

    Args:
        maps: responses `[..., height, width]`, in any unit.
        temperature: in that unit; the higher, the flatter the result.

    >>> spatial_softmax(np.array([[0.0, np.log(3.0)]])).round(2).tolist()
    [[0.25, 0.75]]
    """
    scaled = maps / temperature
    odds = np.exp(scaled - scaled.max(axis=(-2, -1), keepdims=True))
    return np.asarray(odds / odds.sum(axis=(-2, -1), keepdims=True))


def resized(maps: Floats, height: int, width: int) -> Floats:
    """Return maps in another size, bilinear between the centres of their cells, `[..., height, width]`.

    >>> resized(np.array([[0.0, 4.0]]), 1, 4).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    size = maps.shape[-2:]
    flat = maps.reshape(prod(maps.shape[:-2]), *size)  # or scipy would interpolate along the other axes too
    zoom = (1, height / size[0], width / size[1])
    fine = ndimage.zoom(flat, zoom, output=np.float64, order=1, mode="nearest", grid_mode=True)
    return np.asarray(fine.reshape(*maps.shape[:-2], height, width))


def peak_of(values: Floats) -> Peak:
    """Return where one map `[height, width]` is largest in absolute value; of equals the first.

    >>> peak_of(np.array([[1.0, -5.0], [3.0, 2.0]]))
    Peak(row=0, column=1)
    """
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    return Peak(int(row), int(column))
