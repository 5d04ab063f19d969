"""What a pruned and re-fitted model file says of how it was made: one text among its metadata."""

import json
from typing import Any, Final, Literal

from onnxcausal.analysis.formats.masks import MasksFile, to_record
from onnxcausal.analysis.formats.metadata_text import parse
from onnxcausal.analysis.formats.record import Record
from onnxcausal.analysis.formats.repair_metadata import OriginalRecord

REFIT_KEY: Final = "onnxcausal.compress"
"""Key of the text among the model's metadata."""


class RefittedRecord(Record):
    """A layer whose stored tensors hold other values than the original's, and the ridge they were fitted with."""

    layer: str
    tensors: list[str]
    ridge: float


class RefitRecord(Record):
    """How a file was made: what `masks` remove was taken out, then the weights of some layers were fitted to samples.

    The file is more than the original and masks: which weights the fit gives follows from the samples too.
    """

    format: Literal["onnxcausal-compress/1"] = "onnxcausal-compress/1"
    onnxcausal: str
    original: OriginalRecord
    masks: MasksFile
    refit: Literal[True] = True
    refitted: list[RefittedRecord]
    settings: dict[str, Any]


def to_text(record: RefitRecord) -> str:
    """Return the record as it stands in a file: JSON in one line."""
    held = record.model_dump(mode="json", exclude={"masks"}) | {"masks": to_record(record.masks)}
    return json.dumps(held, sort_keys=True, separators=(",", ":"), allow_nan=False)


def model_of_text(text: str) -> str:
    """Return the hash of the model that a file with such a record was made from; empty where it is damaged.

    >>> model_of_text("{}")
    ''
    """
    try:
        return str(parse(text)["masks"]["model"]["sha256"])
    except (ValueError, TypeError, LookupError):
        return ""
