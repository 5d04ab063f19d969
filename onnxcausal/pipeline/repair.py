"""The job of repairing a model: choose masks on some samples, report what they do on others, write a file."""

from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.formats.masks import MasksFile, read_masks, with_provenance
from onnxcausal.analysis.formats.masks import to_json as masks_json
from onnxcausal.analysis.formats.output_folder import remove_file, write_file
from onnxcausal.analysis.formats.side_effects import SideEffectsFile, read_side_effects, to_json
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.errors import ConfigError, GateError, OutputError
from onnxcausal.onnxgraph.forms import masked_file
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.original.original import Original, repairs
from onnxcausal.pipeline.heldout.subject import Subject, subject_of
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.repairing.assess import Assessed, assess
from onnxcausal.pipeline.repairing.choose import ChosenPlan, choose
from onnxcausal.pipeline.repairing.controls import broken
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.pipeline.repairing.provenance import provenance_of
from onnxcausal.pipeline.repairing.records import masks_file, side_effects_of
from onnxcausal.pipeline.writing.placing import check_place, files_of, put
from onnxcausal.pipeline.writing.pruned import PrunedSize
from onnxcausal.pipeline.writing.trial_file import try_out
from onnxcausal.report.repair import figure

RECORD, FIGURE = ".repair.json", ".repair.png"
"""Endings of the files beside a repaired one."""
PASSED, FAILED = "passed", "failed"
"""Whether masks pass the gate, as it stands among them; of the same length, so that a trial has the file's size."""
MOST_TOLD = 3
"""Classes that an error names."""


USUAL = RepairOptions()
"""Settings where none are given."""


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """The result of a repair.

    Attributes:
        masks: the masks.
        record: what they change.
        refused: why no file was written, a class a line; empty where one was.
        smaller: what was taken out of a pruned file.
    """

    masks: MasksFile
    record: SideEffectsFile
    refused: tuple[str, ...] = ()
    smaller: PrunedSize | None = None

    def check(self) -> None:
        """Refuse a repair that harms.

        Raises:
            GateError: it was not written.
        """
        more = len(self.refused) - MOST_TOLD
        if self.refused:
            raise GateError(
                "the repair does not pass its gate, and is not written",
                where=f"--max-drop {self.record.settings['max_drop']:.2%}",
                why="; ".join(self.refused[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else ""),
                remedy="repair on more or other samples (chosen again on these, the gate means less), with a larger "
                "--max-drop, or with --portion to have it written as it is",
            )


def repair(
    model: str | Path,
    out: str | Path,
    *,
    analysis: str | Path | None = None,
    data: str | Path | None = None,
    options: RepairOptions = USUAL,
    plan_only: bool = False,
    force: bool = False,
    config: str | Path | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
    **settings: object,
) -> Repair:
    """Return a repair, and write it; the same job as `onnxcausal repair`.

    Args:
        model: the `.onnx` file; the sidecar beside it is used if it exists.
        out: the new `.onnx` file, or with `plan_only` the file of masks.
        analysis: folder that `analyze` wrote; default: the causal graphs are inferred first.
        data: file or folder of samples to choose and to report on; default: what the sidecar names.
        options: settings of the repair.
        plan_only: write the masks alone.
        force: replace another file in its place.
        config: a configuration file in place of the sidecar.
        machine: what of the machine may be used, and how far the file is trusted; see `Machine.of`.
        progress: told what happens.
        **settings: any key of the sidecar.

    Raises:
        GateError: it may harm a protected class; nothing is written.
        NothingToAnalyseError: no plan is better than the model as it is.
        OnnxCausalError: as its subclasses say.
    """
    found = run(
        Path(model),
        configure_by_name(Path(model), config, settings, data),
        Path(out),
        analysis=Path(analysis) if analysis is not None else None,
        options=options,
        plan_only=plan_only,
        force=force,
        machine=machine,
        progress=progress or Silent(),
    )
    found.check()
    return found


@bounded
def run(
    path: Path,
    configured: Configured,
    out: Path,
    *,
    analysis: Path | None = None,
    options: RepairOptions = USUAL,
    plan_only: bool = False,
    force: bool = False,
    machine: Machine = HERE,
    progress: Progress,
) -> Repair:
    """Return a repair, and write it unless it may harm a protected class.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        out: the new file.
        analysis: folder of a saved analysis; None infers the graphs first.
        options: settings of the repair.
        plan_only: write the masks alone, whatever they do.
        force: replace another file in its place.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        NothingToAnalyseError: no plan is better than the model as it is.
        OnnxCausalError: as its subclasses say.
    """
    original = open_original(path, machine.caution, configured.values.model.output)
    _check_places(original, configured, out, plan_only=plan_only, force=force)
    subject = subject_of(original.model, configured, analysis, machine, progress)
    gated = options.portion is None and not plan_only
    chosen = choose(original, subject, options, progress, gated=gated)
    provenance = provenance_of(subject, chosen, options, analysis)
    masks = masks_file(subject, chosen, provenance | {"gate": PASSED})  # until it is measured
    known = subject.prepared.classes.are_probabilities
    made = None if plan_only else masked_file.repair(original, masks, options.form, version_of("onnxcausal"))
    tried = None
    if made is not None:
        read = replace(configured.values, model=subject.prepared.reading)
        tried = try_out(original, made, out, chosen.report, read, machine=machine, probabilities=known)
    progress.layer("other choices of nodes")
    assessed = assess(subject, chosen, None if tried is None else tried.decisions)
    refused = _refusals(subject, chosen, assessed, options)
    masks = with_provenance(masks, provenance | {"gate": FAILED if refused else PASSED})
    cost = () if tried is None else tried.cost
    record = side_effects_of(subject, masks, assessed, chosen, refused=refused, cost=cost)
    found = Repair(masks, record, refused if gated else (), None if tried is None else tried.smaller)
    if made is None:
        write_file(out, masks_json(masks).encode())
    elif not found.refused:
        _write(original, found, masked_file.stamped(made, masks), out, machine)
    return found


def _write(original: Original, found: Repair, repaired: Repaired, out: Path, machine: Machine) -> None:
    """Write the file and what stands beside it; nothing of an earlier repair stays beside a later one."""
    beside = {out.with_suffix(RECORD): to_json(found.record).encode(), out.with_suffix(FIGURE): figure(found.record)}
    for place in beside:
        remove_file(place)
    put(out, repaired.proto, original, repaired.data, follow_links=machine.caution.follow_links)
    for place, content in beside.items():
        write_file(place, content)


def _check_places(original: Original, configured: Configured, out: Path, *, plan_only: bool, force: bool) -> None:
    """Refuse to write over what must stay: an earlier repair of the model, or earlier masks of it, may go.

    Raises:
        OutputError: something else would be lost, or there is no such folder.
    """
    if not out.parent.is_dir():
        raise OutputError(
            "there is no such folder",
            where=str(out.parent),
            why="the repaired file is to be written there",
            remedy="make it, or name another place with -o",
        )
    data = configured.values.data.source
    sources, digest = [*files_of(original), *([Path(data)] if data else [])], original.model.sha256
    if plan_only:
        check_place(out, sources, lambda: _model_of_masks(out) == digest, force=force)
        return
    record = out.with_suffix(RECORD)
    check_place(out, sources, lambda: repairs(out, digest), force=force)
    for place in (record, out.with_suffix(FIGURE)):
        check_place(place, sources, lambda: _model_of_record(record) == digest, force=force)


def _model_of_record(path: Path) -> str:
    """Return the hash of the model that a record is of; empty where it is none."""
    try:
        return read_side_effects(path).model.sha256
    except ConfigError:
        return ""


def _model_of_masks(path: Path) -> str:
    """Return the hash of the model that a file of masks is of; empty where it is none."""
    try:
        return read_masks(path).model.sha256
    except ConfigError:
        return ""


def _refusals(subject: Subject, chosen: ChosenPlan, assessed: Assessed, options: RepairOptions) -> tuple[str, ...]:
    """Return why the gate is not passed: what is not better, and classes of which a loss cannot be excluded."""
    assert assessed.objective is not None
    told = []
    if assessed.objective.difference <= 0:
        before, after = assessed.objective.before, assessed.objective.after
        told.append(f"the objective does not rise on the samples to report on: {before:.1%} to {after:.1%}")
    for target in broken(assessed.found, chosen.objective, options.max_drop):
        title = title_of(target, subject.prepared.classes.names)
        change = assessed.found.classes.get(target)
        if change is None:
            told.append(f"class {title}: none of its samples could be read")
        else:
            told.append(
                f"class {title}: {change.before:.1%} to {change.after:.1%} of {change.n} samples, "
                f"a loss of {-change.least():.2%} cannot be excluded"
            )
    return tuple(told)
