"""The command `onnxcausal analyze`."""

import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from onnxcausal.cli import gate_options, options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import configured_by, machine_by
from onnxcausal.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxcausal.analysis.gating.checks import Check
    from onnxcausal.analysis.result.analysis import Analysis
    from onnxcausal.pipeline.gating.ci_reports import Report
    from onnxcausal.pipeline.gating.gates import Requirements
    from onnxcausal.pipeline.preparing.configuration import Configured
    from onnxcausal.pipeline.preparing.machine import Machine


def analyze_command(
    model: options.ModelFile,
    *,
    data: options.Data = None,
    labels: options.Labels = None,
    label_column: options.LabelColumn = None,
    references: options.References = None,
    skip_bad: options.SkipBad = None,
    resize: options.Resize = None,
    center_crop: options.CenterCrop = None,
    rescale: options.Rescale = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channels: options.Channels = None,
    layout: options.Layout = None,
    input_name: options.InputName = None,
    output: options.Output = None,
    reduce: options.Reduce = None,
    class_axis: options.ClassAxis = None,
    at: options.At = None,
    scores: options.Scores = None,
    sample_axis: options.SampleAxis = None,
    blank: options.Blank = None,
    task: options.Task = None,
    fixed: options.Fixed = None,
    target: options.Target = None,
    samples: options.Samples = None,
    layers: options.TestedLayers = None,
    skip_layers: options.SkippedLayers = None,
    rule: options.Rule = None,
    alpha: options.Alpha = None,
    coverage: options.Coverage = None,
    beta: options.Beta = None,
    replace: options.Replace = None,
    outcome: options.Outcome = None,
    seed: options.Seed = None,
    engine: options.Engine = None,
    adaptive: options.Adaptive = None,
    budget: options.Budget = None,
    precision: options.Precision = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    devices: options.Devices = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    dry_run: options.DryRun = False,
    config: options.Config = None,
    show_config: options.ShowConfig = False,
    out: options.Out = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    stats: options.Stats = None,
    fail_on: gate_options.FailOn = None,
    require_classes: gate_options.RequireClasses = None,
    baseline: gate_options.Baseline = None,
    update_baseline: gate_options.UpdateBaseline = False,
    margin: gate_options.BaselineMargin = None,
    evaluation: gate_options.EvaluationFolder = None,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Find the causal graph of every class: which nodes of each layer cause the model's decision."""
    configured, machine = configured_by(model, locals()), machine_by(locals())
    if show_config or dry_run:
        _show(model, configured, machine, settings_alone=show_config, as_json=as_json)
    else:
        gated = Gating(fail_on or [], require_classes, baseline, update_baseline, margin, evaluation, report or [])
        _run(model, configured, out, machine, gated, force=force, as_json=as_json, stats=stats, quiet=quiet)


@dataclass(frozen=True, slots=True)
class Gating:
    """What was asked of gates and reports, as it was given."""

    fail_on: list[str]
    require: str | None
    baseline: Path | None
    update: bool
    margin: float | None
    evaluation: Path | None
    reports: list[str]


def _run(
    model: Path,
    configured: "Configured",
    out: Path | None,
    machine: "Machine",
    gating: Gating,
    *,
    force: bool,
    as_json: bool,
    stats: Path | None,
    quiet: bool,
) -> None:
    """Run the job, then print its result to stdout and its timing to stderr."""
    from onnxcausal.analysis.formats.analysis_file import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.analysis.formats.output_folder import write_file  # noqa: PLC0415
    from onnxcausal.pipeline.analyze import run  # noqa: PLC0415
    from onnxcausal.pipeline.gating.ci_reports import parse_reports  # noqa: PLC0415
    from onnxcausal.pipeline.gating.gates import check_passed  # noqa: PLC0415
    from onnxcausal.pipeline.writing.stale_results import PAGE_FILE, left_behind  # noqa: PLC0415
    from onnxcausal.report.summary import summary  # noqa: PLC0415

    folder = out or Path(f"{model.stem}.causal")
    asked, reports = _asked(gating, configured, folder, model), parse_reports(gating.reports, analysed=True)
    if stats is not None:
        write_file(stats, b"{}\n")  # fails before the work, not after it
    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        analysis = run(model, configured, out=folder, force=force, machine=machine, progress=progress)
    print(to_json(analysis) if as_json else summary(analysis), end="")
    if stats is not None:
        write_file(stats, (json.dumps(progress.statistics(), indent=1) + "\n").encode())
    if not quiet:
        print(
            f"{progress.interventions:,} interventions in {progress.seconds:.1f} s, written to {folder}",
            file=sys.stderr,
        )
    checks = _report(analysis, asked, reports, model, machine=machine, stream=sys.stderr if as_json else sys.stdout)
    if left := left_behind(folder):
        remedy = f"; the page is written anew by: onnxcausal report {folder}" if PAGE_FILE in left else ""
        print(f"note: of an earlier analysis, not this one: {printable(', '.join(left))}{remedy}", file=sys.stderr)
    check_passed(checks, model.name)


def _asked(gating: Gating, configured: "Configured", out: Path, model: Path) -> "Requirements":
    """Return what the model must meet."""
    from onnxcausal.pipeline.gating.gates import ask  # noqa: PLC0415
    from onnxcausal.pipeline.gating.policy import Given  # noqa: PLC0415
    from onnxcausal.pipeline.preparing.configuration import project_gates  # noqa: PLC0415  # --help must not load it

    given = Given(
        fail_on=tuple(gating.fail_on),
        baseline=gating.baseline,
        evaluation=gating.evaluation,
        margin=gating.margin,
        require=None if gating.require is None else tuple(part.strip() for part in gating.require.split(",")),
        update=gating.update,
    )
    return ask(configured, project_gates(Path.cwd()), given, out=out, stem=model.stem)


def _report(
    analysis: "Analysis",
    asked: "Requirements",
    reports: "Sequence[Report]",
    model: Path,
    *,
    machine: "Machine",
    stream: TextIO,
) -> "tuple[Check, ...]":
    """Check the gates, write all reports, and return the checks."""
    from onnxcausal.pipeline.gating.ci_reports import checked_of, tell_github, write_graphs, write_reports  # noqa: PLC0415
    from onnxcausal.pipeline.gating.gates import check  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.checks import listed  # noqa: PLC0415
    from onnxcausal.report.comparison import table  # noqa: PLC0415

    for note in write_graphs(reports, analysis, model, caution=machine.caution):
        print(f"note: {printable(note)}", file=sys.stderr)
    gated = check(analysis, asked)
    checked = checked_of(model, analysis.model_sha256, gated.checks, gated.notes)
    write_reports(reports, checked)
    if gated.comparison is not None:
        print(f"\n{table(gated.comparison)}", end="", file=stream)
    listed_checks = [found for found in gated.checks if found.rule != "analysed"]
    print(listed(listed_checks, gated.notes), end="", file=stream)
    print(tell_github(checked, os.environ), end="", file=sys.stderr)
    return gated.checks


def _show(model: Path, configured: "Configured", machine: "Machine", *, settings_alone: bool, as_json: bool) -> None:
    """Print the settings, or what a run would take."""
    from onnxcausal.pipeline.estimate import estimate  # noqa: PLC0415
    from onnxcausal.pipeline.preparing.configuration import show  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.estimate import as_table, to_json  # noqa: PLC0415

    if settings_alone:
        print(show(configured), end="")
        return
    found = estimate(model, configured, machine)
    print(to_json(found) if as_json else as_table(found), end="")
