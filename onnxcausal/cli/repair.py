"""The command `onnxcausal repair`."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.apply import tell_smaller
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import configured_by, machine_by, share
from onnxcausal.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from onnxcausal.pipeline.preparing.configuration import Configured
    from onnxcausal.pipeline.preparing.machine import Machine
    from onnxcausal.pipeline.repairing.options import RepairOptions


def repair_command(
    model: options.ModelFile,
    *,
    out: options.RepairedOut,
    analysis: options.AnalysisFolder = None,
    repaired: options.RepairedClass = None,
    protected: options.ProtectedClass = None,
    objective: options.Objective = "class-accuracy",
    max_drop: options.MaxDrop = "0.5%",
    portion: options.MaskedPortion = None,
    factor: options.MaskedFactor = None,
    replaced: options.MaskedReplace = None,
    count: options.RepairCount = None,
    form: options.FormName = "masked",
    plan_only: options.PlanOnly = False,
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
    outcome: options.Outcome = None,
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
    """Mask nodes that harm, prove on other samples what that changes, and write the repaired model."""
    arguments = locals()
    configured, own, machine = configured_by(model, arguments), _options(arguments), machine_by(arguments)
    _run(
        model,
        configured,
        out,
        own,
        machine,
        analysis=analysis,
        plan_only=plan_only,
        force=force,
        as_json=as_json,
        quiet=quiet,
    )


def _run(
    model: "Path",
    configured: "Configured",
    out: "Path",
    own: "RepairOptions",
    machine: "Machine",
    *,
    analysis: "Path | None",
    plan_only: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the job, then print what the repair changes."""
    from onnxcausal.analysis.formats.side_effects import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.repair import run  # noqa: PLC0415
    from onnxcausal.report.repair import table  # noqa: PLC0415

    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        found = run(
            model,
            configured,
            out,
            analysis=analysis,
            options=own,
            plan_only=plan_only,
            force=force,
            machine=machine,
            progress=progress,
        )
    print(to_json(found.record) if as_json else table(found.record), end="")
    if found.smaller is not None and not as_json:
        tell_smaller(found.smaller)
    found.check()
    if not quiet:
        print(f"repaired in {progress.seconds:.1f} s, written to {out}", file=sys.stderr)


def _options(arguments: dict[str, object]) -> "RepairOptions":
    """Return the settings of a repair."""
    from onnxcausal.causal.intervention import Replace  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.apply import parse_form  # noqa: PLC0415
    from onnxcausal.pipeline.repairing.options import RepairOptions  # noqa: PLC0415

    replaced = arguments["replaced"]
    if replaced is not None and replaced not in list(Replace):
        raise ConfigError(
            f"unknown replacement {replaced!r}",
            where="--replace",
            why="what is taken is replaced by nothing, or by its mean",
            remedy=f"choose one of {', '.join(Replace)}",
        )
    return RepairOptions(
        objective=str(arguments["objective"]),
        repaired=_several(arguments["repaired"]),
        protected=_several(arguments["protected"]),
        max_drop=share(arguments["max_drop"], "--max-drop") or 0.0,
        portion=share(arguments["portion"], "--portion"),
        beta=share(arguments["factor"], "--beta"),
        replace=None if replaced is None else Replace(str(replaced)),
        count=None if arguments["count"] is None else int(str(arguments["count"])),
        form=parse_form(str(arguments["form"])),
    )


def _several(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else ()
