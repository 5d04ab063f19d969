"""The command `onnxcausal doctor`."""

import json
from dataclasses import asdict
from pathlib import Path

from onnxcausal.cli import options


def doctor_command(
    *,
    as_json: options.AsInspectionJson = False,
    debug: options.Debug = False,  # noqa: ARG001  # read by the program's entry, which sees every error
) -> None:
    """Tell whether this environment can do the work: versions, providers that really run, libraries, memory, disk."""
    from onnxcausal.pipeline.doctor import check_health, examine  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    findings = examine(Path.cwd())
    if as_json:
        held = {"format": "onnxcausal-doctor/1", "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(held, indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            print(f"  {finding.state.value:<8} {finding.name:<{width}}  {printable(finding.found)}")
            if finding.remedy:
                print(f"  {'':<8} {'':<{width}}  do: {printable(finding.remedy)}")
    check_health(findings)
