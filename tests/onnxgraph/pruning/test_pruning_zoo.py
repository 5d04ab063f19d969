"""The pruned form of models as vendors ship them, in miniature."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import input_spec
from onnxcausal.onnxgraph.forms.masked_file import repair
from onnxcausal.onnxgraph.pruning import removable_groups
from tests.support.opened import HALF_PRECISION, TOLERANCE
from tests.support.pruned import lost, masks_for
from tests.support.repairs import VERSION, in_code, masks_of, run
from tests.support.zoo import ZOO, Specimen

WITHOUT_GROUPS = (
    "If, stored condition, a Conv in each branch",
    "Loop over a MatMul, between Gemm",
    "LSTM between Conv 1-D and Gemm",
    "local functions of the model",
    "com.microsoft FusedGemm",
    "QLinearConv, uint8 activations, int8 weights per channel, int32 bias",
    "MatMulInteger, DynamicQuantizeLinear",
    "bfloat16 throughout, Casts at the ends",
)
"""Specimens of which every channel meets an op that is not followed."""
FEWEST = 75
"""Specimens that have groups, at least."""


def outputs(proto: onnx.ModelProto, feeds: dict[str, NDArray[Any]], batch: int | None) -> NDArray[np.float64]:
    given = feeds if batch is None else {name: value[:batch] for name, value in feeds.items()}
    floats = [one for one in run(proto, given) if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
    return np.concatenate([one.astype(np.float64).ravel() for one in floats] or [np.zeros(1)])


def fixed_batch(proto: onnx.ModelProto) -> int | None:
    try:
        return input_spec(proto, "specimen").shape[0]
    except (ModelError, IndexError):
        return None


def is_smaller_and_the_same(specimen: Specimen) -> bool:
    """Whether a specimen has groups, half of which go and leave it the function of the folded form."""
    proto = specimen.build()
    original = in_code(proto)
    try:
        groups = removable_groups(original)
    except ModelError as error:
        if error.what != "the model has several outputs":
            raise
        return False
    if not groups:
        return False
    rng = np.random.default_rng(0)
    chosen = [group for group in groups if rng.random() < 0.5] or [groups[0]]
    masks = masks_of(original, masks_for(chosen))
    try:
        folded = repair(original, masks, Form.FOLDED, VERSION).proto
    except ModelError as error:
        if error.what != "the mask cannot be multiplied into the weight":
            raise
        return False
    found = repair(original, masks, Form.PRUNED, VERSION)
    asked = {(layer, child) for group in chosen for layer, children in group.children for child in children}
    gone = {(layer, child) for layer, (_, children) in lost(found).items() for child in children}
    assert gone == asked or found.kept
    feeds, batch = specimen.inputs(), fixed_batch(proto)
    expected, computed = (outputs(one, feeds, batch) for one in (folded, found.proto))
    half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in proto.graph.initializer)
    tolerance = HALF_PRECISION if half or "QDQ" in specimen.name else TOLERANCE
    np.testing.assert_allclose(computed, expected, rtol=0, atol=tolerance * max(1e-9, np.abs(expected).max()))
    return True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_specimen_is_pruned_as_it_is_folded() -> None:
    done = [specimen.name for specimen in ZOO if is_smaller_and_the_same(specimen)]
    assert len(done) >= FEWEST
    assert not set(done) & set(WITHOUT_GROUPS)
