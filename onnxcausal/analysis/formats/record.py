"""What all records in files have in common."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

SCHEMAS = Path(__file__).with_name("schemas")
"""Where the JSON Schemas of all formats stand that are shipped."""


class Record(BaseModel):
    """A part of a file: nothing unknown, nothing changed after it is made, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
