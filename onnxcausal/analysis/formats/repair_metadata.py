"""What a repaired model file says of how it was made: one text among its metadata.

It is the file's own claim: whoever made the file may have written anything into it. `verify` holds it to the model.
"""

import json
import re
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field, ValidationError

from onnxcausal.analysis.formats.analysis_file import Sha256
from onnxcausal.analysis.formats.masks import MasksFile, in_order, to_record
from onnxcausal.analysis.formats.metadata_text import parse
from onnxcausal.analysis.formats.reading import first_problem
from onnxcausal.analysis.formats.record import Record
from onnxcausal.errors import ConfigError, ModelError

KEY: Final = "onnxcausal.repair"
"""Key of the text among the model's metadata."""
FORMAT: Final = "onnxcausal-repair/1"
MOST_TOLD = 300
"""Letters of a reason that are shown: it may quote the file."""
VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,64}")
"""A version as Python packages spell it, and no other text."""


class Form(StrEnum):
    """How masks stand in a model file."""

    MASKED = "masked"
    """Constant masks, multiplied with the weights before the layers use them."""
    FOLDED = "folded"
    """Weights that are multiplied already; the graph is as it was."""
    PRUNED = "pruned"
    """The same, without the channels that nothing uses then; those that cannot go exactly stay, with weights of 0."""
    SWITCHABLE = "switchable"
    """Masks that are inputs with a default: fed with ones, the file is the original model."""


class OriginalRecord(Record):
    """The file that was repaired: hashes of its bytes, and of its message as protobuf writes it today."""

    file_sha256: Sha256
    message_sha256: Sha256


class RepairRecord(Record):
    """How a file was made.

    `inserted` holds the name of the mask of each layer, where there are masks in the file; `shifts` the name of what
    is added to the output of each layer, where something is.
    """

    format: Literal["onnxcausal-repair/1"] = FORMAT
    onnxcausal: str
    form: Form
    original: OriginalRecord
    inserted: dict[str, str]
    shifts: dict[str, str] = Field(default_factory=dict)
    masks: MasksFile


def to_text(record: RepairRecord) -> str:
    """Return the record as it stands in a file: JSON in one line."""
    unset = set() if record.shifts else {"shifts"}  # a file without them says what it said before there were any
    held = record.model_dump(mode="json", exclude={"masks"} | unset) | {"masks": to_record(record.masks)}
    return json.dumps(held, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_text(text: str, where: str) -> RepairRecord:
    """Return the record in a text.

    Args:
        text: the text.
        where: the model it is from, for the error.

    Raises:
        ModelError: it is damaged, of another version, or more than such a record is.
    """
    cause: Exception
    try:
        found = RepairRecord.model_validate(parse(text))
        _check_version(found.onnxcausal)
        return found.model_copy(update={"masks": in_order(found.masks)})
    except ValidationError as error:
        why, cause = first_problem(error), error
    except ConfigError as error:
        why, cause = f"{error.what}, {error.why}", error
    except (ValueError, RecursionError) as error:
        why, cause = str(error)[:MOST_TOLD], error
    raise ModelError(
        "the model's record of its repair cannot be read",
        where=f"{where}, metadata {KEY}",
        why=why,
        remedy="use the version of onnxcausal that made the file; if it was edited, apply the masks anew",
    ) from cause


def _check_version(version: str) -> None:
    """Refuse a text that is no version.

    Raises:
        ValueError: it is none.
    """
    if not VERSION.fullmatch(version):
        raise ValueError("onnxcausal: it is no version")
