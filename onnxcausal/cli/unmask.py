"""The command `onnxcausal unmask`."""

import sys

from onnxcausal.cli import options


def unmask_command(
    repaired: options.RepairedFile,
    *,
    out: options.NewModelFile,
    against: options.OriginalFile = None,
    other_bytes: options.OtherBytes = False,
    force: options.ForceFile = False,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Take the masks out of a masked or switchable file, and write what is left.

    It is written where it has the hash that the file's record names, or is the original that --against names.
    """
    from onnxcausal.pipeline.preparing.machine import Machine  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.unmask import unmask  # noqa: PLC0415
    from onnxcausal.report.text import printable  # noqa: PLC0415
    from onnxcausal.report.verification import said  # noqa: PLC0415

    machine = Machine.of(limits=limits, follow_links=follow_links, own_process=True)
    found = unmask(repaired, out, against=against, other_bytes=other_bytes, force=force, machine=machine)
    if found.against:
        how = "byte for byte" if found.is_exact else "the same message in other bytes"
        print(f"{printable(repaired.name)}: without its masks it is {printable(found.against)}, {how}")
    elif found.is_exact:
        print(f"{printable(repaired.name)}: without its masks it has the hash that its own record names")
    else:
        print(f"{printable(repaired.name)}: without its masks it does NOT have the hash that its record names")
        print("  its message has the hash that the record names for it; only the original shows that it is the same")
    print(f"  the file says, unproven: {said(found.onnxcausal, found.model_file)}")
    print(f"  hash in its record: {found.claimed}")
    print(f"  hash of what is written: {found.sha256}")
    if not quiet:
        print(f"written to {out}", file=sys.stderr)
