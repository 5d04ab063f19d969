"""The command `onnxcausal verify`."""

import sys

from onnxcausal.cli import options
from onnxcausal.cli.settings import configured_by, machine_by


def verify_command(
    repaired: options.RepairedFile,
    *,
    against: options.AgainstFile,
    count: options.VerifyCount = None,
    no_data: options.NoData = False,
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
    fixed: options.Fixed = None,
    output: options.Output = None,
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

    Exit code 0 where it is, else 1. What the masks change is measured where the sidecar of the model, or --data, names
    labelled data.
    """
    from onnxcausal.pipeline.preparing.machine import Machine  # noqa: PLC0415
    from onnxcausal.pipeline.verify import verify  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    arguments = locals()
    machine, configured = machine_by(arguments), configured_by(against, arguments)
    is_same = verify(repaired, against, machine=Machine.of(limits=limits, follow_links=follow_links, own_process=True))
    how = "byte for byte" if is_same else "as the same message in other bytes"
    said = f"{printable(repaired.name)} is {printable(against.name)} and its masks, {how}"
    print(said, file=sys.stderr if as_json else sys.stdout)
    if no_data:
        return
    if configured.values.data.source is not None:
        from onnxcausal.analysis.formats.side_effects import to_json  # noqa: PLC0415
        from onnxcausal.pipeline.remeasure import remeasure  # noqa: PLC0415
        from onnxcausal.report.repair import table  # noqa: PLC0415

        found = remeasure(repaired, against, configured, count=count, machine=machine)
        print(to_json(found) if as_json else table(found), end="")
    elif not quiet:
        print("not measured: no data is named, in a sidecar or with --data", file=sys.stderr)
