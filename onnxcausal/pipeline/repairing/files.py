"""The repaired file: written, opened again, and compared with the original in size and time."""

from collections.abc import Sequence
from pathlib import Path

from onnxcausal.analysis.sideeffects import CostRecord
from onnxcausal.onnxgraph.model import Model, load_model
from onnxcausal.onnxgraph.network import Network
from onnxcausal.pipeline.configuration import Configuration
from onnxcausal.pipeline.prepare import Machine
from onnxcausal.pipeline.repairing.sideeffects import milliseconds
from onnxcausal.pipeline.supply import open_with_data
from onnxcausal.samples.source import Inputs


def costs_of(
    files: Sequence[Path], configuration: Configuration, x: Inputs, machine: Machine
) -> tuple[CostRecord, ...]:
    """Return what model files take, their time measured in turns.

    Args:
        files: files that were written here or opened before.
        configuration: how they are read, all of them alike.
        x: one input, `[1, ...]`.
        machine: what of the machine may be used.
    """
    models = [load_model(path, follow_links=machine.caution.follow_links) for path in files]
    times = milliseconds([opened(model, configuration, machine) for model in models], x)
    sizes = [bytes_of(path, model) for path, model in zip(files, models, strict=True)]
    return tuple(CostRecord(bytes=size, milliseconds=time) for size, time in zip(sizes, times, strict=True))


def opened(model: Model, configuration: Configuration, machine: Machine) -> Network:
    """Return a model in a session, read as the configuration says."""
    return open_with_data(model, configuration, None, machine.provider, machine.caution.limits)[0]


def bytes_of(path: Path, model: Model) -> int:
    """Return the size of a model file and of the files its weights stand in."""
    return sum(file.stat().st_size for file in (path, *(path.parent / name for name in model.external)))
