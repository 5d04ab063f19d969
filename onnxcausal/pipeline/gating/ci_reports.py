"""Reports for machines and CI, all from the result of one run: JUnit, SARIF, Markdown, DOT, and what Netron shows."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path
from typing import assert_never

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.formats.output_folder import save_files, write_file
from onnxcausal.analysis.gating.checks import Check, Checked, checks_of_comparison, not_compared
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, OutputError
from onnxcausal.filesystem.reading import OWN_FORMAT, read_plain
from onnxcausal.filesystem.writing import append
from onnxcausal.onnxgraph.forms.annotated import by_op, is_copy_of, with_entries
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.pipeline.preparing.opening import CAREFUL, Caution, open_original
from onnxcausal.pipeline.preparing.saved_analysis import is_analysis
from onnxcausal.pipeline.writing.placing import files_of, put
from onnxcausal.report.machine.dot import dot
from onnxcausal.report.machine.github import annotations, markdown
from onnxcausal.report.machine.junit import junit
from onnxcausal.report.machine.netron import attachment, entries, is_attachment_of
from onnxcausal.report.machine.sarif import sarif

SUMMARY = "GITHUB_STEP_SUMMARY"
ACTIONS = "GITHUB_ACTIONS"
"""Variables by which GitHub Actions says that it runs a step, and where the step's summary goes."""

LAID_OVER = ".json"
"""How the name of a file ends that Netron lays over an open model."""


class Format(StrEnum):
    """A form of report."""

    JUNIT = "junit"
    """JUnit XML."""
    SARIF = "sarif"
    """SARIF 2.1.0."""
    MARKDOWN = "markdown"
    """The summary that GitHub shows."""
    DOT = "dot"
    """A folder with the graph of each class for Graphviz."""
    NETRON = "netron"
    """Roles and effects on the model's ops: a copy of the model, or a .json file to lay over it."""


OF_ANALYSIS = (Format.DOT, Format.NETRON)
"""Forms that are of an analysis and not of its checks."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report to be written.

    Attributes:
        form: its form.
        path: where to.
    """

    form: Format
    path: Path


def parse_reports(texts: Sequence[str], *, analysed: bool) -> tuple[Report, ...]:
    """Return the reports that a user asked for, as FORMAT=FILE.

    Args:
        texts: what was given.
        analysed: whether there will be an analysis that they can be of.

    Raises:
        ConfigError: a form is unknown, or its file can have no place.
    """
    known = [form for form in Format if analysed or form not in OF_ANALYSIS]
    found = []
    for text in texts:
        name, sign, path = text.partition("=")
        if not sign or not path or name not in known:
            raise ConfigError(
                "a report cannot be read",
                where=f"--report {text}",
                why=f"reports are {', '.join(known)}",
                remedy="write it like junit=report.xml",
            )
        folder = Path(path).parent
        if not folder.is_dir():
            raise ConfigError(
                "a report has no place",
                where=f"--report {text}",
                why=f"there is no folder {folder}",
                remedy="make the folder first",
            )
        found.append(Report(Format(name), Path(path)))
    return tuple(found)


def checked_of(model: Path, sha256: str, checks: Sequence[Check], notes: Sequence[str] = ()) -> Checked:
    """Return the checks of a model file."""
    return Checked(str(model), sha256, version_of("onnxcausal"), tuple(checks), tuple(notes))


def checked_comparison(new: Path, comparison: ComparisonFile, notes: Sequence[str] = ()) -> Checked:
    """Return the checks of a comparison; of the model file where the new side is one, else of its name."""
    place = Path(comparison.new.model.file) if is_analysis(new) else new
    checks = checks_of_comparison(comparison, not_compared(comparison))
    return checked_of(place, comparison.new.model.sha256, checks, notes)


def write_reports(reports: Sequence[Report], checked: Checked) -> None:
    """Write the reports that are of checks.

    Raises:
        OutputError: one cannot be written.
    """
    for report in reports:
        match report.form:
            case Format.JUNIT:
                write_file(report.path, junit(checked))
            case Format.SARIF:
                write_file(report.path, sarif(checked, Path.cwd()))
            case Format.MARKDOWN:
                write_file(report.path, markdown(checked).encode())
            case Format.DOT | Format.NETRON:
                pass
            case _:
                assert_never(report.form)


def write_graphs(
    reports: Sequence[Report], analysis: Analysis, model: Path, *, caution: Caution = CAREFUL
) -> tuple[str, ...]:
    """Write the reports that are of an analysis; return what a reader must know of them, one sentence each.

    Args:
        reports: the reports.
        analysis: the analysis.
        model: its model file.
        caution: how far that is trusted.

    Raises:
        OnnxCausalError: one cannot be written, or would replace something else.
    """
    notes: list[str] = []
    for report in reports:
        match report.form:
            case Format.DOT:
                files = {f"graph-{graph.target}.dot": dot(analysis, graph) for graph in analysis.graphs}
                save_files(report.path, files)
            case Format.NETRON:
                notes += _for_netron(report.path, analysis, model, caution)
            case Format.JUNIT | Format.SARIF | Format.MARKDOWN:
                pass
            case _:
                assert_never(report.form)
    return tuple(notes)


def tell_github(checked: Checked, environment: Mapping[str, str]) -> str:
    """Append the summary of a step where GitHub Actions runs one; return the annotations to print, else nothing.

    Args:
        checked: the checks.
        environment: variables of the process.
    """
    if environment.get(ACTIONS) != "true":
        return ""
    if environment.get(SUMMARY):
        append(Path(environment[SUMMARY]), markdown(checked).encode())
    return annotations(checked)


def _for_netron(out: Path, analysis: Analysis, model: Path, caution: Caution) -> list[str]:
    """Write a copy of the model, or what Netron lays over the model where the file's name ends in .json."""
    reading = analysis.reading
    output = None if reading.get("output") is None else str(reading["output"])
    task = None if reading.get("task") is None else Task(str(reading["task"]))
    original = open_original(model, caution, output, run=False)
    _check_place(out, original)
    shown = entries(analysis)
    if out.suffix == LAID_OVER:
        of_ops, missing = by_op(original, shown, output=output, task=task)
        write_file(out, attachment(of_ops, original.model.sha256))
    else:
        proto, missing = with_entries(original, shown, output=output, task=task)
        put(out, proto, original, follow_links=caution.follow_links)
    return [f"{len(missing)} layer(s) have no op of their own in the file, e.g. {missing[0]}"] if missing else []


def _check_place(out: Path, original: Original) -> None:
    """Refuse to write over anything but an earlier report of the same kind."""
    if not os.path.lexists(out):
        return
    sha256 = original.model.sha256
    if out.is_file() and not any(out.samefile(source) for source in files_of(original) if source.exists()):
        ours = _is_attachment(out, sha256) if out.suffix == LAID_OVER else is_copy_of(out, sha256)
        if ours:
            return
    raise OutputError(
        "there is another file in the report's place",
        where=str(out),
        why="it would be lost: it is none that was written for Netron of this model",
        remedy=f"name another file in --report {Format.NETRON}=FILE",
    )


def _is_attachment(out: Path, sha256: str) -> bool:
    try:
        return is_attachment_of(read_plain(out, OWN_FORMAT), sha256)
    except OSError:
        return False
