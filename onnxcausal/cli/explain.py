"""The command `onnxcausal explain`."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import configured_by, machine_by

if TYPE_CHECKING:
    from onnxcausal.analysis.result.explanation import Explanation

MOST_LINES = 20
"""Inputs told one by one."""


def explain_command(
    model: options.ModelFile,
    inputs: options.InputFiles,
    *,
    analysis: options.AnalysisFolder = None,
    target: options.ExplainedTarget = None,
    layer: options.ShownLayer = None,
    data: options.Data = None,
    labels: options.Labels = None,
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
    rule: options.Rule = None,
    coverage: options.Coverage = None,
    replace: options.Replace = None,
    outcome: options.Outcome = None,
    seed: options.Seed = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    out: options.ExplainedOut = None,
    force: options.ForceFiles = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Show which places of inputs the necessary nodes of a class respond to."""
    from onnxcausal.pipeline.explain import run  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.explaining.question import Question  # noqa: PLC0415

    arguments = locals() | {"target": None}  # here the class to explain for, not those to analyse
    machine = machine_by(arguments)
    folder = out or Path(f"{model.stem}.explained")
    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        explanation = run(
            model,
            configured_by(model, arguments),
            Question(tuple(inputs), analysis, target, layer),
            out=folder,
            force=force,
            machine=machine,
            progress=progress,
        )
    _tell(explanation)
    if not quiet:
        print(f"{len(explanation.names)} input(s) explained, written to {folder}", file=sys.stderr)


def _tell(explanation: "Explanation") -> None:
    """Print what was found, an input a line."""
    from onnxcausal.report.explanation import title  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    print(f"{printable(explanation.model_file)}: {len(explanation.names)} input(s) explained")
    for note in explanation.notes:
        print(f"note: {printable(note)}")
    for number in range(min(MOST_LINES, len(explanation.names))):
        print(f"  {printable(title(explanation, number))}")
    if len(explanation.names) > MOST_LINES:
        print(f"  and {len(explanation.names) - MOST_LINES} more")
