"""The job of making a model smaller: remove what costs the classes least, report it on other samples, write a file."""

from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.formats.compression import CompressionFile, to_json
from onnxcausal.analysis.formats.masks import MasksFile
from onnxcausal.analysis.formats.output_folder import write_file
from onnxcausal.analysis.formats.refit_metadata import REFIT_KEY
from onnxcausal.analysis.formats.repair_metadata import KEY
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.onnxgraph.original.original import Original, repairs
from onnxcausal.onnxgraph.refitting.refitted_file import refits
from onnxcausal.pipeline.compressing.channels import causal_order, find_channels
from onnxcausal.pipeline.compressing.choose import ChosenSize, choose_size
from onnxcausal.pipeline.compressing.controls import compare
from onnxcausal.pipeline.compressing.options import CompressOptions
from onnxcausal.pipeline.compressing.records import compression_file
from onnxcausal.pipeline.compressing.smaller import Press
from onnxcausal.pipeline.heldout.changes import SideEffects
from onnxcausal.pipeline.heldout.split import split_held_out
from onnxcausal.pipeline.heldout.subject import Subject, subject_of
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.writing.placing import check_place, files_of, put
from onnxcausal.pipeline.writing.pruned import compare_pruned
from onnxcausal.pipeline.writing.trial_file import costs_of
from onnxcausal.report.compress import figure

RECORD, FIGURE = ".compress.json", ".compress.png"
"""Endings of the files beside a smaller one."""


@dataclass(frozen=True, slots=True, eq=False)
class Compression:
    """The result of a compression.

    Attributes:
        masks: what was removed.
        record: what that changes; `refused` in it says why no file was written.
    """

    masks: MasksFile
    record: CompressionFile

    def check(self) -> None:
        """Refuse a file that loses too much.

        Raises:
            GateError: it was not written.
        """
        if self.record.refused:
            raise GateError(
                "the smaller model may lose too much, and is not written",
                where=f"--max-drop {self.record.settings['max_drop']:.2%}",
                why=self.record.refused,
                remedy="give more samples or a larger --max-drop, or name a size with --target-size",
            )


def compress(
    model: str | Path,
    out: str | Path,
    *,
    options: CompressOptions,
    analysis: str | Path | None = None,
    data: str | Path | None = None,
    force: bool = False,
    config: str | Path | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
    **settings: object,
) -> Compression:
    """Return a compression, and write the smaller file; the same job as `onnxcausal compress`.

    Args:
        model: the `.onnx` file; the sidecar beside it is used if it exists.
        out: the new `.onnx` file.
        options: the target, and other settings of the compression.
        analysis: folder that `analyze` wrote; default: the causal graphs are inferred first.
        data: file or folder of samples to choose and to report on; default: what the sidecar names.
        force: replace another file in its place.
        config: a configuration file in place of the sidecar.
        machine: what of the machine may be used, and how far the file is trusted; see `Machine.of`.
        progress: told what happens.
        **settings: any key of the sidecar.

    Raises:
        GateError: the target is out of reach, or a larger drop than allowed cannot be excluded; nothing is written.
        NothingToAnalyseError: no channel can be removed.
        OnnxCausalError: as its subclasses say.
    """
    found = run(
        Path(model),
        configure_by_name(Path(model), config, settings, data),
        Path(out),
        options=options,
        analysis=Path(analysis) if analysis is not None else None,
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
    options: CompressOptions,
    analysis: Path | None = None,
    force: bool = False,
    machine: Machine = HERE,
    progress: Progress,
) -> Compression:
    """Return a compression, and write the smaller file unless it may lose too much.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        out: the new file.
        options: settings of the compression.
        analysis: folder of a saved analysis; None infers the graphs first.
        force: replace another file in its place.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        GateError: the target is out of reach.
        OnnxCausalError: as its subclasses say.
    """
    original = open_original(path, machine.caution, configured.values.model.output)
    _check(original, out, force=force)
    subject = subject_of(original.model, configured, analysis, machine, progress)
    parts = split_held_out(subject, options.count)
    provenance = _provenance(subject, options, analysis)
    channels, version = find_channels(original, subject), version_of("onnxcausal")
    read = replace(configured.values, model=subject.prepared.reading)
    press = Press(original, subject, channels, read, machine, version, provenance)
    order = causal_order(press.channels, subject, parts[0], progress)
    chosen = choose_size(press, order, parts[0], options, progress)
    smaller = chosen.smaller
    compare_pruned(smaller.repaired, original, smaller.masks)
    progress.target("beside other orders")
    measured = compare(press, smaller, parts, progress)
    refused = _refusal(measured[0], options)
    if not refused:
        put(out, smaller.proto, original, smaller.data, follow_links=machine.caution.follow_links)
    record = compression_file(
        press,
        chosen,
        measured,
        parts,
        refused=refused,
        notes=_notes(press, chosen),
        cost=() if refused else costs_of((path, out), read, next(parts[1].blocks()).x[:1], machine),
    )
    if not refused:
        write_file(out.with_suffix(RECORD), to_json(record).encode())
        write_file(out.with_suffix(FIGURE), figure(record))
    return Compression(smaller.masks, record)


def _check(original: Original, out: Path, *, force: bool) -> None:
    """Refuse a model that is made by this job already, and places where something else would be lost."""
    for key in (KEY, REFIT_KEY):
        if key in original.model.metadata:
            raise ConfigError(
                "the model was repaired or compressed already",
                where=f"{original.path}, metadata {key}",
                why="what was removed from it counts against its original",
                remedy="compress the original, with a smaller target",
            )
    digest = original.model.sha256
    for place in (out, out.with_suffix(RECORD), out.with_suffix(FIGURE)):
        check_place(place, files_of(original), lambda: repairs(out, digest) or refits(out, digest), force=force)


def _refusal(found: SideEffects, options: CompressOptions) -> str:
    """Return why the file is not written; empty where it is."""
    change, most = found.overall, options.max_drop
    if most is None or change.least() >= -most:
        return ""
    return (
        f"on samples it was not chosen on: {change.before:.1%} to {change.after:.1%} of {change.n}, a loss of "
        f"{-change.least():.2%} cannot be excluded"
    )


def _notes(press: Press, chosen: ChosenSize) -> list[str]:
    subject = press.subject
    kept = listed(subject.prepared.left_out)
    return [
        *([f"channels that layers left out of the analysis read stay: {kept}"] if kept else []),
        *subject.notes,
        *subject.left_out,
        *(f"layer {one.name} is not fitted: {one.why}" for one in chosen.smaller.unfit),
    ]


def _provenance(subject: Subject, options: CompressOptions, analysis: Path | None) -> dict[str, object]:
    """Return where the masks come from, as it stands among them: hashes of the data and the analysis, and settings."""
    settings = {
        "target_size": options.target_size,
        "target_latency": options.target_latency,
        "max_drop": options.max_drop,
        "refit": options.refit,
        "count": options.count,
        "seed": subject.prepared.settings.seed,
    }
    digest = {} if analysis is None else {"analysis_sha256": analysis_sha256(analysis)}
    return {"data_sha256": subject.prepared.origin.data_sha256, "settings": settings, **digest}
