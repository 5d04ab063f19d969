"""Reports of checks: valid by their schemas, the same for the same checks, safe whatever names hold."""

import dataclasses
import io
import json
import subprocess
from pathlib import Path
from shutil import which
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from onnxcausal import analyze
from onnxcausal.analysis.gating.checks import Check, Checked, Status
from onnxcausal.report.checks import listed
from onnxcausal.report.machine.dot import dot
from onnxcausal.report.machine.github import annotations, markdown
from onnxcausal.report.machine.junit import junit
from onnxcausal.report.machine.sarif import FINGERPRINT, sarif

SCHEMAS = Path(__file__).parents[2] / "schemas"
SHIPPED = Path(__file__).parents[3] / "models"
HOSTILE = (
    "a\"b'c<d>&]]>::error::x\r\n::set-output name=y::z\x00\x1b[31m|`*_[link](javascript:1)\\ {0} %0A \udc80 \u202e"
)
PLAIN = Checked(
    "models/some model.onnx",
    "0" * 64,
    "0.1.0",
    (
        Check("analysed", "analysed", Status.PASSED, "right on 10 of 11 samples tried", 3, "3 (cat)"),
        Check("analysed", "analysed", Status.SKIPPED, "no correctly classified sample", 4, "4"),
        Check("noisy_share", "noisy_share > 0.3", Status.FAILED, "noisy_share is 0.5", 3, "3 (cat)", "/fc/Gemm"),
        Check("skipped", "skipped > 0", Status.PASSED, "skipped is 0"),
    ),
)
WICKED = Checked(
    f"/models/{HOSTILE}.onnx",
    "f" * 64,
    "0.1.0",
    tuple(Check("nodes", f"nodes[{HOSTILE}] > 1", status, HOSTILE, 1, HOSTILE, HOSTILE) for status in Status),
    (HOSTILE, "a file sets margin = 1"),
)


@pytest.fixture(params=[PLAIN, WICKED], ids=["plain", "hostile"])
def checked(request: pytest.FixtureRequest) -> Checked:
    found: Checked = request.param
    return found


def test_junit_is_valid_by_the_schema_of_jenkins(checked: Checked) -> None:
    schema = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
    schema.validate(io.BytesIO(junit(checked)))
    root = ET.fromstring(junit(checked))  # noqa: S314  # made here
    (suite,) = root
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests", "")) == len(checked.checks)
    for tag, status, count in (("failure", Status.FAILED, "failures"), ("skipped", Status.SKIPPED, "skipped")):
        found = [case for case in cases if case.find(tag) is not None]
        assert len(found) == int(suite.get(count, "")) == len(checked.having(status))


def test_a_schema_refuses_what_is_no_junit() -> None:
    broken = junit(PLAIN).replace(b"<testcase name=", b"<testcase title=")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd")).validate(io.BytesIO(broken))


def by_oasis() -> jsonschema.Draft7Validator:
    schema = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text())
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)


def test_sarif_is_valid_by_the_schema_of_oasis(checked: Checked) -> None:
    log = json.loads(sarif(checked, Path("/")))
    by_oasis().validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["help"]["text"]
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]


def test_a_schema_refuses_what_is_no_sarif() -> None:
    log = json.loads(sarif(PLAIN, Path("/")))
    log["runs"][0]["results"][0]["place"] = "elsewhere"
    with pytest.raises(jsonschema.ValidationError, match="'place' was unexpected"):
        by_oasis().validate(log)


def test_sarif_names_the_file_and_the_op() -> None:
    (run,) = json.loads(sarif(PLAIN, Path("/project")))["runs"]
    failed, skipped = sorted(run["results"], key=lambda result: str(result["level"]))
    (location,) = failed["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "models/some%20model.onnx"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "/fc/Gemm"
    assert (failed["level"], skipped["level"]) == ("error", "note")
    assert failed["message"]["text"] == "noisy_share > 0.3: class 3 (cat): noisy_share is 0.5"


def test_a_file_elsewhere_has_a_full_address() -> None:
    for path, uri in (("/else/m.onnx", "file:///else/m.onnx"), ("../m.onnx", "file:///project/../m.onnx")):
        moved = Checked(path, "0" * 64, "0.1.0", PLAIN.checks)
        (run,) = json.loads(sarif(moved, Path("/project")))["runs"]
        assert unquote(run["artifacts"][0]["location"]["uri"]) == uri


def test_fingerprints_stay_when_numbers_and_files_change_and_differ_for_each_finding() -> None:
    def prints(checked: Checked) -> list[str]:
        (run,) = json.loads(sarif(checked, Path("/")))["runs"]
        return [result["partialFingerprints"][FINGERPRINT] for result in run["results"]]

    check = PLAIN.checks[2]
    others = [
        check,
        Check(check.rule, check.name, check.status, check.message, 4, check.title, check.layer),
        Check(check.rule, check.name, check.status, check.message, check.target, check.title, "/other"),
        Check(check.rule, "noisy_share > 0.2", check.status, check.message, check.target, check.title, check.layer),
    ]
    first = prints(Checked("a.onnx", "0" * 64, "0.1.0", tuple(others)))
    assert len(set(first)) == 4
    again = [Check(c.rule, c.name, c.status, "other", c.target, "renamed", c.layer) for c in others]
    assert prints(Checked("b.onnx", "1" * 64, "0.2.0", tuple(again))) == first


def test_an_annotation_is_one_line_whatever_it_says(checked: Checked) -> None:
    lines = annotations(checked).splitlines()
    assert len(lines) == len(checked.having(Status.FAILED)) == 1
    command, message = lines[0].removeprefix("::").split("::", 1)
    assert command.startswith("error file=")
    properties = dict(part.split("=", 1) for part in command.removeprefix("error ").split(","))
    assert set(properties) == {"file", "title"}
    assert message.startswith("class ")
    assert "\x1b" not in lines[0]


def test_no_more_annotations_than_github_shows() -> None:
    many = Checked("m.onnx", "0" * 64, "0.1.0", (PLAIN.checks[2],) * 25)
    lines = annotations(many).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "::error::and 15 more checks of m.onnx"
    assert not annotations(Checked("m.onnx", "0" * 64, "0.1.0", PLAIN.checks[:2]))


def test_a_markdown_table_keeps_its_cells(checked: Checked) -> None:
    text = markdown(checked)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(checked.checks)
    for row in rows[1:]:
        assert row.replace("\\|", "").count("|") == 5
        assert "<" not in row
        assert "](" not in row
    assert "1 of" in text.splitlines()[0]


def test_failed_checks_are_listed_first_on_the_terminal(checked: Checked) -> None:
    lines = listed(checked.checks).splitlines()
    assert lines[:2] == ["", "gates"]
    assert lines[2].startswith("  failed ")
    assert "\x1b" not in "".join(lines)
    assert listed([]) == ""


def test_many_passed_classes_take_one_line() -> None:
    many = [Check("nodes", "nodes > 9", Status.PASSED, "", number, str(number)) for number in range(20)]
    assert listed(many).splitlines()[-1] == "  passed  nodes > 9: 20 times"


@pytest.mark.parametrize("name", ["digits.onnx", HOSTILE])
def test_dot_holds_every_edge_of_the_graph(name: str) -> None:
    analysis = analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=10)
    object.__setattr__(analysis, "model_file", name)
    (graph,) = analysis.graphs
    text = dot(analysis, graph).decode()
    paths = sum(len(list(layer.edges())) for layer in graph.layers)
    flows = sum(len(layer.links) + len(layer.to_outcome) for layer in graph.layers)
    assert text.count(" -> ") == paths + flows
    title = text.splitlines()[0]
    assert title.startswith('digraph "')
    assert title.endswith('" {')
    assert title[9:-3].replace("\\\\", "").replace('\\"', "").count('"') == 0
    if which("dot"):
        subprocess.run(["dot", "-Tcanon"], input=text, text=True, check=True, capture_output=True)


def test_what_checks_rest_on_stands_in_every_report() -> None:
    note = "m.toml sets margin = 1"
    told = dataclasses.replace(PLAIN, notes=(note,))
    properties = {(held.get("name"), held.get("value")) for held in ET.fromstring(junit(told)).iter("property")}  # noqa: S314  # made here
    assert ("note", note) in properties
    (run,) = json.loads(sarif(told, Path("/")))["runs"]
    ((notification,),) = (held["toolExecutionNotifications"] for held in run["invocations"])
    assert notification == {"level": "note", "message": {"text": note}}
    assert markdown(told).endswith("\n\n- m.toml sets margin = 1\n\n")
    assert listed(PLAIN.checks, told.notes).startswith(f"\nnote: {note}\ngates\n")
    assert listed((), told.notes) == ""
    (plain,) = json.loads(sarif(PLAIN, Path("/")))["runs"]
    assert "invocations" not in plain
