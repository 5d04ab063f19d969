"""The command `onnxcausal unmask`."""

import sys

from onnxcausal.cli import options


def unmask_command(
    repaired: options.RepairedFile,
    *,
    out: options.NewModelFile,
    force: options.ForceFile = False,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Take the masks out of a masked or switchable file, which gives the original back."""
    from onnxcausal.pipeline.preparing.machine import Machine  # noqa: PLC0415
    from onnxcausal.pipeline.unmask import unmask  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    is_same = unmask(
        repaired, out, force=force, machine=Machine.of(limits=limits, follow_links=follow_links, own_process=True)
    )
    how = "byte for byte" if is_same else "the same message, which another program had spelled in other bytes"
    print(f"{printable(repaired.name)}: the original is restored, {how}")
    if not quiet:
        print(f"written to {out}", file=sys.stderr)
