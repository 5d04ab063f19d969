"""What `verify` proves of a repaired file and what it does not, and its JSON format, version 1."""

import json
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.record import Record

FORMAT: Final = "onnxcausal-verification/1"
SCHEMA_FILE = "verification-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""

Size = Annotated[float, Field(ge=0)]


class MeansState(StrEnum):
    """What is known of the means."""

    NONE = "none"
    """There are none."""
    WITHIN_DATA = "within data"
    """Each lies between the least and the largest value that its node takes on samples."""
    NOT_CHECKED = "not checked against data"
    """No data are at hand; each lies within what nodes of its layer take on made-up inputs of two scales."""
    ANY = "not checked"
    """It was told to take any."""


class ClaimRecord(Record):
    """What the file says of itself. Nothing of it is proven: whoever wrote the file may have written it.

    `file` is the name of the model it says it was made from; the model's hash is that of the original, which is proven.
    """

    onnxcausal: str
    file: str
    provenance: dict[str, Any]


class ChangedLayerRecord(Record):
    """How much is changed of a layer.

    `edges` of `of` have a factor below 1. `weight` is the largest change of a weight, `largest` the largest weight (in
    a quantised layer both are whole numbers), `added` the largest number that is added to what a child gets: in place
    of means, in a tensor or in its bias.
    """

    layer: str
    edges: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=0)]
    weight: Size
    largest: Size
    added: Size


class MeansRecord(Record):
    """What is known of the means; `told` says the same in a sentence, empty where there are none."""

    state: MeansState
    told: str


class VerificationFile(Record):
    """What was found of a file that is its original and the masks it names; of any other there is no record."""

    format: Literal["onnxcausal-verification/1"] = FORMAT
    repaired: ModelRecord
    against: ModelRecord
    byte_for_byte: bool
    form: str
    layers: list[ChangedLayerRecord]
    means: MeansRecord
    claims: ClaimRecord


def to_json(found: VerificationFile) -> str:
    """Return the record as JSON, ending in a newline."""
    return json.dumps(found.model_dump(mode="json"), indent=1) + "\n"


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(VerificationFile.model_json_schema(), indent=1) + "\n"
