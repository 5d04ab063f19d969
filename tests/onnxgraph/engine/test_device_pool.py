"""Several processes sharing the nodes of a layer, here on the CPU."""

import multiprocessing
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.result.settings import EngineKind, Precision
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.engine.device_pool import PoolEngine, Recipe
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.runner.deadline import Watch
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA, Provider
from onnxcausal.pipeline.preparing.machine import Machine
from tests.pipeline.inferring.test_measure import DIGITS
from tests.support.hostile import HOSTILE
from tests.support.hostile_data import LARGE
from tests.support.networks import classifier
from tests.support.opened import Opened, open_proto


def images(seed: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def pool(
    opened: Opened,
    x: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    part: onnx.ModelProto | None = None,
    watch: Watch | None = None,
) -> PoolEngine:
    network = opened.network
    recipe = Recipe(
        model=network.model,
        spec=network.spec,
        outcome=network.outcome,
        proto=part or network.proto,
        example=x[:1],
        reference=reference,
        provider=Provider(CPU),
        memory=2**33,
        precision=Precision.FP32,
        watch=watch,
    )
    return PoolEngine(network, opened.wiring, [recipe, recipe])


@pytest.mark.slow
@pytest.mark.parametrize("with_mean", [False, True])
def test_two_processes_give_what_one_gives(*, with_mean: bool) -> None:
    x, reference = images(0), images(1) if with_mean else None
    opened = open_proto(classifier(["conv", "residual"], "flatten", 0), x)
    outcome = partial(outcome_of, target=1)
    alone, shared = opened.engine(EngineKind.SUFFIX, reference), pool(opened, x, reference)
    assert shared.replace is alone.replace
    for layer in opened.layers:
        probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))
        for columns in (slice(None), slice(1, 4)):
            found = shared.effects(probe, x, outcome, columns=columns)
            expected = alone.effects(probe, x, outcome, columns=columns)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert shared.notes == ()


@pytest.mark.slow
def test_what_a_process_raises_is_raised_here() -> None:
    x = images(2)
    opened = open_proto(classifier(["conv"], "flatten", 2), x)
    broken = pool(opened, x, part=onnx.ModelProto())
    layer = opened.layers[0]
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))
    with pytest.raises(ModelError, match="ONNX Runtime refuses the model"):
        broken.effects(probe, x, partial(outcome_of, target=0))


@pytest.mark.slow
def test_a_run_that_never_ends_is_stopped_in_the_processes_too(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, 1, 4, 4)).astype(np.float32)
    endless = next(file for file in HOSTILE if file.name == "Loop that never ends on samples above 1000")
    opened = open_proto(onnx.load(endless.write(tmp_path)), x)
    layer = opened.layers[0]
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))
    shared = pool(opened, x, watch=Watch(1))
    x[0, 0, 0, 0] = 2 * LARGE
    with pytest.raises(ModelError, match="a run of the model was stopped"):
        shared.effects(probe, x, partial(outcome_of, target=0))


@pytest.mark.slow
def test_a_process_that_was_killed_is_told() -> None:
    x = images(4)
    opened = open_proto(classifier(["conv"], "flatten", 4), x)
    shared = pool(opened, x)
    layer = opened.layers[0]
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))
    shared.effects(probe, x, partial(outcome_of, target=0))
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
    with pytest.raises(ModelError, match="a process that shared the work has ended"):
        shared.effects(probe, x, partial(outcome_of, target=0))


def test_devices_are_refused_where_there_are_none() -> None:
    with pytest.raises(ConfigError, match="no devices to share the work"):
        analyze(DIGITS, targets=[3], samples=20, machine=Machine.of(provider="cpu", devices=[0, 1]))


def test_a_device_is_asked_for_by_its_number() -> None:
    opened = open_proto(classifier(["conv"], "flatten", 3), images(3))
    opened.network.plain.providers = (CUDA, CPU)
    asked = opened.network.plain.on_device(1, Provider(CUDA, {"cudnn_conv_algo_search": "DEFAULT"}))
    assert asked == Provider(CUDA, {"cudnn_conv_algo_search": "DEFAULT", "device_id": "1"})
