"""Real models that are large, quantised, in half precision, or of other tasks, held to float64 on some nodes."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import WHOLE_MODEL, open_network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.samples.images import image_folder
from onnxcausal.samples.preprocess import ChannelOrder, Preprocess
from onnxcausal.samples.source import InputSpec
from tests.support.assets import ANIMALS, LEVELS, cifar, model_path, needs_assets
from tests.support.opened import Inputs, Opened, assert_suffix_equals_reference
from tests.support.support import assert_some_equal_to_float64

CROPPED = {"resize": 256, "center_crop": 224}


def opened_file(name: str, x: Inputs, reading: Reading = WHOLE_MODEL) -> Opened:
    """Return a model of the assets, opened as an analysis does."""
    model = load_model(model_path(name))
    network = settle_batch(open_network(model, reading), x)
    return Opened(network.proto, network, find_wiring(network, x[:1]))


def animals(count: int, **settings: object) -> Inputs:
    spec = InputSpec("x", (None, 3, 224, 224))
    folder = image_folder(ANIMALS, spec, Preprocess(**settings), None, skip_bad=False)  # type: ignore[arg-type]
    return folder.read(np.arange(0, 40 * count, 40)).x


def small_pictures() -> Inputs:
    return np.ascontiguousarray(LEVELS["imagenet"](cifar()[:5].astype(np.float64)).transpose(0, 3, 1, 2), np.float32)


def noise(*shape: int) -> Inputs:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def letters() -> Inputs:
    return np.random.default_rng(0).integers(97, 123, (5, 12)).astype(np.float32)


bgr = partial(animals, **CROPPED, channels=ChannelOrder.BGR, mean=(104.0, 117.0, 123.0))
PICTURES: dict[str, tuple[Callable[[], Inputs], int, int]] = {
    "cifar10_resnet56": (small_pictures, 9, 3),
    "odd_resnet56_external": (small_pictures, 9, 3),
    "odd_resnet20_qdq": (small_pictures, 3, 4),
    "odd_resnet20_qlinearconv": (small_pictures, 3, 4),
    "imagenet_squeezenet11_fp32": (partial(bgr, 2), 8, 2),
    "imagenet_squeezenet11_fp16": (partial(bgr, 2), 8, 2),
    "imagenet_mobilenetv2_qat_dequant": (
        partial(animals, 2, **CROPPED, rescale=1 / 128, mean=(1.0,)),
        13,
        2,
    ),
}
"""Inputs of each model, which of its layers are compared (every so many), and how many nodes of them."""


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_both_engines_equal_float64_in_large_quantised_and_half_precision_models(name: str) -> None:
    make, every, nodes = PICTURES[name]
    x = make()
    opened = opened_file(name, x)
    engine = assert_suffix_equals_reference(opened, x, seed=1, nodes=nodes, every=every)
    assert not any("whole-model form" in note for note in engine.notes)
    assert_some_equal_to_float64(opened, x, seed=2, nodes=1, layers=every)
    assert not opened.wiring.passed_over


@needs_assets
@pytest.mark.parametrize(
    ("name", "x", "settings"),
    [
        ("iris_winml_pytorch_mlp", noise(6, 4), Reading()),
        ("iris_skl_mlp", noise(6, 4), Reading()),
        ("iris_skl_mlp_zipmap", noise(6, 4), Reading()),
        ("digits_skl_mlp", noise(6, 64), Reading()),
        ("odd_kws_mfcc_mlp", noise(6, 25, 10), Reading()),
        ("odd_bidi_lstm", letters(), Reading(reduce=Reduction.MEAN, class_axis=2)),
    ],
)
def test_models_of_other_kinds_are_analysed(name: str, x: Inputs, settings: Reading) -> None:
    opened = opened_file(name, x, settings)
    assert opened.network.task is Task.CLASSIFICATION
    assert_suffix_equals_reference(opened, x, seed=1)
    assert_some_equal_to_float64(opened, x, seed=2)


@needs_assets
@pytest.mark.slow
def test_a_detector_is_analysed_on_a_named_output_and_reduction() -> None:
    x = noise(2, 3, 240, 320)
    reading = Reading(output="scores", reduce=Reduction.MAX, class_axis=2)
    opened = opened_file("odd_detector_ultraface", x, reading)
    assert_suffix_equals_reference(opened, x, seed=1, nodes=2, every=12)
    assert_some_equal_to_float64(opened, x, seed=2, nodes=1, layers=12)
