"""How much masks change of a model."""

from dataclasses import astuple

import numpy as np
import pytest

from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.forms.masked_file import repair
from onnxcausal.onnxgraph.forms.sizes import sizes_of
from tests.support.networks import mlp
from tests.support.repairs import VERSION, in_code, masks_of

SECOND = "/gemm_2/Gemm"


@pytest.mark.parametrize("form", [Form.MASKED, Form.FOLDED, Form.SWITCHABLE])
def test_sizes_are_of_the_edges_that_are_masked_and_of_what_is_added(form: Form) -> None:
    weight = np.array([[1.0, -8.0, 3.0], [0.5, 2.0, -4.0]])
    original = in_code(mlp([np.eye(3), weight], [np.zeros(3), np.zeros(2)]))
    masks = masks_of(
        original,
        [MaskRecord(layer=SECOND, parents=[1], beta=0.75), MaskRecord(layer=SECOND, parents=[2], children=[1], beta=0)],
        means=[MeanRecord(layer=SECOND, parents=[1, 2], values=[10.0, 0.5])],
    )
    (found,) = sizes_of(original, repair(original, masks, form, VERSION))
    assert astuple(found) == (SECOND, 3, 6, 4.0, 8.0, 20.0)


def test_masks_that_take_nothing_change_nothing() -> None:
    original = in_code(mlp([np.eye(3), np.ones((2, 3))], [np.zeros(3), np.zeros(2)]))
    masks = masks_of(original, [MaskRecord(layer=SECOND, parents=[1], beta=1)])
    (found,) = sizes_of(original, repair(original, masks, Form.MASKED, VERSION))
    assert astuple(found) == (SECOND, 0, 6, 0.0, 1.0, 0.0)
