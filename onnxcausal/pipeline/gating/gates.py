"""Whether a model may pass: its gates, and the baseline it is compared with."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.comparing.contrast import METHOD, Criterion, contrast
from onnxcausal.analysis.comparing.snapshot import snapshot_of
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, left_out_in, to_json, to_record
from onnxcausal.analysis.formats.evaluation import Protocol
from onnxcausal.analysis.formats.output_folder import (
    ANALYSIS_FILE,
    EFFECTS_FILE,
    effects_archive,
    save_files,
    write_file,
)
from onnxcausal.analysis.formats.saved_analysis import check_settings
from onnxcausal.analysis.gating.checks import (
    Check,
    Status,
    check_of_layers,
    checks_of_analysis,
    checks_of_comparison,
)
from onnxcausal.analysis.gating.gates import Gate, check_gates
from onnxcausal.analysis.gating.measures import OF_CHANGE, GateEvidence, protocol_of
from onnxcausal.analysis.gating.required import check_required
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.analysis.result.class_lookup import by_index
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.analysis.result.settings import OPTIONAL
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.pipeline.gating.evidence import Baseline, Evaluated, check_bound, read_baseline, read_evaluations
from onnxcausal.pipeline.gating.policy import Given, Policy, check_settings_of_sidecar, decide, left_out_by
from onnxcausal.pipeline.preparing.configuration import Configured, GatesSection, as_json

SHOWN = 3
"""Failures named in an error."""
REMEDIES = {
    "classes": "supply samples of these classes, or say which ones are meant: --target, or --require-classes data",
    "data": "supply labelled samples with --data",
    "settings": "give these settings with the call if they are meant, or take them out of the file",
}
"""What to do about the checks that come before all gates, by rule."""


@dataclass(frozen=True, slots=True, eq=False)
class Requirements:
    """What a model must meet.

    Attributes:
        policy: what gates ask for, by everybody's word.
        baseline: the analysis that it is compared with; None where it is with none, or that is to be written first.
        evaluations: those that gates are of, by protocol.
        update: make the analysis the new baseline.
        refused: checks that failed already.
        left_out_by: who narrowed the classes to analyse, in words.
    """

    policy: Policy
    baseline: Baseline | None = None
    evaluations: Mapping[Protocol, Evaluated] = field(default_factory=dict)
    update: bool = False
    refused: tuple[Check, ...] = ()
    left_out_by: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """What came of it.

    Attributes:
        checks: of the analysis, the gates and the baseline.
        comparison: what changed since the baseline; None where none was compared with.
        notes: what the checks rest on beside the model, one sentence each; none where nothing was asked for.
    """

    checks: tuple[Check, ...]
    comparison: ComparisonFile | None = None
    notes: tuple[str, ...] = ()


def ask(configured: Configured, project: GatesSection, given: Given, *, out: Path, stem: str) -> Requirements:
    """Return what a model must meet, all that can be known before the work made sure.

    Args:
        configured: the configuration, with the gates of the sidecar.
        project: gates of the project.
        given: what was given with the call.
        out: the output folder.
        stem: the model's name without its suffix.

    Raises:
        ConfigError: a condition cannot be read, the baseline is missing or of other settings, an evaluation is missing
            or was named by nobody.
    """
    policy = decide(configured, project, given)
    _check_baseline(policy, given, out)
    offered = configured.values.gates.evaluation
    beside = [out, out.parent / f"{stem}.evaluation", *([Path(offered)] if offered else [])]
    evaluations = read_evaluations(policy.gates, policy.evaluation, beside, stem)
    baseline = None
    if policy.baseline is not None and not given.update:
        baseline = read_baseline(policy.baseline)
        analysis = as_json(configured.values.analysis)
        method = {key: analysis[key] for key in (*METHOD, *OPTIONAL) if key in analysis}
        check_settings(baseline.held.record, method, str(baseline.path))
    return Requirements(
        policy=policy,
        baseline=baseline,
        evaluations=evaluations,
        update=given.update,
        refused=check_settings_of_sidecar(configured, None if baseline is None else baseline.held),
        left_out_by=left_out_by(configured),
    )


def check(analysis: Analysis, asked: Requirements) -> Gated:
    """Return what comes of all gates and of the comparison with the baseline; update that where asked.

    The comparison is a gate by itself, unless a gate is of what changed. A baseline is only replaced by a model that
    passes all other gates.

    Raises:
        ConfigError: a gate is of something that was not analysed, an evaluation is of another analysis, or the baseline
            cannot be written.
    """
    policy, baseline = asked.policy, asked.baseline
    if not policy.active:
        return Gated(checks_of_analysis(to_record(analysis)))
    made = snapshot_of(analysis, analysis.model_file)
    for evaluated in asked.evaluations.values():
        check_bound(evaluated, made.record)
    comparison = None if baseline is None else contrast(baseline.held, made, Criterion(margin=policy.margin))
    checks = (
        *checks_of_analysis(made.record),
        *asked.refused,
        *_checks_of_data(made.record, baseline),
        *check_required(policy.required, analysis, asked.left_out_by),
        *_checks_of_gates(analysis, made.record, asked, comparison),
    )
    if asked.update and policy.baseline is not None and all(found.status is not Status.FAILED for found in checks):
        write_baseline(analysis, policy.baseline.path)
    return Gated(checks, comparison, (*policy.notes, *_left_out(made.record), *_read(asked, made.record)))


def _checks_of_gates(
    analysis: Analysis, record: AnalysisFile, asked: Requirements, comparison: ComparisonFile | None
) -> Iterator[Check]:
    """Yield what comes of each gate, and of the comparison by itself."""
    policy, missing = asked.policy, _missing(analysis, asked, comparison)
    evidence = GateEvidence(
        record,
        {protocol: evaluated.held for protocol, evaluated in asked.evaluations.items()},
        comparison,
        missing,
        frozenset(policy.required.classes(analysis)),
        _sources(policy.gates, asked),
        by_index(analysis.class_count, analysis.class_names),
    )
    idle = [gate for gate in policy.gates if comparison is None and gate.measure in OF_CHANGE]
    yield from check_gates([gate for gate in policy.gates if gate not in idle], evidence)
    yield from map(_not_compared, idle)
    if comparison is None or asked.baseline is None:
        return
    if policy.compares_plainly:
        yield from checks_of_comparison(comparison, missing, asked.baseline.source)
    else:
        yield check_of_layers(comparison, asked.baseline.source)


def _missing(analysis: Analysis, asked: Requirements, comparison: ComparisonFile | None) -> dict[int, str]:
    """Return the classes that must be compared with the baseline and are not, each with the reason.

    They are those that are required, and those of the baseline unless each class was asked for by name.
    """
    if comparison is None or asked.baseline is None:
        return {}
    required = asked.policy.required
    before = {graph.target for graph in asked.baseline.held.record.graphs}
    compared = {found.target for found in comparison.classes if found.distance is not None}
    needed = {*required.classes(analysis)} | (set() if required.by_name else before)

    def reason(target: int) -> str:
        if target in before:
            return "the baseline has a graph of it, this analysis has none"
        return "the baseline has no graph of it" + ("" if target in analysis.targets else ", nor has this analysis")

    return {target: reason(target) for target in sorted(needed - compared)}


def _checks_of_data(record: AnalysisFile, baseline: Baseline | None) -> Iterable[Check]:
    """Yield a failed check where inputs and labels were made up."""
    if record.data.synthetic:
        told = "no data: the inputs are made up, and the labels are the model's own"
        yield Check("data", "data", Status.FAILED, told)
    elif baseline is not None and baseline.held.record.data.synthetic:
        yield Check("data", "data", Status.FAILED, f"the baseline is of made-up inputs ({baseline.source})")


def _left_out(record: AnalysisFile) -> Iterable[str]:
    """Yield which layers no gate is of, one sentence; nothing where all were tested."""
    if names := left_out_in(record):
        yield f"{len(names)} layer(s) were left out, and no gate is of them: {listed(names)}"


def _not_compared(gate: Gate) -> Check:
    """Return what comes of a gate of change while the baseline is made anew."""
    return Check(gate.measure, gate.text, Status.SKIPPED, "this analysis becomes the baseline: nothing is compared")


def _sources(gates: Iterable[Gate], asked: Requirements) -> dict[str, str]:
    """Return where the numbers of each measure that was not measured were read."""
    found = {}
    for gate in gates:
        protocol = protocol_of(gate.measure)
        if protocol is not None:
            found[gate.measure] = asked.evaluations[protocol].source
        elif gate.measure in OF_CHANGE and asked.baseline is not None:
            found[gate.measure] = asked.baseline.source
    return found


def _read(asked: Requirements, record: AnalysisFile) -> Iterable[str]:
    """Yield what was read and not measured, one sentence for each file."""
    if asked.baseline is not None:
        yield asked.baseline.note(record)
    for protocol, evaluated in asked.evaluations.items():
        named = f", named by {asked.policy.evaluation.by}," if asked.policy.evaluation else ""
        yield (
            f"the evaluation of {protocol.value}{named} was read from {evaluated.path} (sha256 {evaluated.sha256}) "
            "and not measured"
        )


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
        remedy=_remedy({found.rule for found in failed}),
    )


def _remedy(rules: set[str]) -> str:
    """Return what to do about failed checks."""
    first = next((told for rule, told in REMEDIES.items() if rule in rules), None)
    if first is not None:
        return first
    if rules & {"unchanged", "layers", *OF_CHANGE}:
        return "look at what the checks name; if a change is meant, bless it with --update-baseline"
    return "look at what the checks name, or correct the gate"


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


def _check_baseline(policy: Policy, given: Given, out: Path) -> None:
    """Refuse a baseline that cannot be one."""
    of_change = next((gate for gate in policy.gates if gate.measure in OF_CHANGE), None)
    if policy.baseline is None:
        if of_change is None and not given.update:
            return
        raise ConfigError(
            "there is no baseline to compare with",
            where=of_change.text if of_change else "--update-baseline",
            why="what changed is known only beside an earlier analysis",
            remedy="name its place with --baseline, like --baseline model.baseline",
        )
    if os.path.abspath(policy.baseline.path) in (os.path.abspath(out), os.path.abspath(out / ANALYSIS_FILE)):  # noqa: PTH100  # unlike Path, it takes any name
        raise ConfigError(
            "the baseline is the output folder",
            where=str(policy.baseline.path),
            why="each run would replace it, whatever it says",
            remedy="name another place with --baseline, or another folder with --out",
        )
