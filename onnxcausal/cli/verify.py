"""The command `onnxcausal verify`."""

from onnxcausal.cli import options


def verify_command(
    repaired: options.RepairedFile,
    *,
    against: options.AgainstFile,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Prove that a repaired file is exactly a model and the masks it names: exit code 0, else 1."""
    from onnxcausal.pipeline.verify import verify  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    is_same = verify(repaired, against, limits=limits, follow_links=follow_links)
    how = "byte for byte" if is_same else "as the same message in other bytes"
    print(f"{printable(repaired.name)} is {printable(against.name)} and its masks, {how}")
