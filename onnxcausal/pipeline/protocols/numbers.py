"""Numbers of an evaluation, with their intervals."""

from collections.abc import Iterable

import numpy as np

from onnxcausal.analysis.formats.evaluation import EstimateRecord
from onnxcausal.evaluation.intervals import Estimate
from onnxcausal.evaluation.maps import Floats


def numbers(estimate: Estimate, method: str, measure: str, **where: object) -> EstimateRecord:
    """Return an estimate as a number of the evaluation."""
    return EstimateRecord(method, measure, estimate.mean, estimate.low, estimate.high, estimate.n, **where)  # type: ignore[arg-type]  # target, layer and at, as their types say


def over_classes(values: Iterable[float]) -> Floats:
    """Return one number a class as an array."""
    return np.array(list(values), np.float64)
