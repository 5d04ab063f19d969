"""Quantised detectors are recognised and read as the float ones they were made of."""

from functools import partial

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType

from onnxcausal.causal.task import Task
from tests.support import detectors
from tests.support.detectors import SIDE, ULTRALYTICS
from tests.support.opened import open_proto
from tests.support.zoo_quantised import static

X = np.random.default_rng(0).normal(0, 1, (8, 3, SIDE, SIDE)).astype(np.float32)
STEPS = 0.1
"""By which scores of eight bits may differ from those of the float parent."""
KINDS = {
    "rows": partial(detectors.rows, properties=ULTRALYTICS),
    "columns": partial(detectors.columns, properties=ULTRALYTICS),
    "apart": detectors.apart,
    "scores of levels": partial(detectors.levels, "scores"),
    "maps of levels": partial(detectors.levels, "without", properties=ULTRALYTICS),
}


def samples() -> dict[str, NDArray[np.float32]]:
    return {"x": X}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=["QDQ", "QOperator"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_it_is_read_as_its_float_parent(kind: partial[onnx.ModelProto], form: QuantFormat) -> None:
    settings = {"quant_format": form, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    network = open_proto(static(kind, samples, **settings), X).network
    assert network.task is Task.MULTILABEL
    assert network.decided_at == 0.25
    np.testing.assert_allclose(network.scores(X), open_proto(kind(), X).network.scores(X), atol=STEPS)
