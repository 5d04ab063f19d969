"""The engines on an NVIDIA device, against the CPU; run where there is one."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import Precision
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.onnxgraph.runner.available import why_not
from onnxcausal.onnxgraph.runner.provider import CUDA, Provider
from tests.support.assets import model_path, needs_assets, prepared
from tests.support.networks import BLOCKS, HEADS, classifier
from tests.support.opened import Opened, assert_suffix_equals_reference, open_proto
from tests.support.oracles import Array

DEVICE = Provider(CUDA)
pytestmark = pytest.mark.skipif(bool(why_not(CUDA)), reason=f"CUDA does not run here: {why_not(CUDA)}")


def images(seed: int, count: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def on_device(opened: Opened, x: NDArray[np.float32]) -> Opened:
    """Return a model opened on the device."""
    network = open_network(opened.network.model, provider=DEVICE)
    assert network.plain.providers[0] == CUDA
    return Opened(opened.proto, network, find_wiring(network, x))


def effects_on_device(opened: Opened, x: NDArray[np.float32], precision: Precision) -> tuple[Array, SuffixEngine]:
    """Return effects of the first layer's nodes, and the engine."""
    there = on_device(opened, x)
    engine = SuffixEngine(there.network, there.wiring, provider=DEVICE, precision=precision)
    layer = opened.layers[0]
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))
    return engine.effects(probe, x, lambda scores: outcome_of(scores, 0)), engine


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("block", BLOCKS)
def test_effects_on_a_device_equal_those_of_the_cpu(block: str, head: str) -> None:
    x = images(3)
    opened = open_proto(classifier([block, "conv"], head, 3), x)
    engine = assert_suffix_equals_reference(opened, x, 3, elsewhere=on_device(opened, x), provider=DEVICE)
    assert not engine.notes  # no layer had to be run whole


@needs_assets
@pytest.mark.parametrize("name", ["lenet5_pytorch_dynamic", "cifar10_resnet20", "cifar10_resnet8_mlperf_nhwc"])
def test_effects_of_real_models_on_a_device_equal_those_of_the_cpu(name: str) -> None:
    x = prepared(name, 12)
    opened = open_proto(onnx.load(model_path(name)), x)
    assert_suffix_equals_reference(opened, x, 3, nodes=4, elsewhere=on_device(opened, x), provider=DEVICE)


@pytest.mark.parametrize("precision", [Precision.TF32, Precision.FP16])
def test_the_deviation_of_a_coarser_precision_is_told(precision: Precision) -> None:
    x = images(17)
    opened = open_proto(classifier(["conv", "residual"], "flatten", 17), x)
    found, engine = effects_on_device(opened, x, precision)
    exact, _ = effects_on_device(opened, x, Precision.FP32)
    assert np.abs(found - exact).max() < 0.02 * np.abs(opened.exact_scores(x)).max()
    assert any(f"precision {precision}: effects deviate from fp32 by up to" in note for note in engine.notes)


def test_the_same_run_gives_the_same_bytes_again() -> None:
    x = images(5, 40)
    opened = open_proto(classifier(["residual", "depthwise"], "average", 5), x)
    (first, _), (again, _) = (effects_on_device(opened, x, Precision.FP32) for _ in range(2))
    np.testing.assert_array_equal(first, again)
