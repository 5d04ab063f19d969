"""Reports for machines and CI, all from the result of one run: JUnit, SARIF, Markdown, DOT, and a copy for Netron."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.checks import Check, Checked, checks_of_comparison
from onnxcausal.analysis.comparison import ComparisonFile
from onnxcausal.analysis.folder import save_files, write_file
from onnxcausal.analysis.result import Analysis
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.attachment import is_copy_of, with_entries
from onnxcausal.pipeline.compare import is_analysis
from onnxcausal.pipeline.opening import CAREFUL, Caution, open_original
from onnxcausal.pipeline.placing import check_place, files_of, put
from onnxcausal.report.dot import dot
from onnxcausal.report.github import annotations, markdown
from onnxcausal.report.junit import junit
from onnxcausal.report.netron import entries
from onnxcausal.report.sarif import sarif

SUMMARY = "GITHUB_STEP_SUMMARY"
ACTIONS = "GITHUB_ACTIONS"
"""Variables by which GitHub Actions says that it runs a step, and where the step's summary goes."""


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
    """A copy of the model with roles and effects in the metadata of its ops."""


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


def checked_of(model: Path, sha256: str, checks: Sequence[Check]) -> Checked:
    """Return the checks of a model file."""
    return Checked(str(model), sha256, version_of("onnxcausal"), tuple(checks))


def checked_comparison(new: Path, comparison: ComparisonFile) -> Checked:
    """Return the checks of a comparison; of the model file where the new side is one, else of its name."""
    place = Path(comparison.new.model.file) if is_analysis(new) else new
    return checked_of(place, comparison.new.model.sha256, checks_of_comparison(comparison))


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
        if report.form is Format.DOT:
            save_files(report.path, {f"graph-{graph.target}.dot": dot(analysis, graph) for graph in analysis.graphs})
        elif report.form is Format.NETRON:
            notes += _copy(report.path, analysis, model, caution)
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
        with Path(environment[SUMMARY]).open("a", encoding="utf-8") as file:
            file.write(markdown(checked))
    return annotations(checked)


def _copy(out: Path, analysis: Analysis, model: Path, caution: Caution) -> list[str]:
    """Write the copy for Netron."""
    reading = analysis.reading
    output = None if reading.get("output") is None else str(reading["output"])
    task = None if reading.get("task") is None else Task(str(reading["task"]))
    original = open_original(model, caution, output, run=False)
    check_place(out, files_of(original), lambda: is_copy_of(out, original.model.sha256), force=False)
    proto, missing = with_entries(original, entries(analysis), output=output, task=task)
    put(out, proto, original, follow_links=caution.follow_links)
    return [f"{len(missing)} layer(s) have no op of their own in the file, e.g. {missing[0]}"] if missing else []
