"""Failed checks as SARIF 2.1.0 (OASIS), as code scanning reads it.

The location is the model file, the logical location the op. Fingerprints are of the check and what it is of, not of
numbers or files' content, so that a finding keeps its identity from one model to the next.
"""

import hashlib
import json
from pathlib import Path, PurePath
from urllib.parse import quote

from onnxcausal.analysis.gating.checks import HELP, Check, Checked, Status
from onnxcausal.analysis.gating.measures import MEANING
from onnxcausal.report.text import printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/onnxcausal/onnxcausal"
FINGERPRINT = "onnxcausalCheck/v1"
LEVELS = {Status.FAILED: "error", Status.SKIPPED: "note"}


def sarif(checked: Checked, folder: Path) -> bytes:
    """Return a log of one run: a result for each check that failed or could not be made.

    Args:
        checked: the checks.
        folder: what locations are relative to, usually the root of a repository.
    """
    shown = [check for check in checked.checks if check.status in LEVELS]
    rules = list(dict.fromkeys(check.rule for check in checked.checks))
    uri = _uri(checked.model_file, folder)
    run: dict[str, object] = {
        "tool": {
            "driver": {
                "name": "onnxcausal",
                "semanticVersion": checked.onnxcausal,
                "informationUri": HOME,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "artifacts": [
            {
                "location": {"uri": uri},
                "roles": ["analysisTarget"],
                "hashes": {"sha-256": checked.model_sha256},
            }
        ],
        "results": [_result(check, rules.index(check.rule), uri) for check in shown],
        "columnKind": "unicodeCodePoints",
    }
    if checked.notes:
        told = [{"level": "note", "message": {"text": _plain(printable(note))}} for note in checked.notes]
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": told}]
    return (json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n").encode()


def _rule(rule: str) -> dict[str, object]:
    told = HELP.get(rule) or f"A gate on {rule}: {MEANING.get(rule, rule)}."
    text = f"{told} What is measured, and how surely, stands in the README of onnxcausal."
    return {
        "id": rule,
        "shortDescription": {"text": told},
        "help": {"text": text},
        "helpUri": f"{HOME}#gates",
        "defaultConfiguration": {"level": "error"},
    }


def _result(check: Check, index: int, uri: str) -> dict[str, object]:
    location: dict[str, object] = {
        "physicalLocation": {"artifactLocation": {"uri": uri, "index": 0}, "region": {"startLine": 1}}
    }
    if check.layer is not None:
        name = printable(check.layer)
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": name, "kind": "op"}]
    text = f"{check.name}: {check.subject}: {check.message}"
    return {
        "ruleId": check.rule,
        "ruleIndex": index,
        "kind": "fail",
        "level": LEVELS[check.status],
        "message": {"text": _plain(printable(text))},
        "locations": [location],
        "partialFingerprints": {FINGERPRINT: _fingerprint(check)},
    }


def _plain(text: str) -> str:
    """Return a message without what SARIF would take for a link or a placeholder."""
    for sign in "\\[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("{", "{{").replace("}", "}}")


def _fingerprint(check: Check) -> str:
    identity = json.dumps([check.rule, check.name, check.target, check.layer])
    return hashlib.sha256(identity.encode()).hexdigest()


def _uri(path: str, folder: Path) -> str:
    """Return a file's place relative to a folder; one outside of it as it is."""
    place = folder / path
    if place.is_relative_to(folder) and ".." not in PurePath(path).parts:
        return quote(place.relative_to(folder).as_posix(), errors="surrogateescape")
    return place.as_uri()
