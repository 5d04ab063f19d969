"""The command `onnxcausal compress`."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import configured_by, machine_by, share

if TYPE_CHECKING:
    from onnxcausal.pipeline.compressing.options import CompressOptions


def compress_command(
    model: options.ModelFile,
    *,
    out: options.NewModelFile,
    analysis: options.AnalysisFolder = None,
    target_size: options.TargetSize = None,
    target_latency: options.TargetLatency = None,
    max_drop: options.MostLost = None,
    refit: options.Refit = False,
    count: options.RepairCount = 500,
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
    fixed: options.Fixed = None,
    output: options.Output = None,
    reduce: options.Reduce = None,
    class_axis: options.ClassAxis = None,
    at: options.At = None,
    scores: options.Scores = None,
    sample_axis: options.SampleAxis = None,
    blank: options.Blank = None,
    task: options.Task = None,
    samples: options.Samples = None,
    layers: options.TestedLayers = None,
    skip_layers: options.SkippedLayers = None,
    coverage: options.Coverage = None,
    seed: options.Seed = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    force: options.ForceFile = False,
    as_json: options.AsRepairJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Remove channels that no class needs much, report on other samples what it costs, and write the smaller model."""
    from onnxcausal.analysis.formats.compression import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.compress import run  # noqa: PLC0415
    from onnxcausal.report.compress import table  # noqa: PLC0415

    arguments = locals()
    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        found = run(
            model,
            configured_by(model, arguments),
            out,
            options=_options(arguments),
            analysis=analysis,
            force=force,
            machine=machine_by(arguments),
            progress=progress,
        )
    print(to_json(found.record) if as_json else table(found.record), end="")
    found.check()
    if not quiet:
        print(f"compressed in {progress.seconds:.1f} s, written to {out}", file=sys.stderr)


def _options(arguments: dict[str, object]) -> "CompressOptions":
    """Return the settings of a compression."""
    from onnxcausal.pipeline.compressing.options import CompressOptions  # noqa: PLC0415  # --help must not load it

    return CompressOptions(
        target_size=share(arguments["target_size"], "--target-size"),
        target_latency=share(arguments["target_latency"], "--target-latency"),
        max_drop=share(arguments["max_drop"], "--max-drop"),
        refit=bool(arguments["refit"]),
        count=int(str(arguments["count"])),
    )
