"""Reading a file of one of this tool's formats."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from onnxcausal.errors import ConfigError

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
        held = json.loads(path.read_bytes(), parse_constant=_no_number)
        if isinstance(held, dict) and held.get("format") in earlier:
            held["format"] = form
        if isinstance(held, dict) and held.get("format") != form:
            why = f"its format is {held.get('format')!r}, this version reads {form!r}"
            raise ConfigError(f"the {what} cannot be read", where=str(path), why=why, remedy=remedy)
        return kind.model_validate(held)
    except OSError as error:
        why, cause = error.strerror or str(error), error
    except ValidationError as invalid:
        first = invalid.errors()[0]
        why, cause = f"{'.'.join(map(str, first['loc']))}: {first['msg']}", invalid
    except (ValueError, RecursionError) as error:
        why, cause = f"it is no JSON: {error}", error
    raise ConfigError(f"the {what} cannot be read", where=str(path), why=why, remedy=remedy) from cause


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
