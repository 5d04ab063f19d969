"""Faithfulness of explanations: iterative removal of features, IROF (Rieger and Hansen 2020).

The segments of an image are sorted by their mean attribution and replaced one after the other by the image's mean.
The more of the prediction goes early, the better the order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError
from onnxcausal.evaluation.maps import Floats, Predict
from onnxcausal.samples.planes import Planes
from onnxcausal.samples.source import Inputs

Segments = NDArray[np.int64]
"""Number of the segment of every pixel, `[height, width]`, counted from 0."""


@dataclass(frozen=True, slots=True)
class Area:
    """The area over the curve of the prediction.

    Attributes:
        area: number of segments less the area under `p(c) / p_0(c)` at 1, 2, ... segments replaced (trapezoids); as
            Quantus computes it from version 0.4 on.
        share: the same over the number of segments.
    """

    area: float
    share: float


def superpixels(x: Inputs, planes: Planes) -> list[Segments]:
    """Return the segments of each image (SLIC, Achanta et al. 2012; about 100 an image).

    Raises:
        ConfigError: scikit-image is not installed.
    """
    try:
        from skimage.segmentation import slic  # noqa: PLC0415  # an extra, slow to load
    except ImportError as error:
        raise ConfigError(
            "scikit-image is not installed, which finds superpixels",
            where="evaluate faithfulness",
            why=str(error),
            remedy="install it: pip install 'onnxcausal[evaluate]'",
        ) from error
    found = [np.asarray(slic(image.astype(np.float64), start_label=0), np.int64) for image in planes.last(x)]
    return [np.unique(segments, return_inverse=True)[1].reshape(segments.shape) for segments in found]


def order_of(values: Floats, segments: Segments) -> NDArray[np.int64]:
    """Return the segments by their mean attribution, the highest first; equals in an order drawn once and for all.

    >>> order_of(np.array([[0.0, 1.0, 5.0]]), np.array([[0, 0, 1]])).tolist()
    [1, 0]
    """
    counts = np.bincount(segments.ravel())
    mixed = np.random.default_rng(0).permutation(len(counts))  # a map that tells nothing has no order of its own
    means = np.bincount(segments.ravel(), values.ravel()) / counts
    return np.asarray(mixed[np.argsort(-means[mixed], kind="stable")])


def area_over_curve(
    predict: Predict, one: Inputs, planes: Planes, segments: Segments, order: NDArray[np.int64]
) -> Area:
    """Return the area over the curve for one image.

    Args:
        predict: probability of the class.
        one: the image, `[1, ...]`.
        planes: its layout.
        segments: its segments.
        order: the order in which they are replaced.
    """
    image = planes.last(one)[0]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    gone = rank[segments] <= np.arange(len(order))[:, None, None]  # [steps, height, width]
    steps = np.where(gone[..., None], image.mean(axis=(0, 1)), image)
    remaining = predict(planes.back(steps.astype(np.float32))) / predict(one)
    area = len(order) - float(np.trapezoid(remaining))
    return Area(area, area / len(order))


def greedy_order(predict: Predict, one: Inputs, planes: Planes, segments: Segments) -> NDArray[np.int64]:
    """Return the order that takes away most of the prediction at every step: the control that knows the answer.

    Takes as many predictions as half the square of the number of segments.
    """
    image = planes.last(one)[0].copy()
    fill = image.mean(axis=(0, 1))
    left = list(range(segments.max() + 1))
    order = []
    while left:
        tried = np.where((segments == np.array(left)[:, None, None])[..., None], fill, image)
        best = int(predict(planes.back(tried.astype(np.float32))).argmin())
        image = tried[best]
        order.append(left.pop(best))
    return np.array(order)
