"""What all records in files have in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of a file: nothing unknown, nothing changed after it is made, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
