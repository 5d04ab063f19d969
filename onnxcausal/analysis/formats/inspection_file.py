"""The format of `onnxcausal inspect --json`, version 1: every string exactly as the model holds it."""

import json
from dataclasses import fields
from typing import Final, Literal

from onnxcausal.analysis.formats.record import Record
from onnxcausal.analysis.result.inspection import (
    Branch,
    FileFacts,
    Finding,
    InputFacts,
    Inspection,
    LayerFacts,
    OpFacts,
    OutcomeFacts,
    OutputFacts,
)

FORMAT: Final = "onnxcausal-inspection/1"
SCHEMA_FILE = "inspection-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""


class InspectionFile(Record):
    """What is in a model file; layers run from the outcome upwards."""

    format: Literal["onnxcausal-inspection/1"] = FORMAT
    onnxcausal: str
    file: FileFacts
    inputs: tuple[InputFacts, ...]
    outputs: tuple[OutputFacts, ...]
    outcome: OutcomeFacts
    ops: dict[str, int]
    layers: tuple[LayerFacts, ...]
    others: tuple[OpFacts, ...]
    branches: tuple[Branch, ...]
    rewritten: tuple[str, ...]
    findings: tuple[Finding, ...]
    flow_reason: str
    work: int | None
    ran: bool


def to_json(inspection: Inspection, version: str) -> str:
    """Return the inspection for scripts, ending in a newline.

    Args:
        inspection: the inspection.
        version: version of this program.
    """
    held = {field.name: getattr(inspection, field.name) for field in fields(inspection)}
    record = InspectionFile(onnxcausal=version, **held).model_dump(mode="json")
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def schema() -> str:
    """Return the JSON Schema, as shipped in `SCHEMA_FILE`."""
    return json.dumps(InspectionFile.model_json_schema(mode="serialization"), indent=1) + "\n"
