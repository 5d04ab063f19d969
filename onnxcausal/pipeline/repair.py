"""The job of repairing a model: choose masks on some samples, report what they do on others, write a file."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.folder import ANALYSIS_FILE, write_file
from onnxcausal.analysis.masks import MasksFile, read_masks
from onnxcausal.analysis.masks import to_json as masks_json
from onnxcausal.analysis.repair import Form
from onnxcausal.analysis.result import title_of
from onnxcausal.analysis.sideeffects import CostRecord, SideEffectsFile, to_json
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.onnxgraph import repairforms
from onnxcausal.onnxgraph.original import Original, repairs
from onnxcausal.pipeline.analyze import machine_of
from onnxcausal.pipeline.apply import compare_pruned
from onnxcausal.pipeline.configuration import Configured, configure, full_name
from onnxcausal.pipeline.opening import open_original
from onnxcausal.pipeline.placing import check_place, files_of, put
from onnxcausal.pipeline.prepare import HERE, Machine
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.protocols.subject import Subject, subject_of
from onnxcausal.pipeline.repairing.assess import Assessed, assess
from onnxcausal.pipeline.repairing.choose import Chosen, choose
from onnxcausal.pipeline.repairing.files import costs_of
from onnxcausal.pipeline.repairing.record import masks_file, plan_record, side_effects_file
from onnxcausal.pipeline.repairing.settings import Options
from onnxcausal.pipeline.repairing.sideeffects import broken
from onnxcausal.report.repair import figure

RECORD, FIGURE = ".repair.json", ".repair.png"
"""Endings of the files beside a repaired one."""
MOST_TOLD = 3
"""Classes that an error names."""


USUAL = Options()
"""Settings where none are given."""


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """The result of a repair.

    Attributes:
        masks: the masks.
        record: what they change.
        refused: why no file was written, a class a line; empty where one was.
    """

    masks: MasksFile
    record: SideEffectsFile
    refused: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse a repair that harms.

        Raises:
            GateError: it was not written.
        """
        more = len(self.refused) - MOST_TOLD
        if self.refused:
            raise GateError(
                "the repair may harm a protected class, and is not written",
                where=f"--max-drop {self.record.settings['max_drop']:.2%}",
                why="; ".join(self.refused[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else ""),
                remedy="give more samples, a larger --max-drop, or --portion to have it written as it is",
            )


def repair(
    model: str | Path,
    out: str | Path,
    *,
    analysis: str | Path | None = None,
    data: str | Path | None = None,
    options: Options = USUAL,
    plan_only: bool = False,
    force: bool = False,
    config: str | Path | None = None,
    provider: str | None = None,
    memory: str | None = None,
    limits: str | None = None,
    follow_links: bool = False,
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
        provider: execution provider, as for `analyze`.
        memory: bound on memory, as for `analyze`.
        limits: what opening the file may take, as for `analyze`.
        follow_links: read weights behind links.
        progress: told what happens.
        **settings: any key of the sidecar.

    Raises:
        GateError: it may harm a protected class; nothing is written.
        NothingToAnalyseError: no plan is better than the model as it is.
        OnnxCausalError: as its subclasses say.
    """
    given = {full_name(key): (f"argument {key}", value) for key, value in settings.items() if value is not None}
    if data is not None:
        given["data.source"] = ("argument data", str(data))
    found = run(
        Path(model),
        configure(Path(model), Path(config) if config else None, given),
        Path(out),
        analysis=Path(analysis) if analysis is not None else None,
        options=options,
        plan_only=plan_only,
        force=force,
        machine=machine_of(provider, memory, (), limits, follow_links=follow_links),
        progress=progress or Silent(),
    )
    found.check()
    return found


def run(
    path: Path,
    configured: Configured,
    out: Path,
    *,
    analysis: Path | None = None,
    options: Options = USUAL,
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
    _check_places(original, out, plan_only=plan_only, force=force)
    subject = subject_of(original.model, configured, analysis, machine, progress)
    chosen = choose(original, subject, options, progress)
    settings = _settings(subject, chosen, options)
    digest = None if analysis is None else _hash_of(analysis)
    provenance = {"data_sha256": subject.prepared.data_sha256, "settings": settings}
    masks = masks_file(subject, chosen, provenance | ({"analysis_sha256": digest} if digest else {}))
    progress.layer("other choices of nodes")
    assessed = assess(subject, chosen)
    refused = () if options.portion is not None or plan_only else _refusals(subject, chosen, assessed, options)
    cost: tuple[CostRecord, ...] = ()
    if plan_only:
        write_file(out, masks_json(masks).encode())
    elif not refused:
        repaired = repairforms.repair(original, masks, options.form, version_of("onnxcausal"))
        if options.form is Form.PRUNED:
            compare_pruned(repaired, original, masks)
        put(out, repaired.proto, original, repaired.data, follow_links=machine.caution.follow_links)
        cost = costs_of((path, out), configured.values, next(chosen.report.blocks()).x[:1], machine)
    record = side_effects_file(
        subject.prepared,
        masks,
        assessed,
        (chosen.search, chosen.report),
        protected=chosen.objective.protected,
        settings=settings,
        analysis_sha256=digest,
        plan=plan_record(chosen.best.plan, chosen.tried),
        refused=refused,
        notes=chosen.notes,
        cost=cost,
    )
    if not plan_only and not refused:
        write_file(out.with_suffix(RECORD), to_json(record).encode())
        write_file(out.with_suffix(FIGURE), figure(record))
    return Repair(masks, record, refused)


def _check_places(original: Original, out: Path, *, plan_only: bool, force: bool) -> None:
    """Refuse to write over what must stay: an earlier repair of the model, or earlier masks of it, may go.

    Raises:
        OutputError: something else would be lost.
    """
    sources, digest = files_of(original), original.model.sha256
    if plan_only:
        check_place(out, sources, lambda: _model_of_masks(out) == digest, force=force)
        return
    for place in (out, out.with_suffix(RECORD), out.with_suffix(FIGURE)):
        check_place(place, sources, lambda: repairs(out, digest), force=force)


def _model_of_masks(path: Path) -> str:
    """Return the hash of the model that a file of masks is of; empty where it is none."""
    try:
        return read_masks(path).model.sha256
    except ConfigError:
        return ""


def _refusals(subject: Subject, chosen: Chosen, assessed: Assessed, options: Options) -> tuple[str, ...]:
    """Return why the repair is not written, a class a line."""
    names = subject.prepared.class_names
    told = []
    for target in broken(assessed.found, chosen.objective, options.max_drop):
        change = assessed.found.classes[target]
        told.append(
            f"class {title_of(target, names)}: {change.before:.1%} to {change.after:.1%} of {change.n} samples, "
            f"a loss of {-change.least():.2%} cannot be excluded"
        )
    return tuple(told)


def _settings(subject: Subject, chosen: Chosen, options: Options) -> dict[str, object]:
    objective = chosen.objective
    return {
        "objective": options.objective,
        "repaired": list(objective.repaired),
        "protected": list(objective.protected),
        "max_drop": options.max_drop,
        "portion": options.portion,
        "beta": options.beta,
        "replace": options.replace,
        "count": options.count,
        "seed": subject.prepared.settings.seed,
    }


def _hash_of(analysis: Path) -> str:
    path = analysis / ANALYSIS_FILE if analysis.is_dir() else analysis
    return hashlib.sha256(path.read_bytes()).hexdigest()
