"""Checks as GitHub Actions shows them: annotations on the run, and a summary in Markdown."""

import re

from onnxcausal.analysis.gating.checks import Checked, Status
from onnxcausal.report.text import printable

MOST_ANNOTATED = 10
"""GitHub shows so many annotations of a kind for each step."""
MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$@:])")


def annotations(checked: Checked) -> str:
    """Return a workflow command for each check that failed, one a line; empty where none did."""
    failed = checked.having(Status.FAILED)
    lines = [
        f"::error file={_property(checked.model_file)},title={_property(check.name)}::"
        f"{_data(f'{check.subject}: {check.message}')}"
        for check in failed[:MOST_ANNOTATED]
    ]
    if len(failed) > MOST_ANNOTATED:
        lines.append(f"::error::{_data(f'and {len(failed) - MOST_ANNOTATED} more checks of {checked.model_file}')}")
    return "".join(f"{line}\n" for line in lines)


def markdown(checked: Checked) -> str:
    """Return a heading and a table of all checks, failed ones first."""
    failed, skipped = checked.having(Status.FAILED), checked.having(Status.SKIPPED)
    told = f"{len(failed)} of {len(checked.checks)} checks failed" if failed else "all checks passed"
    lines = [
        f"### onnxcausal: {_text(checked.model_file)}: {told}",
        "",
        "| | check | of | found |",
        "|---|---|---|---|",
    ]
    for check in [*failed, *skipped, *checked.having(Status.PASSED)]:
        where = check.subject + (f", {check.layer}" if check.layer else "")
        cells = (_status(check.status), _text(check.name), _text(where), _text(check.message))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {_text(note)}" for note in checked.notes)] if checked.notes else []
    return "\n".join(lines) + "\n\n"


def _status(status: Status) -> str:
    return f"**{status.value}**" if status is Status.FAILED else status.value


def _data(text: str) -> str:
    """Return a command's message, in which nothing ends the command."""
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    """Return the value of a command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _text(text: str) -> str:
    """Return text that Markdown shows as it is."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return MARKUP.sub(lambda match: match[1] if match[1] in ".:" else f"\\{match[1]}", safe)
