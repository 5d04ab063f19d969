"""What people read of gates on the terminal."""

from collections.abc import Sequence

from onnxcausal.analysis.gating.checks import Check, Status
from onnxcausal.report.text import printable

ORDER = (Status.FAILED, Status.SKIPPED, Status.PASSED)
PASSING = 5
"""Passed checks of one gate that are listed one by one."""


def listed(checks: Sequence[Check], notes: Sequence[str] = ()) -> str:
    """Return a line for each check, failed ones first, below what they rest on; nothing where there are none.

    Where a gate passes for many classes, one line says for how many.
    """
    lines = []
    for status in ORDER:
        for name in dict.fromkeys(check.name for check in checks):
            found = [check for check in checks if check.status is status and check.name == name]
            if status is Status.PASSED and len(found) > PASSING:
                lines.append(f"  {status.value}  {printable(name)}: {len(found)} times")
                continue
            lines += [
                f"  {status.value:<7} {printable(name)}: {printable(check.subject)}: {printable(check.message)}"
                for check in found
            ]
    told = [f"note: {printable(note)}" for note in notes]
    return "".join(f"{line}\n" for line in ["", *told, "gates", *lines]) if lines else ""
