"""Explanation methods that ask the model for predictions alone, and maps that ask it nothing: what to compare with."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from onnxcausal.causal.attribution import resized
from onnxcausal.evaluation.maps import Floats, Predict
from onnxcausal.samples.planes import Planes
from onnxcausal.samples.source import Inputs

OCCLUDED_SHARE = 8
"""The side of the occluding square is the image's over this."""
RISE_CELLS = 7
"""Cells along a side of a coarse mask (Petsiuk et al. 2018)."""
RISE_KEPT = 0.5
"""Probability that a cell is kept (ibid.)."""
TOGETHER = 256
"""Changed images predicted at once: bounds memory."""


def occlusion(predict: Predict, x: Inputs, planes: Planes) -> Floats:
    """Return how much a grey square over each place takes from the prediction, `[samples, height, width]`.

    The square is filled with the image's mean and moved by half its side; a pixel has the mean over the squares that
    cover it (Zeiler and Fergus 2014).

    Args:
        predict: score of the class.
        x: inputs.
        planes: their layout.
    """
    return np.stack([_occluded(predict, one, planes) for one in planes.last(x)])


def rise_masks(height: int, width: int, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return random smooth masks between 0 and 1, `[count, height, width]` (Petsiuk, Das, Saenko 2018, sec. 3.2)."""
    cell = np.array([-(-height // RISE_CELLS), -(-width // RISE_CELLS)])
    coarse = (rng.random((count, RISE_CELLS, RISE_CELLS)) < RISE_KEPT).astype(np.float64)
    fine = resized(coarse, *((RISE_CELLS + 1) * cell).tolist())
    starts = rng.integers(0, cell, (count, 2))
    cropped = [
        mask[row : row + height, column : column + width] for mask, (row, column) in zip(fine, starts, strict=True)
    ]
    return np.stack(cropped).astype(np.float32)


def rise(predict: Predict, x: Inputs, planes: Planes, masks: NDArray[np.float32]) -> Floats:
    """Return the mean of random masks weighted by the prediction behind them (RISE), `[samples, height, width]`.

    Args:
        predict: probability of the class.
        x: inputs.
        planes: their layout.
        masks: `[masks, height, width]`; the same for every input, so that equal inputs have equal maps.
    """
    maps = np.zeros((len(x), *masks.shape[1:]))
    for number, one in enumerate(planes.last(x)):
        for start in range(0, len(masks), TOGETHER):
            some = masks[start : start + TOGETHER]
            weights = predict(planes.back(one * some[..., None]))
            maps[number] += np.tensordot(weights, some, axes=1)
    return maps / (len(masks) * RISE_KEPT)


def edges(x: Inputs, planes: Planes) -> Floats:
    """Return the size of the brightness gradient (Sobel), `[samples, height, width]`: a map that knows no model."""
    grey = planes.last(x).astype(np.float64).mean(axis=-1)
    return np.asarray(np.hypot(ndimage.sobel(grey, axis=1), ndimage.sobel(grey, axis=2)))


def constant(x: Inputs, planes: Planes) -> Floats:
    """Return the same map for every input, `[samples, height, width]`: the most stable one, and worth nothing."""
    return np.ones(planes.last(x).shape[:3])


def _occluded(predict: Predict, image: Inputs, planes: Planes) -> Floats:
    """Return the map of one image `[height, width, channels]`."""
    height, width = image.shape[:2]
    side = max(1, min(height, width) // OCCLUDED_SHARE)
    step = max(1, side // 2)
    corners = [(row, column) for row in range(1 - side, height, step) for column in range(1 - side, width, step)]
    fill = image.mean(axis=(0, 1))
    before = predict(planes.back(image[None]))[0]
    total, covered = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(corners), TOGETHER):
        some = corners[start : start + TOGETHER]
        changed = np.repeat(image[None], len(some), axis=0)
        places = [(slice(max(0, row), row + side), slice(max(0, column), column + side)) for row, column in some]
        for copy, place in zip(changed, places, strict=True):
            copy[place] = fill
        for drop, place in zip(before - predict(planes.back(changed)), places, strict=True):
            total[place] += drop
            covered[place] += 1
    return total / covered
