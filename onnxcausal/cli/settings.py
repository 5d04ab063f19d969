"""What the options of a command mean: settings of the configuration, a machine, shares."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxcausal.errors import ConfigError

if TYPE_CHECKING:
    from onnxcausal.pipeline.preparing.configuration import Configured
    from onnxcausal.pipeline.preparing.machine import Machine

FLAGS = {
    "data": ("data.source", "--data"),
    "labels": ("data.labels", "--labels"),
    "label_column": ("data.label_column", "--label-column"),
    "references": ("data.references", "--references"),
    "skip_bad": ("data.skip_bad", "--skip-bad"),
    "resize": ("preprocess.resize", "--resize"),
    "center_crop": ("preprocess.center_crop", "--center-crop"),
    "rescale": ("preprocess.rescale", "--rescale"),
    "mean": ("preprocess.mean", "--mean"),
    "std": ("preprocess.std", "--std"),
    "channels": ("preprocess.channels", "--channels"),
    "layout": ("preprocess.layout", "--layout"),
    "input_name": ("model.input", "--input"),
    "output": ("model.output", "--output"),
    "reduce": ("model.reduce", "--reduce"),
    "class_axis": ("model.class_axis", "--class-axis"),
    "at": ("model.at", "--at"),
    "scores": ("model.scores", "--scores"),
    "sample_axis": ("model.sample_axis", "--sample-axis"),
    "blank": ("model.blank", "--blank"),
    "task": ("model.task", "--task"),
    "fixed": ("model.fixed", "--set"),
    "target": ("analysis.targets", "--target"),
    "samples": ("analysis.samples", "--samples"),
    "layers": ("analysis.layers", "--layers"),
    "skip_layers": ("analysis.skip_layers", "--skip-layers"),
    "rule": ("analysis.rule", "--rule"),
    "alpha": ("analysis.alpha", "--alpha"),
    "coverage": ("analysis.coverage", "--coverage"),
    "beta": ("analysis.beta", "--beta"),
    "replace": ("analysis.replace", "--replace"),
    "outcome": ("analysis.outcome", "--outcome"),
    "seed": ("analysis.seed", "--seed"),
    "engine": ("analysis.engine", "--engine"),
    "adaptive": ("analysis.adaptive", "--adaptive"),
    "budget": ("analysis.budget", "--budget"),
    "precision": ("analysis.precision", "--precision"),
}
"""Setting and flag of each option that is a setting, by the option's name here."""


def configured_by(model: Path, arguments: Mapping[str, Any]) -> "Configured":
    """Return the configuration of a run: its options win over the file that --config names, or the sidecar.

    Args:
        model: the model file.
        arguments: the options by name; among them `config`.

    Raises:
        ConfigError: an option or the file cannot be read.
    """
    from onnxcausal.pipeline.preparing.configuration import configure  # noqa: PLC0415  # --help must not load it

    return configure(model, arguments["config"], given_settings(arguments))


def without_data(configured: "Configured") -> "Configured":
    """Return a configuration that names no data."""
    values = configured.values
    return replace(configured, values=replace(values, data=replace(values.data, source=None)))


def machine_by(arguments: Mapping[str, Any]) -> "Machine":
    """Return what of the machine may be used.

    Args:
        arguments: the options by name; among them `provider`, `memory`, `limits` and `follow_links`.

    Raises:
        ConfigError: one cannot be read.
    """
    from onnxcausal.pipeline.preparing.machine import Machine  # noqa: PLC0415  # --help must not load it

    return Machine.of(
        provider=arguments["provider"],
        memory=arguments["memory"],
        devices=_devices(arguments.get("devices")),
        limits=arguments["limits"],
        follow_links=arguments["follow_links"],
        own_process=True,
    )


def given_settings(arguments: Mapping[str, Any]) -> dict[str, tuple[str, object]]:
    """Return the settings that a command was given: by key, the flag and its value."""
    read = {
        "resize": _numbers,
        "center_crop": _numbers,
        "mean": _list,
        "std": _list,
        "target": _several,
        "layers": _parts,
        "skip_layers": _parts,
        "fixed": _pairs,
        "at": _places,
        "scores": _ends,
    }
    values = {name: read.get(name, _as_it_is)(arguments.get(name)) for name in FLAGS}
    return {key: (flag, values[name]) for name, (key, flag) in FLAGS.items() if values[name] is not None}


def share(value: object, flag: str) -> float | None:
    """Return a share written as `0.005` or `0.5%`.

    Raises:
        ConfigError: it is no number.
    """
    if value is None:
        return None
    text = str(value).strip()
    try:
        return float(text.removesuffix("%") if text != "1" else "") / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise ConfigError(
            "the share cannot be read",
            where=f"{flag} {text}",
            why="it is no number, with or without a percent sign; 1 alone could mean either",
            remedy="write for example 0.5% or 0.005",
        ) from error


def _devices(text: str | None) -> tuple[int, ...]:
    """Return the numbers of devices.

    Raises:
        ConfigError: they are no numbers.
    """
    parts = _list(text) or []
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(
            "the devices cannot be read",
            where=f"--devices {text}",
            why="devices are numbered from 0",
            remedy="write their numbers, like 0,1",
        )
    return tuple(map(int, parts))


def _as_it_is(value: object) -> object:
    return value


def _several(values: object) -> object:
    """Return what a repeatable option was given; None for nothing."""
    return values or None


def _parts(values: object) -> list[str] | None:
    """Return the parts of a repeatable option, each of which may hold several; None for nothing."""
    return [part.strip() for text in values for part in text.split(",")] if isinstance(values, list) else None


def _pairs(values: object) -> object:
    """Return what was given as NAME=VALUE, by name; None for nothing.

    Raises:
        ConfigError: one of them has no value.
    """
    pairs: dict[str, str] = {}
    for text in values if isinstance(values, list) else []:
        name, sign, value = str(text).rpartition("=")
        if not sign or not name:
            raise ConfigError(
                "an input's value cannot be read",
                where=f"--set {text}",
                why="it is not of the form NAME=VALUE",
                remedy="write the input's name, = and a number, like --set mask=1",
            )
        pairs[name] = value
    return pairs or None


def _list(text: object) -> list[str] | None:
    """Return the parts of a comma-separated option."""
    return None if text is None else [part.strip() for part in str(text).split(",")]


def _places(text: object) -> list[str] | None:
    """Return places, of which `last` is the last one."""
    parts = _list(text)
    return None if parts is None else ["-1" if part == "last" else part for part in parts]


def _ends(text: object) -> list[str] | None:
    """Return the two ends of `FROM:TO`; what is none is left for the check of the settings."""
    return None if text is None else str(text).split(":")


def _numbers(text: object) -> object:
    """Return one number as it is, several as a list; what is no number is left for the check of the settings."""
    parts = _list(text)
    return parts[0] if parts and len(parts) == 1 else parts
