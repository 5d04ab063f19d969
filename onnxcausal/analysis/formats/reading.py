"""Reading a file of one of this tool's formats."""

from collections.abc import Collection
from pathlib import Path
from reprlib import repr as shortened
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.json_text import read_json

MOST_TOLD = 1000
"""Wrong values of which the first is told."""
Record = TypeVar("Record", bound=BaseModel)


def read_record(
    path: Path, kind: type[Record], form: str, *, what: str, remedy: str, earlier: Collection[str] = ()
) -> Record:
    """Return the content of a file.

    Args:
        path: the file.
        kind: what it holds.
        form: the format's name and version, as the file states it.
        what: what the file is, for the error.
        remedy: what the reader can do.
        earlier: formats of earlier versions, whose content is one of this version too.

    Raises:
        ConfigError: there is no such file, it is damaged, or of another format.
    """
    cause: Exception
    try:
        held = read_json(path)
        if isinstance(held, dict) and held.get("format") in earlier:
            held["format"] = form
        if isinstance(held, dict) and held.get("format") != form:
            why = f"its format is {shortened(held.get('format'))}, this version reads {form!r}"
            raise ConfigError(f"the {what} cannot be read", where=str(path), why=why, remedy=remedy)
        return kind.model_validate(held)
    except OSError as error:
        why, cause = error.strerror or str(error), error
    except ValidationError as invalid:
        why, cause = first_problem(invalid), invalid
    except ValueError as error:
        why, cause = f"it is no JSON: {error}", error
    raise ConfigError(f"the {what} cannot be read", where=str(path), why=why, remedy=remedy) from cause


def first_problem(invalid: ValidationError) -> str:
    """Return what is wrong with a value that is not as its kind says, and where in it."""
    if invalid.error_count() > MOST_TOLD:  # all of them would be laid out to get at the first
        return f"{invalid.error_count():,} of its values are not as they must be"
    first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
