"""The repaired file: written for a trial, opened again, run, and compared with the original in size and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.analysis.formats.side_effects import CostRecord
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decide
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.pipeline.preparing.data import EXAMPLES, open_with_data
from onnxcausal.pipeline.preparing.file_decisions import FileDecisions
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.writing.placing import put
from onnxcausal.pipeline.writing.pruned import PrunedSize, compare_pruned
from onnxcausal.samples.source import Inputs

RUNS = 31
"""Runs of which the median time is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class TriedFile:
    """What a repaired file does.

    Attributes:
        decisions: what it decides on the samples to report on.
        cost: what the original and it take.
        smaller: what was taken out of it, if it is pruned.
    """

    decisions: Decisions
    cost: tuple[CostRecord, ...]
    smaller: PrunedSize | None


def try_out(
    original: Original,
    repaired: Repaired,
    out: Path,
    part: HeldOutSamples,
    configuration: Configuration,
    *,
    machine: Machine,
    probabilities: bool,
) -> TriedFile:
    """Return what a repaired file does, written to a folder that is gone afterwards.

    Args:
        original: the model file.
        repaired: the repaired one.
        out: where it will stand.
        part: the samples to report on.
        configuration: how the model is read.
        machine: what of the machine may be used.
        probabilities: whether its scores are probabilities already.
    """
    follow, record = machine.caution.follow_links, repaired.record
    smaller = compare_pruned(repaired, original, record.masks) if record.form is Form.PRUNED else None
    with TemporaryDirectory(prefix=f".{out.stem}.", dir=out.parent) as folder:
        place = Path(folder) / out.name
        put(place, repaired.proto, original, repaired.data, follow_links=follow)
        network = opened(load_model(place, follow_links=follow), configuration, machine)
        file = FileDecisions(network, next(part.blocks()).x[:EXAMPLES], provider=machine.provider)
        decisions = decide(network, part, probabilities=probabilities, file=file)
        cost = costs_of((original.path, place), configuration, next(part.blocks()).x[:1], machine)
    return TriedFile(decisions, cost, smaller)


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
    return open_with_data(model, configuration, None, machine)[0]


def bytes_of(path: Path, model: Model) -> int:
    """Return the size of a model file and of the files its weights stand in."""
    return sum(file.stat().st_size for file in (path, *(path.parent / name for name in model.external)))


def milliseconds(networks: Sequence[Network], x: Inputs) -> list[float]:
    """Return what one sample takes each of some models, the median of runs in turns.

    Args:
        networks: the models.
        x: one input, `[1, ...]`.
    """
    taken: list[list[float]] = [[] for _ in networks]
    for _ in range(RUNS):
        for network, times in zip(networks, taken, strict=True):
            start = perf_counter()
            network.scores(x)
            times.append(1000 * (perf_counter() - start))
    return [median(times) for times in taken]
