"""The reference engine on real models by other authors and frameworks, against float64 edits of their weights."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal.onnxgraph.file.model import input_spec, load_model
from onnxcausal.samples.images import image_folder
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec
from tests.support.assets import ANIMALS, PREPARED, mnist, model_path, needs_assets, prepared
from tests.support.opened import assert_equal_to_edited_weights, open_proto, treatment_effects

SHIPPED = Path(__file__).parents[3] / "models"
LARGE = ("cifar10_resnet20", "cifar10_resnet20_bn_kept", "cifar10_vnn_resnet_4b", "cifar10_squeezenet_tf2onnx_nhwc")


@needs_assets
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in PREPARED]
)
def test_effects_in_every_layer_equal_a_float64_edit_of_the_weights(name: str) -> None:
    model = load_model(model_path(name))
    fixed = input_spec(model.proto, name).shape[0]
    # The float64 computation follows a fixed batch.
    x = prepared(name, fixed if fixed and fixed > 1 else 1 if fixed else 4)
    assert_equal_to_edited_weights(open_proto(model.proto, x), x, 0.0, seed=1)


@needs_assets
@pytest.mark.parametrize("name", ["mnist_lenet", "digits_lenet"])
def test_effects_in_the_shipped_models_equal_a_float64_edit_of_the_weights(name: str) -> None:
    model = load_model(SHIPPED / f"{name}.onnx")
    images = np.pad(mnist()[0][:6], ((0, 0), (2, 2), (2, 2)))[:, None]
    x = np.asarray(images / 255, np.float32)
    assert_equal_to_edited_weights(open_proto(model.proto, x), x, 0.3, seed=2, nodes=10)


@needs_assets
@pytest.mark.slow
def test_effects_in_a_depthwise_network_equal_a_float64_edit_of_the_weights() -> None:
    model = load_model(model_path("imagenet_mobilenetv1_025_128"))
    spec = InputSpec("input", (None, 3, 128, 128))
    settings = Preprocess(resize=146, center_crop=128, rescale=1 / 128, mean=(1.0,))
    x = image_folder(ANIMALS, spec, settings, None, skip_bad=False).read(np.array([3, 60])).x
    opened = open_proto(model.proto, x)
    assert sum(layer.groups > 1 for layer in opened.layers) == 13
    assert_equal_to_edited_weights(opened, x, 0.0, seed=3, nodes=2)


@needs_assets
def test_folding_the_batch_normalisations_changes_no_effect() -> None:
    x = prepared("cifar10_resnet20", 12)
    kept, folded = (
        open_proto(onnx.load(model_path(name)), x) for name in ("cifar10_resnet20_bn_kept", "cifar10_resnet20")
    )
    scale = np.abs(folded.exact_scores(x[:2])).max()
    for old, new in list(zip(kept.layers, folded.layers, strict=True))[::3]:
        targets = np.arange(0, new.children, 3)
        te_kept, _ = treatment_effects(kept, old, targets, x, 4)
        te_folded, _ = treatment_effects(folded, new, targets, x, 4)
        np.testing.assert_allclose(te_kept, te_folded, rtol=0, atol=1e-5 * scale)
        assert np.abs(te_folded).max() > 1e-3 * scale
