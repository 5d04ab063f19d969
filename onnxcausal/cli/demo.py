"""The command `onnxcausal demo`."""

import sys
from contextlib import closing
from pathlib import Path

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.report import told


def demo_command(
    *,
    out: options.DemoOut = Path("onnxcausal-demo"),
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Show it all on the digits model that comes with the program, and say where the report is."""
    from onnxcausal.pipeline.demo import demo  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.repair import table  # noqa: PLC0415
    from onnxcausal.report.summary import summary  # noqa: PLC0415

    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        shown = demo(out, progress=progress)
    print(summary(shown.analysis))
    print(
        f"{len(shown.explanation.names)} other inputs explained, {len(shown.explanation.wrong)} of them decided wrongly"
    )
    print()
    print(table(shown.repair.record))
    print(told(shown.written))
    print(f"open {shown.written.path} in a browser")
    if not quiet:
        print(f"done in {progress.seconds:.1f} s", file=sys.stderr)
