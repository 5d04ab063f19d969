"""Checks as JUnit XML, as CI servers read it (the schema of Jenkins' xUnit plugin)."""

from xml.etree import ElementTree as ET

from onnxcausal.analysis.gating.checks import Check, Checked, Status
from onnxcausal.report.text import printable


def junit(checked: Checked) -> bytes:
    """Return a test suite of the model, a test case for each check.

    What XML cannot hold is replaced; nothing in it depends on time or host.
    """
    counts = {status: str(len(checked.having(status))) for status in Status}
    totals = {"tests": str(len(checked.checks)), "failures": counts[Status.FAILED], "errors": "0"}
    root = ET.Element("testsuites", {"name": "onnxcausal"} | totals)
    named = {"name": printable(checked.model_file), "skipped": counts[Status.SKIPPED]}
    suite = ET.SubElement(root, "testsuite", named | totals)
    properties = ET.SubElement(suite, "properties")
    for name, value in (("onnxcausal", checked.onnxcausal), ("model sha256", checked.model_sha256)):
        ET.SubElement(properties, "property", name=name, value=value)
    for note in checked.notes:
        ET.SubElement(properties, "property", name="note", value=printable(note))
    for check in checked.checks:
        _case(suite, checked, check)
    ET.indent(root, " ")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, checked: Checked, check: Check) -> None:
    where = f", {check.subject}" + (f", {check.layer}" if check.layer else "")
    names = {"name": printable(check.name + where), "classname": printable(f"{checked.model_file}.{check.rule}")}
    case = ET.SubElement(suite, "testcase", names)
    message = printable(check.message)
    match check.status:
        case Status.FAILED:
            ET.SubElement(case, "failure", message=message, type=check.rule).text = message
        case Status.SKIPPED:
            ET.SubElement(case, "skipped", message=message)
        case Status.PASSED:
            ET.SubElement(case, "system-out").text = message
