"""Whether a model may pass: its gates, and the baseline it is compared with."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.comparing.contrast import METHOD, Criterion, contrast
from onnxcausal.analysis.comparing.snapshot import Snapshot, read_snapshot, snapshot_of
from onnxcausal.analysis.formats.analysis_file import to_json
from onnxcausal.analysis.formats.evaluation import FORMAT, EvaluationFile, Protocol
from onnxcausal.analysis.formats.output_folder import (
    ANALYSIS_FILE,
    EFFECTS_FILE,
    effects_archive,
    save_files,
    write_file,
)
from onnxcausal.analysis.formats.reading import read_record
from onnxcausal.analysis.formats.saved_analysis import check_settings
from onnxcausal.analysis.gating.checks import Check, Status, checks_of_analysis, checks_of_comparison
from onnxcausal.analysis.gating.gates import Gate, check_gates, parse_gate
from onnxcausal.analysis.gating.measures import OF_CHANGE, GateEvidence, protocol_of
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.pipeline.preparing.configuration import GATES, Configured, GatesSection, as_json

SHOWN = 3
"""Failures named in an error."""


@dataclass(frozen=True, slots=True, eq=False)
class Requirements:
    """What a model must meet.

    Attributes:
        gates: the conditions.
        baseline: where the analysis is that it is compared with; None compares with none.
        held: that analysis; None where it is to be written first.
        evaluations: files of the evaluations that gates are of, by protocol.
        margin: largest difference from the baseline that does not matter, in standard deviations of the outcome.
        update: make the analysis the new baseline.
    """

    gates: tuple[Gate, ...] = ()
    baseline: Path | None = None
    held: Snapshot | None = None
    evaluations: Mapping[Protocol, Path] = field(default_factory=dict)
    margin: float = Criterion().margin
    update: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """What came of it.

    Attributes:
        checks: of the analysis, the gates and the baseline.
        comparison: what changed since the baseline; None where none was compared with.
    """

    checks: tuple[Check, ...]
    comparison: ComparisonFile | None = None


def ask(
    configured: Configured,
    project: GatesSection,
    *,
    fail_on: Sequence[str] = (),
    baseline: Path | None = None,
    evaluation: Path | None = None,
    update: bool = False,
    out: Path,
    stem: str,
) -> Requirements:
    """Return what a model must meet, all that can be known before the work made sure.

    Conditions from all places hold together; paths that are given win over those of the sidecar, those over the
    project's.

    Args:
        configured: the configuration, with the gates of the sidecar.
        project: gates of the project.
        fail_on: further conditions.
        baseline: where the baseline is.
        evaluation: folder of evaluations; default: the output folder, or `STEM.evaluation` beside it.
        update: make the analysis the new baseline.
        out: the output folder.
        stem: the model's name without its suffix.

    Raises:
        ConfigError: a condition cannot be read, the baseline is missing or of other settings, an evaluation is missing.
    """
    sidecar = configured.values.gates
    origin = configured.origins.get(f"{GATES}.fail_on", "sidecar")
    gates = tuple(
        parse_gate(text, where)
        for texts, where in ((project.fail_on, "pyproject.toml"), (sidecar.fail_on, origin), (fail_on, "--fail-on"))
        for text in texts
    )
    place = baseline or _path(sidecar.baseline) or _path(project.baseline)
    folder = evaluation or _path(sidecar.evaluation) or _path(project.evaluation)
    asked = Requirements(
        gates=gates,
        baseline=place,
        evaluations=_evaluations(gates, [folder] if folder else [out, out.parent / f"{stem}.evaluation"], stem),
        margin=project.margin if f"{GATES}.margin" not in configured.origins else sidecar.margin,
        update=update,
    )
    _check_baseline(asked, out)
    if place is None or update:
        return asked
    held = _read_baseline(place)
    analysis = as_json(configured.values.analysis)
    check_settings(held.record, {key: analysis[key] for key in METHOD if key in analysis}, str(place))
    return replace(asked, held=held)


def check(analysis: Analysis, asked: Requirements) -> Gated:
    """Return what comes of all gates and of the comparison with the baseline; update that where asked.

    The comparison is a gate by itself, unless a gate is of what changed. A baseline is only replaced by a model that
    passes all other gates.

    Raises:
        ConfigError: a gate is of something that was not analysed, an evaluation is of another model, or the baseline
            cannot be written.
    """
    made = snapshot_of(analysis, analysis.model_file)
    evaluations = {protocol: _read_evaluation(path, made) for protocol, path in asked.evaluations.items()}
    comparison = None if asked.held is None else contrast(asked.held, made, Criterion(margin=asked.margin))
    of_change = any(gate.measure in OF_CHANGE for gate in asked.gates)
    gates = [gate for gate in asked.gates if comparison is not None or gate.measure not in OF_CHANGE]
    checks = checks_of_analysis(made.record) + check_gates(gates, GateEvidence(made.record, evaluations, comparison))
    if comparison is not None and not of_change:
        checks += checks_of_comparison(comparison)
    if asked.update and asked.baseline is not None and all(found.status is not Status.FAILED for found in checks):
        write_baseline(analysis, asked.baseline)
    return Gated(checks, comparison)


def check_passed(checks: Iterable[Check], model: str) -> None:
    """Make sure that no check failed.

    Raises:
        GateError: one did.
    """
    every = [found for found in checks if found.rule != "analysed"]
    failed = [found for found in every if found.status is Status.FAILED]
    if not failed:
        return
    more = f" ... and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    named = dict.fromkeys(found.name for found in failed)
    raise GateError(
        f"{len(failed)} of {len(every)} checks failed",
        where=f"{model}: {', '.join(list(named)[:SHOWN])}",
        why="; ".join(f"{found.subject}: {found.message}" for found in failed[:SHOWN]) + more,
        remedy="look at what the checks name; if a change is meant, bless it with --update-baseline"
        if any(found.rule in ("unchanged", "layers", *OF_CHANGE) for found in failed)
        else "look at what the checks name, or correct the gate",
    )


def write_baseline(analysis: Analysis, place: Path) -> None:
    """Write an analysis as a baseline: a `.json` file alone, or a folder with the effect on every sample as well.

    Raises:
        OutputError: it cannot be written.
    """
    content = to_json(analysis).encode()
    if _is_file(place):
        write_file(place, content)
    else:
        save_files(place, {EFFECTS_FILE: effects_archive(analysis), ANALYSIS_FILE: content})


def _is_file(place: Path) -> bool:
    return place.suffix == ".json"


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _check_baseline(asked: Requirements, out: Path) -> None:
    """Refuse a baseline that cannot be one."""
    of_change = next((gate for gate in asked.gates if gate.measure in OF_CHANGE), None)
    if asked.baseline is None:
        if of_change is None and not asked.update:
            return
        raise ConfigError(
            "there is no baseline to compare with",
            where=of_change.text if of_change else "--update-baseline",
            why="what changed is known only beside an earlier analysis",
            remedy="name its place with --baseline, like --baseline model.baseline",
        )
    if os.path.abspath(asked.baseline) in (os.path.abspath(out), os.path.abspath(out / ANALYSIS_FILE)):  # noqa: PTH100  # unlike Path, it takes any name
        raise ConfigError(
            "the baseline is the output folder",
            where=str(asked.baseline),
            why="each run would replace it, whatever it says",
            remedy="name another place with --baseline, or another folder with --out",
        )


def _read_baseline(place: Path) -> Snapshot:
    if not place.exists():
        raise ConfigError(
            "there is no baseline yet",
            where=str(place),
            why="it holds the analysis of a model that was found good",
            remedy="make it from such a model: the same command with --update-baseline",
        )
    return read_snapshot(place)


def _evaluations(gates: Iterable[Gate], folders: Sequence[Path], stem: str) -> dict[Protocol, Path]:
    """Return the files of the evaluations that gates are of.

    Raises:
        ConfigError: one is missing.
    """
    found = {}
    for gate in gates:
        protocol = protocol_of(gate.measure)
        if protocol is None:
            continue
        name = f"evaluation-{protocol.value}.json"
        held = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if held is None:
            raise ConfigError(
                "a gate is of an evaluation that is not there",
                where=gate.text,
                why=f"there is no {name} in {' or '.join(map(str, folders))}",
                remedy=f"run onnxcausal evaluate {protocol.value} {stem}.onnx, or name its folder with --evaluation",
            )
        found[protocol] = held
    return found


def _read_evaluation(path: Path, made: Snapshot) -> EvaluationFile:
    """Return an evaluation of the model at hand.

    Raises:
        ConfigError: it cannot be read, or is of another model.
    """
    remedy = "evaluate the model again"
    held = read_record(path, EvaluationFile, FORMAT, what="evaluation", remedy=remedy)
    if held.model.sha256 != made.record.model.sha256:
        raise ConfigError(
            "the evaluation is of another model",
            where=str(path),
            why=f"it is of {held.model.file} with the hash {held.model.sha256}; this model has "
            f"{made.record.model.sha256}",
            remedy=remedy,
        )
    return held
