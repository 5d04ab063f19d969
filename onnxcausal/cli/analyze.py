"""The command `onnxcausal analyze`."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.errors import ConfigError

if TYPE_CHECKING:
    from onnxcausal.analysis.checks import Check
    from onnxcausal.analysis.result import Analysis
    from onnxcausal.pipeline.configuration import Configured
    from onnxcausal.pipeline.gates import Asked
    from onnxcausal.pipeline.prepare import Machine
    from onnxcausal.pipeline.reports import Report

FLAGS = {
    "data": ("data.source", "--data"),
    "labels": ("data.labels", "--labels"),
    "label_column": ("data.label_column", "--label-column"),
    "skip_bad": ("data.skip_bad", "--skip-bad"),
    "resize": ("preprocess.resize", "--resize"),
    "center_crop": ("preprocess.center_crop", "--center-crop"),
    "rescale": ("preprocess.rescale", "--rescale"),
    "mean": ("preprocess.mean", "--mean"),
    "std": ("preprocess.std", "--std"),
    "channels": ("preprocess.channels", "--channels"),
    "layout": ("preprocess.layout", "--layout"),
    "input_name": ("model.input", "--input"),
    "output": ("model.output", "--output"),
    "reduce": ("model.reduce", "--reduce"),
    "class_axis": ("model.class_axis", "--class-axis"),
    "task": ("model.task", "--task"),
    "fixed": ("model.fixed", "--set"),
    "target": ("analysis.targets", "--target"),
    "samples": ("analysis.samples", "--samples"),
    "rule": ("analysis.rule", "--rule"),
    "alpha": ("analysis.alpha", "--alpha"),
    "coverage": ("analysis.coverage", "--coverage"),
    "beta": ("analysis.beta", "--beta"),
    "replace": ("analysis.replace", "--replace"),
    "outcome": ("analysis.outcome", "--outcome"),
    "seed": ("analysis.seed", "--seed"),
    "engine": ("analysis.engine", "--engine"),
    "adaptive": ("analysis.adaptive", "--adaptive"),
    "budget": ("analysis.budget", "--budget"),
    "precision": ("analysis.precision", "--precision"),
}
"""Setting and flag of each option that is a setting, by the option's name here."""


def analyze_command(
    model: options.ModelFile,
    *,
    data: options.Data = None,
    labels: options.Labels = None,
    label_column: options.LabelColumn = None,
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
    task: options.Task = None,
    fixed: options.Fixed = None,
    target: options.Target = None,
    samples: options.Samples = None,
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
    fail_on: options.FailOn = None,
    baseline: options.Baseline = None,
    update_baseline: options.UpdateBaseline = False,
    evaluation: options.EvaluationFolder = None,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Find the causal graph of every class: which nodes of each layer cause the model's decision."""
    from onnxcausal.pipeline.analyze import machine_of  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.configuration import configure, show  # noqa: PLC0415

    configured = configure(model, config, given_settings(locals()))
    machine = machine_of(provider, memory, _devices(devices), limits, follow_links=follow_links)
    if show_config:
        print(show(configured), end="")
    elif dry_run:
        _show_estimate(model, configured, machine, as_json=as_json)
    else:
        folder = out or Path(f"{model.stem}.causal")
        gated = Gating(fail_on or [], baseline, evaluation, update_baseline, report or [])
        _run(model, configured, folder, machine, gated, force=force, as_json=as_json, stats=stats, quiet=quiet)


@dataclass(frozen=True, slots=True)
class Gating:
    """What was asked of gates and reports, as it was given."""

    fail_on: list[str]
    baseline: Path | None
    evaluation: Path | None
    update: bool
    reports: list[str]


def _run(
    model: Path,
    configured: "Configured",
    out: Path,
    machine: "Machine",
    gating: Gating,
    *,
    force: bool,
    as_json: bool,
    stats: Path | None,
    quiet: bool,
) -> None:
    """Run the job, then print its result to stdout and its timing to stderr."""
    from onnxcausal.analysis.file import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.analysis.folder import write_file  # noqa: PLC0415
    from onnxcausal.pipeline.analyze import run  # noqa: PLC0415
    from onnxcausal.pipeline.gates import check_passed  # noqa: PLC0415
    from onnxcausal.pipeline.reports import parse_reports  # noqa: PLC0415
    from onnxcausal.report.summary import summary  # noqa: PLC0415

    asked, reports = _asked(gating, configured, out, model), parse_reports(gating.reports, analysed=True)
    if stats is not None:
        write_file(stats, b"{}\n")  # fails before the work, not after it
    progress = ConsoleProgress(sys.stderr, quiet=quiet)
    try:
        analysis = run(model, configured, out=out, force=force, machine=machine, progress=progress)
    finally:
        progress.close()
    print(to_json(analysis) if as_json else summary(analysis), end="")
    if stats is not None:
        write_file(stats, (json.dumps(progress.statistics(), indent=1) + "\n").encode())
    if not quiet:
        print(
            f"{progress.interventions:,} interventions in {progress.seconds:.1f} s, written to {out}", file=sys.stderr
        )
    checks = _report(analysis, asked, reports, model, machine=machine, stream=sys.stderr if as_json else sys.stdout)
    check_passed(checks, model.name)


def _asked(gating: Gating, configured: "Configured", out: Path, model: Path) -> "Asked":
    """Return what the model must meet."""
    from onnxcausal.pipeline.configuration import project_gates  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.gates import ask  # noqa: PLC0415

    return ask(
        configured,
        project_gates(Path.cwd()),
        fail_on=gating.fail_on,
        baseline=gating.baseline,
        evaluation=gating.evaluation,
        update=gating.update,
        out=out,
        stem=model.stem,
    )


def _report(
    analysis: "Analysis",
    asked: "Asked",
    reports: "Sequence[Report]",
    model: Path,
    *,
    machine: "Machine",
    stream: TextIO,
) -> "tuple[Check, ...]":
    """Check the gates, write all reports, and return the checks."""
    from onnxcausal.pipeline.gates import check  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.reports import checked_of, tell_github, write_graphs, write_reports  # noqa: PLC0415
    from onnxcausal.report.checks import listed  # noqa: PLC0415
    from onnxcausal.report.comparison import table  # noqa: PLC0415

    for note in write_graphs(reports, analysis, model, caution=machine.caution):
        print(f"note: {note}", file=sys.stderr)
    gated = check(analysis, asked)
    checked = checked_of(model, analysis.model_sha256, gated.checks)
    write_reports(reports, checked)
    if gated.comparison is not None:
        print(f"\n{table(gated.comparison)}", end="", file=stream)
    print(listed([found for found in gated.checks if found.rule != "analysed"]), end="", file=stream)
    print(tell_github(checked, os.environ), end="", file=sys.stderr)
    return gated.checks


def _show_estimate(model: Path, configured: "Configured", machine: "Machine", *, as_json: bool) -> None:
    """Print what a run would take."""
    from onnxcausal.pipeline.estimate import estimate  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.estimate import as_table, to_json  # noqa: PLC0415

    found = estimate(model, configured, machine)
    print(to_json(found) if as_json else as_table(found), end="")


def given_settings(options: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """Return the settings that were given: by key, the flag and its value."""
    read = {
        "resize": _numbers,
        "center_crop": _numbers,
        "mean": _list,
        "std": _list,
        "target": _several,
        "fixed": _pairs,
    }
    values = {name: read[name](options[name]) if name in read else options[name] for name in FLAGS}
    return {key: (flag, values[name]) for name, (key, flag) in FLAGS.items() if values[name] is not None}


def _devices(text: str | None) -> tuple[int, ...]:
    """Return the numbers of devices.

    Raises:
        ConfigError: they are no numbers.
    """
    parts = _list(text) or []
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(
            "the devices cannot be read",
            where=f"--devices {text}",
            why="devices are numbered from 0",
            remedy="write their numbers, like 0,1",
        )
    return tuple(map(int, parts))


def _several(values: object) -> object:
    """Return what a repeatable option was given; None for nothing."""
    return values or None


def _pairs(values: object) -> object:
    """Return what was given as NAME=VALUE, by name; None for nothing.

    Raises:
        ConfigError: one of them has no value.
    """
    pairs: dict[str, str] = {}
    for text in values if isinstance(values, list) else []:
        name, sign, value = str(text).rpartition("=")
        if not sign or not name:
            raise ConfigError(
                "an input's value cannot be read",
                where=f"--set {text}",
                why="it is not of the form NAME=VALUE",
                remedy="write the input's name, = and a number, like --set mask=1",
            )
        pairs[name] = value
    return pairs or None


def _list(text: object) -> list[str] | None:
    """Return the parts of a comma-separated option."""
    return None if text is None else [part.strip() for part in str(text).split(",")]


def _numbers(text: object) -> object:
    """Return one number as it is, several as a list; what is no number is left for the check of the settings."""
    parts = _list(text)
    return parts[0] if parts and len(parts) == 1 else parts
