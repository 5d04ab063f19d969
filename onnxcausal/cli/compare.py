"""The command `onnxcausal compare`."""

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import given_settings, machine_by
from onnxcausal.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnxcausal.analysis.comparing.comparison import ComparisonFile
    from onnxcausal.pipeline.compare import Compared
    from onnxcausal.pipeline.gating.ci_reports import Report


def compare_command(
    old: options.OldSide,
    new: options.NewSide,
    *,
    level: options.Level = 0.01,
    margin: options.Margin = 0.02,
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
    target: options.Target = None,
    samples: options.Samples = None,
    layers: options.TestedLayers = None,
    skip_layers: options.SkippedLayers = None,
    seed: options.Seed = None,
    which_layer: options.WhichLayer = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    out: options.ComparisonOut = None,
    every_node: options.EveryNode = False,
    report: options.CheckReports = None,
    as_json: options.AsEvaluationJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Tell how two models differ, class by class, beyond what sampling explains: exit code 0 if they do not, else 1."""
    from onnxcausal.analysis.comparing.comparison import strongest_only, to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.analysis.comparing.contrast import Criterion  # noqa: PLC0415
    from onnxcausal.analysis.formats.output_folder import write_file  # noqa: PLC0415
    from onnxcausal.pipeline.compare import check_same, run  # noqa: PLC0415
    from onnxcausal.pipeline.gating.ci_reports import parse_reports  # noqa: PLC0415

    reports = parse_reports(report or [], analysed=False)
    arguments = locals()
    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        compared = run(
            old,
            new,
            criterion=Criterion(level, margin),
            config=config,
            flags=given_settings(arguments),
            which_layer=which_layer,
            machine=machine_by(arguments),
            progress=progress,
        )
    comparison = compared.comparison
    shown = comparison if every_node else strongest_only(comparison)
    if out is not None:
        write_file(out, to_json(shown).encode())
    _tell(compared, new, reports, shown if as_json else None)
    check_same(comparison)


def _tell(compared: "Compared", new: "Path", reports: "Sequence[Report]", shown: "ComparisonFile | None") -> None:
    """Write the reports that were asked for, and print the comparison, or what is shown of it as JSON."""
    from onnxcausal.analysis.comparing.comparison import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.gating.ci_reports import checked_comparison, tell_github, write_reports  # noqa: PLC0415
    from onnxcausal.report.comparison import table  # noqa: PLC0415

    checked = checked_comparison(new, compared.comparison, compared.notes)
    write_reports(reports, checked)
    print(table(compared.comparison) if shown is None else to_json(shown), end="")
    for note in compared.notes if shown is None else ():
        print(f"note: {printable(note)}")
    print(tell_github(checked, os.environ), end="", file=sys.stderr)
