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
    from onnxcausal.report.columns import Column, set_in_columns  # noqa: PLC0415

    findings = examine(Path.cwd())
    if as_json:
        held = {"format": "onnxcausal-doctor/1", "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(held, indent=1))
    else:
        rows = []
        for finding in findings:
            rows.append([finding.state.value, finding.name, finding.found])
            rows += [["", "", f"do: {finding.remedy}"]] if finding.remedy else []
        columns = [Column(side="left", width=8, gap=0), Column(side="left", gap=1), Column(side="left")]
        print("\n".join(set_in_columns(columns, rows)))
    check_health(findings)
