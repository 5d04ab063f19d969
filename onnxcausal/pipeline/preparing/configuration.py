"""What a run needs to know: defaults, the sidecar beside the model, flags; later ones win.

The sidecar is `model.toml` beside `model.onnx`. Unknown keys are errors that name the nearest known one.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from onnxcausal.analysis.comparing.contrast import MARGIN
from onnxcausal.analysis.result.layer_choice import parts_of
from onnxcausal.analysis.result.settings import EngineKind, Method, Patterns, Settings
from onnxcausal.causal.significance import Rule
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, nearest
from onnxcausal.filesystem.reading import why_unread
from onnxcausal.filesystem.toml_text import read_toml
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.samples.preprocess import Preprocess

Name = Annotated[str, Field(min_length=1)]
STRICT = {"extra": "forbid", "allow_inf_nan": False}
"""How pydantic reads a section: nothing unknown, no NaN or infinity."""
GATES = "gates"
"""The section of what a model must meet."""
PROJECT_FILE = "pyproject.toml"
"""Where gates of all models of a project may stand."""
DEFAULT = "default"
"""Where a value comes from that nobody set."""


def _as_several(value: object) -> object:
    """Return one target as a list of one."""
    return (value,) if isinstance(value, int | str) else value


def _as_patterns(value: object) -> object:
    """Return patterns that stand in one text, separated by commas, as several."""
    return parts_of(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class DataSection:
    """Where the samples come from; paths in a sidecar are relative to it."""

    __pydantic_config__: ClassVar = STRICT

    source: Name | None = None
    labels: Name | None = None
    label_column: str | None = None
    references: Name | None = None
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class AnalysisSection(Method):
    """The method's settings, and the classes to analyse; None: every class present in the data.

    Layers may be named in one text, as in flags.
    """

    layers: Annotated[Patterns, BeforeValidator(_as_patterns)] | None = None
    skip_layers: Annotated[Patterns, BeforeValidator(_as_patterns)] | None = None
    targets: Annotated[tuple[int | str, ...], Field(min_length=1), BeforeValidator(_as_several)] | None = None


@dataclass(frozen=True, slots=True)
class GatesSection:
    """What a model must meet; paths in a file are relative to it."""

    __pydantic_config__: ClassVar = STRICT

    fail_on: Annotated[tuple[str, ...], BeforeValidator(_as_several)] = ()
    baseline: Name | None = None
    evaluation: Name | None = None
    margin: Annotated[float, Field(ge=0)] = MARGIN
    require_classes: Annotated[tuple[int | str, ...], Field(min_length=1), BeforeValidator(_as_several)] = ("all",)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything a run needs to know: each section is what the run itself works with."""

    __pydantic_config__: ClassVar = STRICT

    data: DataSection = DataSection()
    preprocess: Preprocess = field(default_factory=Preprocess)
    model: Reading = field(default_factory=Reading)
    analysis: AnalysisSection = AnalysisSection()
    gates: GatesSection = GatesSection()

    def to_settings(self, task: Task) -> Settings:
        """Return the settings of a run.

        Args:
            task: what the model's scores decide.

        Raises:
            ConfigError: two of them do not go together.
        """
        if self.analysis.adaptive and self.analysis.rule is Rule.WELCH:
            raise ConfigError(
                "adaptive sampling belongs to the paired rule",
                where="adaptive and rule, [analysis]",
                why="the published code's test has no version that may be looked at early",
                remedy="leave --adaptive out, or use --rule paired",
            )
        fast_only = {"budget": self.analysis.budget, "precision": self.analysis.precision}
        changed = [key for key, value in fast_only.items() if value != getattr(AnalysisSection(), key)]
        if changed and self.analysis.engine is EngineKind.REFERENCE:
            raise ConfigError(
                f"{changed[0]} belongs to the suffix engine",
                where=f"{changed[0]} and engine, [analysis]",
                why="the reference engine tests every node, in the model's own precision",
                remedy=f"leave --{changed[0]} out, or use --engine suffix",
            )
        return Settings(**{key.name: getattr(self.analysis, key.name) for key in fields(Method)}, task=task)


SECTIONS = tuple(key.name for key in fields(Configuration))
"""Names of the sections, in the order in which they are shown."""


def as_json(section: object) -> dict[str, Any]:
    """Return the values of a section by key, as they stand in files."""
    held: dict[str, Any] = TypeAdapter(type(section)).dump_python(section, mode="json")
    return held


def what_was_set(section: Preprocess | Reading) -> dict[str, Any]:
    """Return the values of a section that are not the defaults, by key, as they stand in files."""
    usual = as_json(type(section)())
    return {key: value for key, value in as_json(section).items() if value != usual[key]}


@dataclass(frozen=True, slots=True)
class Configured:
    """The merged configuration and where each value came from.

    Attributes:
        values: the configuration.
        origins: by `section.key`: "default", the file's name or the flag.
        from_file: every `section.key` whose value is the file's, whatever that is called.
    """

    values: Configuration
    origins: Mapping[str, str]
    from_file: frozenset[str] = frozenset()

    def given(self, name: str) -> bool:
        """Return whether a value was given with the call itself: by a flag, or as an argument."""
        return name in self.origins and name not in self.from_file


def configure(model: Path, config: Path | None, flags: Mapping[str, tuple[str, object]]) -> Configured:
    """Return the configuration of a run.

    Args:
        model: the model file, whose sidecar is used if it exists.
        config: a file to use in place of the sidecar.
        flags: by `section.key`, the flag's name and its value; only flags that were given.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown, a value is wrong.
    """
    path = config or model.parent / f"{model.stem}.toml"
    merged: dict[str, dict[str, object]] = {}
    origins: dict[str, str] = {}
    if config is not None or (os.path.lexists(path) and not os.path.isdir(path)):  # noqa: PTH112  # it takes any name
        for section, values in _read_toml(path).items():
            _check_known(path.name, section, values)
            merged[section] = dict(values)
            origins |= {f"{section}.{key}": path.name for key in values}
        _resolve_paths(merged.get("data", {}), path.parent, ("source", "labels", "references"))
        _resolve_paths(merged.get("gates", {}), path.parent, ("baseline", "evaluation"))
    for name, (flag, value) in flags.items():
        section, key = name.split(".")
        merged.setdefault(section, {})[key] = value
        origins[name] = flag
    try:
        configuration = TypeAdapter(Configuration).validate_python(merged)
    except ValidationError as error:
        raise _invalid(error, origins) from error
    return Configured(configuration, origins, frozenset(origins) - frozenset(flags))


def configure_by_name(
    model: Path, config: str | Path | None, settings: Mapping[str, object], data: str | Path | None = None
) -> Configured:
    """Return the configuration of a run that is called from Python.

    Args:
        model: the model file, whose sidecar is used if it exists.
        config: a file to use in place of the sidecar.
        settings: by key, without its section; None leaves what the sidecar says.
        data: file or folder of samples; None leaves what the sidecar says.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown, a value is wrong.
    """
    given = {_full_name(key): (f"argument {key}", value) for key, value in settings.items() if value is not None}
    if data is not None:
        given["data.source"] = ("argument data", str(data))
    return configure(model, Path(config) if config else None, given)


def _full_name(key: str) -> str:
    """Return `section.key` of a key, whose names are unique over the sections; gates are not of the analysis itself.

    Raises:
        ConfigError: there is no such key.
    """
    sections = {name: section for section in SECTIONS for name in _keys(section) if section != GATES}
    _check_name("arguments", key, key, list(sections))
    return f"{sections[key]}.{key}"


def project_gates(folder: Path) -> GatesSection:
    """Return the section `[tool.onnxcausal.gates]` of the nearest `pyproject.toml` with `[tool.onnxcausal]`.

    Args:
        folder: where the search begins, going up.

    Raises:
        ConfigError: such a file is not TOML, a key is unknown, a value is wrong.
    """
    for place in (folder, *folder.parents):
        path = place / PROJECT_FILE
        if not os.path.lexists(path) or path.is_dir():
            continue
        held = _read_toml(path).get("tool", {}).get("onnxcausal")
        if held is None:
            continue
        for section, values in held.items():
            _check_name(PROJECT_FILE, f"[tool.onnxcausal] {section}", section, [GATES])
            _check_known(PROJECT_FILE, section, values)
        values = dict(held.get(GATES, {}))
        _resolve_paths(values, place, ("baseline", "evaluation"))
        try:
            return TypeAdapter(GatesSection).validate_python(values)
        except ValidationError as error:
            raise _invalid_gates(error) from error
    return GatesSection()


def show(configured: Configured) -> str:
    """Return the merged configuration as TOML, each value with a comment that says where it came from.

    Keys without a value are shown as comments.
    """
    lines = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        values = as_json(getattr(configured.values, section))
        for key, value in values.items():
            written = f"# {key} is not set" if value is None else f"{key} = {as_toml(value)}"
            lines.append(f"{written:<40} # {configured.origins.get(f'{section}.{key}', DEFAULT)}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_toml(value: object) -> str:
    """Return a value as it stands in a file."""
    if isinstance(value, dict):
        entries = [f"{json.dumps(key, ensure_ascii=False)} = {as_toml(held)}" for key, held in value.items()]
        return "{" + ", ".join(entries) + "}"
    return json.dumps(value, ensure_ascii=False)


def _read_toml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return read_toml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the configuration file cannot be read",
            where=str(path),
            why=why_unread(error),
            remedy="supply a TOML file with the sections " + ", ".join(f"[{name}]" for name in SECTIONS),
        ) from error


def _check_known(file: str, section: str, values: object) -> None:
    """Refuse unknown sections and keys."""
    _check_name(file, f"[{section}]", section, list(SECTIONS))
    if not isinstance(values, dict):
        raise ConfigError(
            f"{section} is not a section",
            where=file,
            why="settings stand in sections",
            remedy=f"write a line [{section}] and the settings below it",
        )
    for key in values:
        _check_name(file, f"[{section}] {key}", key, _keys(section))


def _keys(section: str) -> list[str]:
    """Return the keys of a section."""
    return [key.name for key in fields(getattr(Configuration(), section))]


def _check_name(file: str, where: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    near = nearest(name, known)
    raise ConfigError(
        f"unknown key {name!r}",
        where=f"{file}, {where}",
        why=f"known are {', '.join(known)}",
        remedy=f"did you mean {near!r}?" if near else "remove it",
    )


def _resolve_paths(section: dict[str, object], folder: Path, keys: tuple[str, ...]) -> None:
    """Make the paths of a file relative to its folder."""
    for key in keys:
        if isinstance(section.get(key), str) and section[key]:
            section[key] = str(folder / str(section[key]))


def _invalid_gates(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = str(first["loc"][0])
    return ConfigError(
        f"the value of {key} is not allowed",
        where=f"{PROJECT_FILE}, [tool.onnxcausal.gates] {key}",
        why=f"{first['msg']}; got {first['input']!r}",
        remedy="correct the value",
    )


def _invalid(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    section, key = str(first["loc"][0]), str(first["loc"][1]) if len(first["loc"]) > 1 else ""
    return ConfigError(
        f"the value of {key or section} is not allowed",
        where=f"{origins.get(f'{section}.{key}', DEFAULT)}, [{section}] {key}",
        why=f"{first['msg']}; got {first['input']!r}",
        remedy="correct the value; onnxcausal analyze --show-config lists all settings",
    )
