"""The repaired file: written for a trial, opened again, run, and compared with the original in size and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from onnxcausal.analysis.repair import Form
from onnxcausal.analysis.sideeffects import CostRecord
from onnxcausal.onnxgraph.model import Model, load_model
from onnxcausal.onnxgraph.network import Network
from onnxcausal.onnxgraph.original import Original
from onnxcausal.onnxgraph.repairforms import Repaired
from onnxcausal.pipeline.apply import Smaller, compare_pruned
from onnxcausal.pipeline.configuration import Configuration, Configured
from onnxcausal.pipeline.placing import put
from onnxcausal.pipeline.prepare import Machine
from onnxcausal.pipeline.repairing.parts import Decisions, Part, decide
from onnxcausal.pipeline.repairing.sideeffects import milliseconds
from onnxcausal.pipeline.supply import open_with_data
from onnxcausal.samples.source import Inputs


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What a repaired file does.

    Attributes:
        decisions: what it decides on the samples to report on.
        cost: what the original and it take.
        smaller: what was taken out of it, if it is pruned.
    """

    decisions: Decisions
    cost: tuple[CostRecord, ...]
    smaller: Smaller | None


def try_out(
    original: Original,
    repaired: Repaired,
    out: Path,
    part: Part,
    configured: Configured,
    *,
    machine: Machine,
    probabilities: bool,
) -> Tried:
    """Return what a repaired file does, written to a folder that is gone afterwards.

    Args:
        original: the model file.
        repaired: the repaired one.
        out: where it will stand.
        part: the samples to report on.
        configured: how the model is read.
        machine: what of the machine may be used.
        probabilities: whether its scores are probabilities already.
    """
    follow, record = machine.caution.follow_links, repaired.record
    smaller = compare_pruned(repaired, original, record.masks) if record.form is Form.PRUNED else None
    with TemporaryDirectory(prefix=f".{out.stem}.", dir=out.parent) as folder:
        place = Path(folder) / out.name
        put(place, repaired.proto, original, repaired.data, follow_links=follow)
        network = opened(load_model(place, follow_links=follow), configured.values, machine)
        decisions = decide(network, part, probabilities=probabilities)
        cost = costs_of((original.path, place), configured.values, next(part.blocks()).x[:1], machine)
    return Tried(decisions, cost, smaller)


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
