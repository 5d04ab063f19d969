"""The command `onnxcausal analyze`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onnxcausal.cli.progress import ConsoleProgress

if TYPE_CHECKING:
    from onnxcausal.pipeline.configuration import Configured

INPUTS, METHOD, OUTPUTS = "Samples", "Method", "Output"


def analyze_command(  # the options document themselves
    model: Annotated[Path, typer.Argument(help="The .onnx file. Its sidecar is the .toml file of the same name.")],
    *,
    data: Annotated[
        str | None,
        typer.Option(help=".npz (x, y), .csv, IDX file, or folder of images by class.", rich_help_panel=INPUTS),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Text file of class names, one a line.", rich_help_panel=INPUTS)
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Label column of a .csv file.", rich_help_panel=INPUTS)
    ] = None,
    skip_bad: Annotated[
        bool | None, typer.Option("--skip-bad", help="Leave unreadable images out.", rich_help_panel=INPUTS)
    ] = None,
    resize: Annotated[str | None, typer.Option(help="Shorter side, or HEIGHT,WIDTH.", rich_help_panel=INPUTS)] = None,
    center_crop: Annotated[
        str | None, typer.Option(help="Side of a square, or HEIGHT,WIDTH.", rich_help_panel=INPUTS)
    ] = None,
    rescale: Annotated[float | None, typer.Option(help="Factor on grey levels 0..255.", rich_help_panel=INPUTS)] = None,
    mean: Annotated[
        str | None, typer.Option(help="Per channel, after rescaling: R,G,B.", rich_help_panel=INPUTS)
    ] = None,
    std: Annotated[str | None, typer.Option(help="Per channel: R,G,B.", rich_help_panel=INPUTS)] = None,
    channels: Annotated[str | None, typer.Option(metavar="rgb|bgr|gray", rich_help_panel=INPUTS)] = None,
    layout: Annotated[str | None, typer.Option(metavar="nchw|nhwc", rich_help_panel=INPUTS)] = None,
    input_name: Annotated[
        str | None, typer.Option("--input", help="Input that takes the samples.", rich_help_panel=INPUTS)
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Output or tensor of the class scores.", rich_help_panel=METHOD)
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Class to analyse, index or name; repeat for several. Default: all.", rich_help_panel=METHOD),
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Samples per class [100].", rich_help_panel=METHOD)] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="paired|welch", help="How roles are decided.", rich_help_panel=METHOD)
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="False discovery rate [0.05].", rich_help_panel=METHOD)] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Share of effect the strongest nodes carry [0.8].", rich_help_panel=METHOD)
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="Factor on a path's weights; 0 removes it [0].", rich_help_panel=METHOD)
    ] = None,
    replace: Annotated[
        str | None, typer.Option(metavar="zero|mean", help="What stands in for a path.", rich_help_panel=METHOD)
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(metavar="logit|margin|log-prob", help="Scalar effects are measured on.", rich_help_panel=METHOD),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the choice of samples [0].", rich_help_panel=METHOD)] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="Execution provider: cpu, cuda, NAME or NAME:key=value.", rich_help_panel=METHOD),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file in place of the sidecar.", rich_help_panel=METHOD)
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the merged settings and stop.", rich_help_panel=METHOD)
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Output folder [MODEL.causal in this folder].", rich_help_panel=OUTPUTS)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another model's analysis.", rich_help_panel=OUTPUTS)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print analysis.json in place of the table.", rich_help_panel=OUTPUTS)
    ] = False,
    stats: Annotated[Path | None, typer.Option(help="Write timings to this file.", rich_help_panel=OUTPUTS)] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.", rich_help_panel=OUTPUTS)] = False,
    debug: Annotated[  # read by the program's entry, which sees every error  # noqa: ARG001
        bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=OUTPUTS)
    ] = False,
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
    from onnxcausal.analysis import to_json, write_file  # noqa: PLC0415  # --help must not load it
    from onnxcausal.onnxgraph.runner import Provider  # noqa: PLC0415
    from onnxcausal.pipeline.analyze import run  # noqa: PLC0415
    from onnxcausal.report.summary import summary  # noqa: PLC0415

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
