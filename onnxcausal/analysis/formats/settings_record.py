"""The settings of an analysis as files hold them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from onnxcausal.analysis.result.settings import OPTIONAL, Settings, recorded


@dataclass(frozen=True, slots=True)
class SettingsRecord(Settings):
    """The method's settings; `preprocess` and `reading` hold what was set of them."""

    preprocess: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)


def settings_record(
    settings: Settings, preprocess: Mapping[str, object], reading: Mapping[str, object]
) -> SettingsRecord:
    """Return the record of settings, and of what was set of preprocessing and of how the model is read."""
    return SettingsRecord(**asdict(settings), preprocess=dict(preprocess), reading=dict(reading))


def settings_by_key(settings: SettingsRecord) -> dict[str, Any]:
    """Return settings by key, as they stand in files."""
    return recorded(TypeAdapter(SettingsRecord).dump_python(settings, mode="json"))


def differing(one: SettingsRecord, other: SettingsRecord) -> dict[str, tuple[object, object]]:
    """Return the settings in which two records differ, by key; an optional one that is not set is None."""
    here, there = settings_by_key(one), settings_by_key(other)
    return {key: (here.get(key), there.get(key)) for key in {**here, **there} if here.get(key) != there.get(key)}


REQUIRED = tuple(key.name for key in fields(SettingsRecord) if key.name not in OPTIONAL)
"""Settings that every record has."""


def _complete(value: object) -> object:
    """Refuse a record that leaves a setting open: none is taken for granted in a file.

    Raises:
        ValueError: one is missing.
    """
    missing = [] if not isinstance(value, dict) else [key for key in REQUIRED if key not in value]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return value


CompleteSettings = Annotated[
    SettingsRecord,
    BeforeValidator(_complete),
    Field(json_schema_extra={"required": list[JsonValue](REQUIRED)}),
]
"""Settings of which none is left out, but for optional ones that were not set."""
