"""What a repaired file changes, measured again from the two files alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onnxcausal.analysis.formats.side_effects import SideEffectsFile
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.original.original import record_of
from onnxcausal.onnxgraph.runner.memory import free_memory
from onnxcausal.pipeline.heldout.changes import side_effects
from onnxcausal.pipeline.heldout.split import KEPT_SHARE, HeldOutSamples, decide_both
from onnxcausal.pipeline.preparing.compatibility import check_several
from onnxcausal.pipeline.preparing.configuration import Configured
from onnxcausal.pipeline.preparing.data import in_full
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
from onnxcausal.pipeline.preparing.prepare import prepare
from onnxcausal.pipeline.repairing.assess import Assessed
from onnxcausal.pipeline.repairing.records import side_effects_file
from onnxcausal.pipeline.writing.held_means import as_made
from onnxcausal.pipeline.writing.trial_file import costs_of, opened


@bounded
def remeasure(
    repaired: Path,
    against: Path,
    configured: Configured,
    *,
    count: int | None = None,
    notes: Sequence[str] = (),
    machine: Machine = HERE,
) -> SideEffectsFile:
    """Return what a repaired file changes on the data at hand.

    Args:
        repaired: the repaired file.
        against: the model it was made from.
        configured: how that model is read, and its data.
        count: samples of each class, the first ones; None: all.
        notes: what a reader must know beside what is measured.
        machine: what of the machine may be used.

    Raises:
        ConfigError: the classes do not compete.
        OnnxCausalError: as its subclasses say.
    """
    caution = machine.caution
    record = record_of(open_original(repaired, caution, run=False))
    values = as_made(configured.values, record.masks.reading)
    original, found = (open_original(path, caution, values.model.output) for path in (against, repaired))
    values = in_full(values, original.model)
    prepared = prepare(original.model, values, machine=machine)
    values = replace(values, model=prepared.reading)
    _check(prepared.settings.task, against, count)
    check_several(prepared.samples, prepared.settings.task)
    samples = prepared.samples
    positions = {target: samples.of_class(target)[:count] for target in samples.present.tolist()}
    part = HeldOutSamples(samples, positions, KEPT_SHARE * free_memory())
    known = prepared.classes.are_probabilities
    changed = replace(prepared.file, network=opened(found.model, values, machine))
    before, after, largest = decide_both((prepared.file, changed), part, probabilities=known)
    same = record.masks.provenance.get("data_sha256") == prepared.origin.data_sha256
    return side_effects_file(
        prepared,
        record.masks,
        Assessed(side_effects(before, after)),
        (None, part),
        protected=tuple(positions),
        settings={"count": count},
        cost=costs_of((against, repaired), values, next(part.blocks()).x[:1], machine),
        notes=[
            *(["the masks were chosen on samples of this data: the numbers flatter them"] if same else []),
            f"a score changes by up to {largest:.3g}",
            *notes,
        ],
    )


def _check(task: Task, against: Path, count: int | None) -> None:
    """Refuse what nothing can be measured on."""
    if not task.compares:
        raise ConfigError(
            "the model decides for each class on its own",
            where=f"{against}, task {task}",
            why="its accuracy on the samples of a class says nothing of its false alarms",
            remedy="verify with --no-data",
        )
    if count is not None and count < 1:
        raise ConfigError(
            "no sample is left to measure on",
            where=f"--count {count}",
            why="it is a number of samples of each class",
            remedy="give at least 1, or leave it out",
        )
