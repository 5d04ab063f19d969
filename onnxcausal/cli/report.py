"""The command `onnxcausal report`."""

import sys
from typing import TYPE_CHECKING

from onnxcausal.cli import options

if TYPE_CHECKING:
    from onnxcausal.pipeline.report import Written


def report_command(
    folder: options.ReportedFolder,
    *,
    results: options.Results = None,
    data: options.AnalysedData = None,
    out: options.ReportFile = None,
    force: options.ForceFile = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Write an analysis as a page for people: one file that any browser opens, without a network."""
    from onnxcausal.pipeline.report import report  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    written = report(folder, out=out, results=results or (), data=data, force=force)
    print(told(written))
    for note in written.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    if not quiet:
        print(f"written to {written.path}", file=sys.stderr)


def told(written: "Written") -> str:
    """Return in a line what is in a report."""
    from onnxcausal.report.text import printable  # noqa: PLC0415  # --help must not load it

    parts = ", ".join([f"{written.classes} class(es)", *written.parts])
    return f"{printable(written.model_file)}: report of {parts} ({written.size / 1e6:.1f} MB)"
