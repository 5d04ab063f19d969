"""The command `onnxcausal analyze`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress

if TYPE_CHECKING:
    from onnxcausal.pipeline.configuration import Configured


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
    target: options.Target = None,
    samples: options.Samples = None,
    rule: options.Rule = None,
    alpha: options.Alpha = None,
    coverage: options.Coverage = None,
    beta: options.Beta = None,
    replace: options.Replace = None,
    outcome: options.Outcome = None,
    seed: options.Seed = None,
    provider: options.Provider = None,
    config: options.Config = None,
    show_config: options.ShowConfig = False,
    out: options.Out = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    stats: options.Stats = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Find the causal graph of every class: which nodes of each layer cause the model's decision."""
    from onnxcausal.pipeline.configuration import configure, show  # noqa: PLC0415  # --help must not load it

    flags = {
        "data.source": ("--data", data),
        "data.labels": ("--labels", labels),
        "data.label_column": ("--label-column", label_column),
        "data.skip_bad": ("--skip-bad", skip_bad),
        "preprocess.resize": ("--resize", _numbers(resize)),
        "preprocess.center_crop": ("--center-crop", _numbers(center_crop)),
        "preprocess.rescale": ("--rescale", rescale),
        "preprocess.mean": ("--mean", _list(mean)),
        "preprocess.std": ("--std", _list(std)),
        "preprocess.channels": ("--channels", channels),
        "preprocess.layout": ("--layout", layout),
        "model.input": ("--input", input_name),
        "model.output": ("--output", output),
        "analysis.targets": ("--target", target or None),
        "analysis.samples": ("--samples", samples),
        "analysis.rule": ("--rule", rule),
        "analysis.alpha": ("--alpha", alpha),
        "analysis.coverage": ("--coverage", coverage),
        "analysis.beta": ("--beta", beta),
        "analysis.replace": ("--replace", replace),
        "analysis.outcome": ("--outcome", outcome),
        "analysis.seed": ("--seed", seed),
    }
    configured = configure(model, config, {key: given for key, given in flags.items() if given[1] is not None})
    if show_config:
        print(show(configured), end="")
        return
    _run(
        model,
        configured,
        out or Path(f"{model.stem}.causal"),
        force=force,
        provider=provider,
        as_json=as_json,
        stats=stats,
        quiet=quiet,
    )


def _run(
    model: Path,
    configured: "Configured",
    out: Path,
    *,
    force: bool,
    provider: str | None,
    as_json: bool,
    stats: Path | None,
    quiet: bool,
) -> None:
    """Run the job, then print its result to stdout and its timing to stderr."""
    from onnxcausal.analysis.file import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.analysis.folder import write_file  # noqa: PLC0415
    from onnxcausal.onnxgraph.runner import Provider  # noqa: PLC0415
    from onnxcausal.pipeline.analyze import run  # noqa: PLC0415
    from onnxcausal.report.summary import summary  # noqa: PLC0415

    if stats is not None:
        write_file(stats, b"{}\n")  # fails before the work, not after it
    progress = ConsoleProgress(sys.stderr, quiet=quiet)
    try:
        analysis = run(
            model,
            configured,
            out=out,
            force=force,
            provider=Provider.parse(provider) if provider else None,
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


def _list(text: str | None) -> list[str] | None:
    """Return the parts of a comma-separated option."""
    return None if text is None else [part.strip() for part in text.split(",")]


def _numbers(text: str | None) -> object:
    """Return one number as it is, several as a list; what is no number is left for the check of the settings."""
    parts = _list(text)
    return parts[0] if parts and len(parts) == 1 else parts
