"""The pruned form of real models: small enough, checked, run, and the same as the folded form."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.file.model import input_spec
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import Group, removable_groups
from onnxcausal.pipeline.writing.placing import put
from tests.support.assets import PREPARED, model_path, needs_assets, prepared
from tests.support.opened import HALF_PRECISION, TOLERANCE
from tests.support.pruned import lost, masks_for
from tests.support.repairs import VERSION, from_file, masks_of

SHIPPED = Path(__file__).parents[3] / "models"
LARGE = (
    "cifar10_resnet56",
    "imagenet_mobilenetv1_025_128",
    "imagenet_mobilenetv2_qat_dequant",
    "imagenet_squeezenet11_fp32",
    "imagenet_squeezenet11_fp16",
    "odd_resnet20_qdq",
    "odd_resnet56_external",
)
UNSORTED = ("mnist_keras2onnx_cnn_tiny_nhwc",)
"""Files that onnx.checker refuses as they are."""


def chosen(original: Original, share: float = 0.4) -> list[Group]:
    rng = np.random.default_rng(0)
    return [group for group in removable_groups(original) if rng.random() < share]


def both(original: Original, groups: list[Group]) -> tuple[Repaired, Repaired]:
    masks = masks_of(original, masks_for(groups))
    folded, pruned = (repair(original, masks, form, VERSION) for form in (Form.FOLDED, Form.PRUNED))
    return folded, pruned


def written(found: Repaired, original: Original, folder: Path) -> Path:
    folder.mkdir()
    put(folder / "model.onnx", found.proto, original, found.data)
    return folder / "model.onnx"


def outputs(path: Path, feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return np.asarray(ort.InferenceSession(str(path), options).run(None, feeds)[0], np.float64)


def inputs(original: Original, name: str) -> dict[str, NDArray[Any]]:
    spec = input_spec(original.proto, name)
    if name in PREPARED:
        return {spec.name: prepared(name, spec.shape[0] or 2)}
    kind = next(value for value in original.proto.graph.input if value.name == spec.name).type.tensor_type.elem_type
    drawn = np.random.default_rng(1).normal(size=[size or 1 for size in spec.shape])
    return {spec.name: drawn.astype(helper.tensor_dtype_to_np_dtype(kind))}


def assert_smaller_and_the_same(original: Original, name: str, folder: Path) -> None:
    groups = chosen(original)
    assert groups
    folded, pruned = both(original, groups)
    gone = {(layer, child) for layer, (_, children) in lost(pruned).items() for child in children}
    assert gone == {(layer, child) for group in groups for layer, children in group.children for child in children}
    assert count_parameters(pruned.proto).number < 0.9 * count_parameters(original.proto).number
    paths = [written(one, original, folder / one.record.form) for one in (folded, pruned)]
    if name not in UNSORTED:
        onnx.checker.check_model(str(paths[1]), full_check=True)
    expected, found = (outputs(path, inputs(original, name)) for path in paths)
    tolerance = HALF_PRECISION if name.endswith(("fp16", "qdq")) else TOLERANCE
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@needs_assets
@pytest.mark.parametrize("name", PREPARED)
def test_real_models_are_smaller_and_the_same(name: str, tmp_path: Path) -> None:
    assert_smaller_and_the_same(from_file(model_path(name)), name, tmp_path)


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_larger_quantised_half_and_split_models_are_smaller_and_the_same(name: str, tmp_path: Path) -> None:
    assert_smaller_and_the_same(from_file(model_path(name)), name, tmp_path)


@needs_assets
def test_quantised_weights_stay_quantised() -> None:
    original = from_file(model_path("odd_resnet20_qdq"))
    _, pruned = both(original, chosen(original))
    kinds = {tensor.name: tensor.data_type for tensor in original.proto.graph.initializer}
    assert {tensor.name: tensor.data_type for tensor in pruned.proto.graph.initializer} == kinds
    assert pruned.proto.graph.node == original.proto.graph.node


@needs_assets
def test_weights_in_another_file_stay_outside_and_only_those_that_changed_are_new(tmp_path: Path) -> None:
    original = from_file(model_path("odd_resnet56_external"))
    (group, *_) = removable_groups(original)[-1:]
    _, pruned = both(original, [group])
    ((name, content),) = pruned.data.items()
    new = 0
    before = {tensor.name: tensor for tensor in original.proto.graph.initializer}
    for tensor in pruned.proto.graph.initializer:
        if any(entry.value == name for entry in tensor.external_data):
            new += int(next(entry.value for entry in tensor.external_data if entry.key == "length"))
            assert list(tensor.dims) != list(before[tensor.name].dims)
        else:
            assert tensor == before[tensor.name]
    assert new == len(content) > 0
    onnx.checker.check_model(str(written(pruned, original, tmp_path / "out")), full_check=True)


@pytest.mark.parametrize("name", ["digits_lenet", "mnist_lenet"])
def test_runtimes_agree_on_the_smaller_shipped_models(name: str, tmp_path: Path) -> None:
    original = from_file(SHIPPED / f"{name}.onnx")
    folded, pruned = both(original, chosen(original, 0.6))
    size = original.proto.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    x = np.random.default_rng(0).random((4, 1, size, size)).astype(np.float32)
    feeds: dict[str, NDArray[Any]] = {original.proto.graph.input[0].name: x}
    paths = [written(one, original, tmp_path / one.record.form) for one in (folded, pruned)]
    expected = outputs(paths[0], feeds)
    tolerance = TOLERANCE * float(np.abs(expected).max())
    np.testing.assert_allclose(outputs(paths[1], feeds), expected, rtol=0, atol=tolerance)
    (by_definition,) = np.asarray(ReferenceEvaluator(pruned.proto).run(None, feeds))
    np.testing.assert_allclose(by_definition, expected, rtol=0, atol=tolerance)
    net = cv2.dnn.readNetFromONNX(str(paths[1]))
    net.setInput(x, original.proto.graph.input[0].name)
    np.testing.assert_allclose(net.forward(), expected, rtol=0, atol=tolerance)
