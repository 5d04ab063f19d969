"""Repaired files where they are deployed: other runtimes, and after programs that simplify graphs."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from onnxcausal.analysis.formats.masks import MeanRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.forms.masked_file import Repaired, mask_values, repair, without_masks
from onnxcausal.onnxgraph.graph.edits import OLDEST_OVERRIDABLE_IR
from onnxcausal.onnxgraph.masking.masked import with_masks
from onnxcausal.onnxgraph.masking.mean_ablation import parent_means, shifts_of
from onnxcausal.onnxgraph.original.original import Original
from tests.support.assets import PREPARED, model_path, needs_assets, prepared
from tests.support.opened import TOLERANCE, Inputs, open_proto
from tests.support.oracles import Array
from tests.support.repairs import (
    VERSION,
    few_masks,
    from_file,
    in_code,
    masks_of,
    replaced_scores,
    run,
    some_means,
    without_effect,
)

SHIPPED = Path(__file__).parents[3] / "models"
ATTENUATED = 0.25
UNSORTED = frozenset(["mnist_keras2onnx_cnn_tiny_nhwc"])
"""Models whose own ops do not stand in order, which the checker refuses and ONNX Runtime does not."""
FEEDS = dict[str, NDArray[Any]]

MODELS = [
    "digits_lenet",
    "mnist_lenet",
    pytest.param("cifar10_resnet20", marks=[needs_assets, pytest.mark.slow]),
    pytest.param("cifar10_resnet20_bn_kept", marks=[needs_assets, pytest.mark.slow]),
]
every_model = pytest.mark.parametrize("name", MODELS)
every_form = pytest.mark.parametrize("form", Form)


@dataclass(frozen=True)
class Deployed:
    """A model, its repairs in every form, some inputs, and what the repairs make of them in float64."""

    original: Original
    forms: dict[Form, Repaired]
    feeds: FEEDS
    expected: Array

    @property
    def atol(self) -> float:
        return TOLERANCE * float(np.abs(self.expected).max())

    def plain(self) -> Array:
        """Return the scores of the model as it is, which are far from those of its repairs."""
        (scores,) = run(self.original.proto, self.feeds)
        assert np.abs(scores - self.expected).max() > 100 * self.atol
        return np.asarray(scores)


@cache
def deployed(name: str) -> Deployed:
    is_shipped = (SHIPPED / f"{name}.onnx").exists()
    original = from_file(SHIPPED / f"{name}.onnx" if is_shipped else model_path(name))
    x = images(original) if is_shipped else prepared(name, 3)
    opened = open_proto(original.proto, x)
    rng = np.random.default_rng(1)
    entries, means = few_masks(opened.layers, rng, ATTENUATED), some_means(opened.layers, rng)
    masks = masks_of(original, entries, means=means)
    forms = {form: repair(original, masks, form, VERSION) for form in Form}
    return Deployed(
        original, forms, {original.proto.graph.input[0].name: x}, replaced_scores(opened, entries, means, x)
    )


def images(original: Original) -> Inputs:
    side = original.proto.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    return np.random.default_rng(0).random((3, 1, side, side)).astype(np.float32)


def opened_by_opencv(proto: onnx.ModelProto, feeds: FEEDS) -> cv2.dnn.Net:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(proto.SerializeToString(), np.uint8))
    for name, value in feeds.items():
        net.setInput(value, name)
    return net


@every_form
@every_model
def test_a_repaired_file_is_valid_and_computes_the_repair_in_onnx_runtime(name: str, form: Form) -> None:
    held = deployed(name)
    found = held.forms[form].proto
    onnx.checker.check_model(found, full_check=True)
    np.testing.assert_allclose(run(found, held.feeds)[0], held.expected, rtol=0, atol=held.atol)


@every_form
@every_model
def test_a_repaired_file_computes_the_repair_in_opencv(name: str, form: Form) -> None:
    held = deployed(name)
    scores = opened_by_opencv(held.forms[form].proto, held.feeds).forward()
    np.testing.assert_allclose(scores, held.expected, rtol=0, atol=held.atol)


@every_form
@every_model
def test_a_repaired_file_computes_the_repair_in_the_reference_evaluator(name: str, form: Form) -> None:
    held = deployed(name)
    (scores,) = np.asarray(ReferenceEvaluator(held.forms[form].proto).run(None, held.feeds))
    np.testing.assert_allclose(scores, held.expected, rtol=0, atol=held.atol)


@every_model
def test_a_switchable_file_switches_in_onnx_runtime_and_in_the_reference_evaluator(name: str) -> None:
    held = deployed(name)
    found = held.forms[Form.SWITCHABLE]
    feeds = held.feeds | without_effect(found)
    (scores,) = np.asarray(ReferenceEvaluator(found.proto).run(None, feeds))
    for switched in (run(found.proto, feeds)[0], scores):
        np.testing.assert_allclose(switched, held.plain(), rtol=0, atol=held.atol)


def test_opencv_knows_no_inputs_with_defaults_and_keeps_to_the_repair() -> None:
    held = deployed("digits_lenet")
    found = held.forms[Form.SWITCHABLE]
    for name, value in without_effect(found).items():
        with pytest.raises(cv2.error, match="is not found"):
            opened_by_opencv(found.proto, held.feeds | {name: value})


def slimmed(proto: onnx.ModelProto) -> onnx.ModelProto:
    onnxslim = pytest.importorskip("onnxslim")
    copy: onnx.ModelProto = onnxslim.slim(onnx.ModelProto.FromString(proto.SerializeToString()))
    return copy


def simplified(proto: onnx.ModelProto) -> onnx.ModelProto:
    onnxsim = pytest.importorskip("onnxsim", reason="onnxsim has no wheel for this Python")
    found, is_checked = onnxsim.simplify(onnx.ModelProto.FromString(proto.SerializeToString()))
    assert is_checked
    copy: onnx.ModelProto = found
    return copy


@pytest.mark.parametrize("simplify", [slimmed, simplified])
@every_form
@every_model
def test_a_repaired_file_can_be_simplified_and_loses_its_masks_by_that(
    name: str, form: Form, simplify: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> None:
    held = deployed(name)
    found = held.forms[form]
    simple, plain = simplify(found.proto), simplify(held.original.proto)
    onnx.checker.check_model(simple, full_check=True)
    np.testing.assert_allclose(run(simple, held.feeds)[0], held.expected, rtol=0, atol=held.atol)
    # Masks are folded into the weights, also those that are inputs: a switchable file switches no longer.
    assert not set(found.record.inserted.values()) & {tensor.name for tensor in simple.graph.initializer}
    assert [value.name for value in simple.graph.input] == list(held.feeds)
    added = Counter(op.op_type for op in simple.graph.node) - Counter(op.op_type for op in plain.graph.node)
    kinds = {"Add"} if form in (Form.MASKED, Form.SWITCHABLE) else set()  # of means, where no bias takes them
    assert added.keys() <= kinds
    assert not Counter(op.op_type for op in plain.graph.node) - Counter(op.op_type for op in simple.graph.node)


@pytest.mark.parametrize("simplify", [slimmed, simplified])
def test_masks_without_means_leave_no_op_behind(simplify: Callable[[onnx.ModelProto], onnx.ModelProto]) -> None:
    original = deployed("digits_lenet").original
    entries = few_masks(open_proto(original.proto, images(original)).layers, np.random.default_rng(2))
    plain = Counter(op.op_type for op in simplify(original.proto).graph.node)
    for form in Form:
        found = repair(original, masks_of(original, entries), form, VERSION).proto
        assert Counter(op.op_type for op in simplify(found).graph.node) == plain


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", ["odd_resnet20_qdq", "odd_resnet20_qlinearconv"])
def test_a_quantised_resnet_is_repaired_in_its_own_ops(name: str) -> None:
    original = from_file(model_path(name))
    x = prepared("cifar10_resnet20", 4)
    opened = open_proto(original.proto, x)
    entries = few_masks(opened.layers, np.random.default_rng(1))
    found = repair(original, masks_of(original, entries), Form.FOLDED, VERSION)
    onnx.checker.check_model(found.proto, full_check=True)
    assert found.proto.graph.node == original.proto.graph.node
    masks = mask_values({layer.name: layer for layer in opened.layers}, entries)
    expected = with_masks(opened.network, masks, opened.wiring).scores(x)
    again = open_proto(found.proto, x).network.scores(x)
    np.testing.assert_array_equal(again, expected)
    means = parent_means(opened.network, opened.wiring, x)
    shifts = shifts_of(opened.network, opened.wiring, masks, means)
    expected = with_masks(opened.network, masks, opened.wiring, shifts=shifts).scores(x)
    replaced = repair(original, masks_of(original, entries, means=all_of(means)), Form.FOLDED, VERSION)
    again = open_proto(replaced.proto, x).network.scores(x)
    last = original.proto.graph.node[-1]
    (step,) = (numpy_helper.to_array(held) for held in original.proto.graph.initializer if held.name == last.input[1])
    np.testing.assert_allclose(again, expected, rtol=0, atol=1.01 * float(step))  # through twenty layers


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", PREPARED)
def test_means_of_real_models_are_those_of_memory_in_every_form(name: str) -> None:
    original = from_file(model_path(name))
    x = prepared(name, 3)
    opened = open_proto(original.proto, x)
    entries = few_masks(opened.layers, np.random.default_rng(1), ATTENUATED)
    means = parent_means(opened.network, opened.wiring, x)
    assert set(means) == {layer.name for layer in opened.layers}
    masks = mask_values({layer.name: layer for layer in opened.layers}, entries)
    shifts = shifts_of(opened.network, opened.wiring, masks, means)
    expected = with_masks(opened.network, masks, opened.wiring, shifts=shifts).scores(x)
    scale = max(float(np.abs(expected).max()), float(np.abs(opened.network.scores(x)).max()))
    for form in Form:
        if form is Form.SWITCHABLE and original.proto.ir_version < OLDEST_OVERRIDABLE_IR:
            continue
        found = repair(original, masks_of(original, entries, means=all_of(means)), form, VERSION)
        if name not in UNSORTED:
            onnx.checker.check_model(found.proto, full_check=True)
        scores = open_proto(found.proto, x).network.scores(x)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=TOLERANCE * scale)
        if form in (Form.MASKED, Form.SWITCHABLE):
            held = Original(original.path, in_code(found.proto).model, found.proto)
            assert without_masks(held, found.record).SerializeToString() == original.proto.SerializeToString()


def all_of(means: Mapping[str, Array]) -> list[MeanRecord]:
    return [
        MeanRecord(layer=layer, parents=list(range(len(values))), values=values.tolist())
        for layer, values in means.items()
    ]
