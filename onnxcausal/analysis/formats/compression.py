"""What a compression does to a model on samples it was not chosen on, and the file format `NAME.compress.json`."""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from onnxcausal.analysis.formats.analysis_file import DataRecord, ModelRecord, Sha256, Share, ToolRecord
from onnxcausal.analysis.formats.masks import MasksFile, to_record
from onnxcausal.analysis.formats.record import Record
from onnxcausal.analysis.formats.side_effects import (
    ChangeRecord,
    ClassRecord,
    CostRecord,
    Count,
    MovedRecord,
    PartRecord,
    QualityRecord,
)

FORMAT: Final = "onnxcausal-compression/1"
SCHEMA_FILE = "compression-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""


class LostRecord(Record):
    """What a layer lost: parents it no longer reads, children it no longer makes, of how many."""

    layer: str
    parents: Count
    children: Count
    of_parents: Count
    of_children: Count


class RefittedLayerRecord(Record):
    """A layer whose weights were fitted.

    `ridge` is a share of the mean of its squared inputs; `left` the share of the squared error of its output that is
    left, on the samples it was fitted on.
    """

    layer: str
    ridge: float
    left: Share


class UnfitRecord(Record):
    """A layer that lost parents and could not be fitted, and why."""

    layer: str
    why: str


class RefitsRecord(Record):
    """What was fitted, and what could not be."""

    layers: list[RefittedLayerRecord]
    unfit: list[UnfitRecord]


class TriedSizeRecord(Record):
    """One size on the samples to choose on: change of the accuracy over all of them, its lower bound, latency.

    `latency` is the share of the original's time for one sample, null where it was not measured.
    """

    parameters: Count
    difference: float
    least: float
    latency: float | None


class OtherOrderRecord(Record):
    """As many stored numbers removed in another order, and fitted alike, on the samples to report on."""

    method: str
    parameters: Count
    overall: ChangeRecord
    classes: dict[int, float]


class CompressionFile(Record):
    """The content of `NAME.compress.json`.

    `parameters` are stored numbers before and after; `refit` is null where nothing was to be fitted; `refused` says why
    no file was written, and is empty where one was.
    """

    format: Literal["onnxcausal-compression/1"] = FORMAT
    tool: ToolRecord
    model: ModelRecord
    data: DataRecord
    analysis_sha256: Sha256 | None
    settings: dict[str, Any]
    masks: MasksFile
    parameters: tuple[Count, Count]
    lost: list[LostRecord]
    refit: RefitsRecord | None
    split: PartRecord
    tried: list[TriedSizeRecord]
    overall: ChangeRecord
    classes: list[ClassRecord]
    moved: list[MovedRecord]
    agreement: Share
    quality: tuple[QualityRecord, QualityRecord]
    cost: Annotated[list[CostRecord], Field(max_length=2)]
    others: list[OtherOrderRecord]
    refused: str
    notes: list[str]


def to_json(found: CompressionFile) -> str:
    """Return the content of `NAME.compress.json`, ending in a newline."""
    held = found.model_dump(mode="json", exclude={"masks"}) | {"masks": to_record(found.masks)}
    return json.dumps(held, indent=1) + "\n"


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(CompressionFile.model_json_schema(), indent=1) + "\n"
