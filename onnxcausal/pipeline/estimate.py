"""What an analysis would take: the same preparations as for the run itself, and one timed pass of the model."""

import time
from pathlib import Path

import numpy as np

from onnxcausal.analysis.result.run_estimate import LayerEstimate, RunEstimate
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.runner.memory import Memory
from onnxcausal.pipeline.preparing.configuration import Configured
from onnxcausal.pipeline.preparing.data import first_samples
from onnxcausal.pipeline.preparing.machine import Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_model
from onnxcausal.pipeline.preparing.prepare import Prepared, prepare

TIMED = 16
"""Samples of the timed pass."""
BATCH_REPEATS = 3
"""Timed passes, the fastest of which counts: the first one allocates."""


@bounded
def estimate(path: Path, configured: Configured, machine: Machine) -> RunEstimate:
    """Return what an analysis would take.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        machine: what of the machine may be used.

    Raises:
        OnnxCausalError: as `analyze` says.
    """
    model = open_model(path, machine.caution, configured.values.model.output)
    prepared = prepare(model, configured.values, machine=machine)
    flow, settings = prepared.wiring.flow, prepared.settings
    layers, most_bytes = [], 0
    for layer in reversed(flow.layers):
        probe = PathProbe(layer, flow.nodes[layer.name], np.arange(layer.children), settings.beta)
        cost = prepared.engine.cost(probe)
        most_bytes = max(most_bytes, cost.row_bytes)  # the engine is made ready for every layer
        if layer.name in prepared.left_out:
            continue
        tested = len(probe) if settings.budget is None else min(len(probe), settings.budget)
        layers.append(
            LayerEstimate(layer.name, layer.op_type, tested, layer.children, cost.work, cost.row_bytes, cost.how)
        )
    most = max(len(prepared.samples.of_class(target)) for target in prepared.classes.targets)
    memory = Memory.of(machine.memory)
    return RunEstimate(
        model=prepared.network.model.name,
        targets=prepared.classes.targets,
        samples=min(settings.samples, most),
        layers=tuple(layers),
        left_out=prepared.left_out,
        whole_work=prepared.wiring.work,
        rate=_rate(prepared),
        memory=memory.bound,
        fewest_memory=memory.needed(0, most_bytes),
    )


def _rate(prepared: Prepared) -> float:
    """Return the multiply-adds a second of the unmodified model."""
    x = np.repeat(first_samples(prepared.samples)[:1], TIMED, axis=0)
    seconds = []
    for _ in range(BATCH_REPEATS):
        start = time.perf_counter()
        prepared.network.scores(x)
        seconds.append(time.perf_counter() - start)
    return max(1, prepared.wiring.work) * len(x) / min(seconds)
