"""The command `onnxcausal analyze`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.errors import ConfigError

if TYPE_CHECKING:
    from onnxcausal.pipeline.configuration import Configured
    from onnxcausal.pipeline.prepare import Machine

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
        _run(model, configured, out, machine, force=force, as_json=as_json, stats=stats, quiet=quiet)


def _run(
    model: Path,
    configured: "Configured",
    asked_out: Path | None,
    machine: "Machine",
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
    from onnxcausal.report.summary import summary  # noqa: PLC0415

    out = asked_out or Path(f"{model.stem}.causal")
    if stats is not None:
        write_file(stats, b"{}\n")  # fails before the work, not after it
    progress = ConsoleProgress(sys.stderr, quiet=quiet)
    try:
        analysis = run(
            model,
            configured,
            out=out,
            force=force,
            machine=machine,
            progress=progress,
        )
    finally:
        progress.close()
    print(to_json(analysis) if as_json else summary(analysis), end="")
    if stats is not None:
        write_file(stats, (json.dumps(progress.statistics(), indent=1) + "\n").encode())
    if not quiet:
        print(
            f"{progress.interventions:,} interventions in {progress.seconds:.1f} s, written to {out}", file=sys.stderr
        )


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
