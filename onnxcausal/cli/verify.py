"""The command `onnxcausal verify`."""

import sys

from onnxcausal.cli import options
from onnxcausal.cli.settings import configured_by, machine_by, without_data


def verify_command(
    repaired: options.RepairedFile,
    *,
    against: options.AgainstFile,
    count: options.VerifyCount = None,
    no_data: options.NoData = False,
    any_means: options.AnyMeans = False,
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
    provider: options.Provider = None,
    memory: options.Memory = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    as_json: options.AsRepairJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Prove that a repaired file is exactly a model and the masks it names, and measure what these change.

    Exit code 0 where it is, else 1. What the masks change is measured, and their means are held to what nodes take,
    where the sidecar of the model, or --data, names labelled data.
    """
    from onnxcausal.analysis.formats.verification import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.verify import run  # noqa: PLC0415
    from onnxcausal.report.verification import notes, text  # noqa: PLC0415

    arguments = locals()
    machine, configured = machine_by(arguments), configured_by(against, arguments)
    if no_data:
        configured = without_data(configured)
    found = run(repaired, against, lambda: configured, any_means=any_means, machine=machine)
    has_data = configured.values.data.source is not None
    if as_json:
        print(text(found), end="", file=sys.stderr)
    print(text(found) if not as_json else "" if has_data else to_json(found), end="")
    if has_data:
        from onnxcausal.analysis.formats import side_effects  # noqa: PLC0415
        from onnxcausal.pipeline.remeasure import remeasure  # noqa: PLC0415
        from onnxcausal.report.repair import table  # noqa: PLC0415

        told = notes(found) if as_json else ()
        measured = remeasure(repaired, against, configured, count=count, notes=told, machine=machine)
        print(side_effects.to_json(measured) if as_json else table(measured), end="")
    elif not (quiet or no_data):
        print("not measured: no data is named, in a sidecar or with --data", file=sys.stderr)
