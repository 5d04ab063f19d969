"""Whose word counts for gates: the call's first, then the project's; the sidecar's only where it is stricter.

The sidecar may have come with the model. What it asks for beside the others is added; what would make gates ask less,
or measure something else, is not taken from it. Every other setting of a file is said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from onnxcausal.analysis.comparing.snapshot import Snapshot
from onnxcausal.analysis.gating.checks import Check, Status
from onnxcausal.analysis.gating.gates import Gate, parse_gate
from onnxcausal.analysis.gating.measures import OF_CHANGE
from onnxcausal.analysis.gating.required import ALL, DATA, Required
from onnxcausal.analysis.result.settings import OPTIONAL
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.preparing.configuration import (
    GATES,
    PROJECT_FILE,
    SECTIONS,
    Configuration,
    Configured,
    GatesSection,
    as_json,
    as_toml,
)

DECISIVE = (
    *(f"model.{key}" for key in ("input", "output", "reduce", "class_axis", "at", "scores")),
    *(f"model.{key}" for key in ("sample_axis", "blank", "task", "fixed", "centroids")),
    "model.centroid_names",
    "data.references",
    *(f"analysis.{key}" for key in ("rule", "alpha", "coverage", "beta", "replace", "outcome", "budget", "precision")),
    *(f"analysis.{key}" for key in OPTIONAL),
)
"""Settings that decide what is measured: a sidecar that changes them must be confirmed."""
FEWEST_SAMPLES = 20
"""Samples of a class below which little is significant, so that gates find little."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given with the call.

    Attributes:
        fail_on: conditions.
        baseline: where the baseline is.
        evaluation: folder of evaluations.
        margin: largest difference from the baseline that does not matter.
        require: classes that must have a graph: indices, names, `all`, `data`.
        update: make the analysis the new baseline.
    """

    fail_on: tuple[str, ...] = ()
    baseline: Path | None = None
    evaluation: Path | None = None
    margin: float | None = None
    require: tuple[int | str, ...] | None = None
    update: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A path, and who named it."""

    path: Path
    by: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What gates ask for, by everybody's word.

    Attributes:
        gates: the conditions.
        own: those of them that are not the sidecar's.
        baseline: what the analysis is compared with.
        evaluation: folder of evaluations that is believed.
        margin: largest difference from the baseline that does not matter.
        required: classes that must have a graph.
        notes: what is to be said of it.
        active: whether anything is asked for.
    """

    gates: tuple[Gate, ...]
    own: tuple[Gate, ...]
    baseline: Place | None
    evaluation: Place | None
    margin: float
    required: Required
    notes: tuple[str, ...]
    active: bool

    @property
    def compares_plainly(self) -> bool:
        """Whether the comparison is a gate by itself; a gate of what changed takes its place, but not a sidecar's.

        Where the sidecar alone names the baseline, the comparison is its own, and so are the gates of it.
        """
        named_outside = self.baseline is not None and self.baseline.by in ("--baseline", PROJECT_FILE)
        return not any(gate.measure in OF_CHANGE for gate in (self.own if named_outside else self.gates))


def decide(configured: Configured, project: GatesSection, given: Given) -> Policy:
    """Return what gates ask for.

    Args:
        configured: the configuration, with the gates of the sidecar.
        project: gates of the project.
        given: what was given with the call.

    Raises:
        ConfigError: a condition cannot be read, or no class is required.
    """
    sidecar, file = configured.values.gates, _file(configured)
    own = _parsed((project.fail_on, PROJECT_FILE), (given.fail_on, "--fail-on"))
    gates = (*own, *_parsed((sidecar.fail_on, file)))
    places = (
        _place(given.baseline, "--baseline") or _place(project.baseline, PROJECT_FILE) or _place(sidecar.baseline, file)
    )
    margin, unused = _margin(configured, project, given)
    required = _required(configured, project, given)
    told = [] if required.asked == (ALL,) else [f"classes that must have a graph: {required}"]
    asked_for = (
        given.require is not None
        or project.require_classes != (ALL,)
        or f"{GATES}.require_classes" in configured.from_file
    )
    return Policy(
        gates=gates,
        own=own,
        baseline=places,
        evaluation=_place(given.evaluation, "--evaluation") or _place(project.evaluation, PROJECT_FILE),
        margin=margin,
        required=required,
        notes=(*told, *unused, *settings_of_files(configured), *_of_project(project)),
        active=bool(gates) or places is not None or given.update or asked_for,
    )


def settings_of_files(configured: Configured) -> tuple[str, ...]:
    """Return the settings that a sidecar changed, one sentence; nothing where it changed none."""
    usual = {section: as_json(getattr(Configuration(), section)) for section in SECTIONS}
    held = {section: as_json(getattr(configured.values, section)) for section in SECTIONS}
    changed = [
        f"{section}.{key} = {as_toml(held[section][key])}"
        for section in SECTIONS
        for key in held[section]
        if f"{section}.{key}" in configured.from_file
        and held[section][key] != usual[section][key]
        and f"{section}.{key}" != f"{GATES}.fail_on"
    ]
    return (f"{_file(configured)} sets {', '.join(changed)}",) if changed else ()


def check_settings_of_sidecar(configured: Configured, held: Snapshot | None) -> tuple[Check, ...]:
    """Return a failed check where settings of the sidecar decide what gates measure; nothing where none does.

    Args:
        configured: the configuration.
        held: the baseline, which was made on so many samples.
    """
    usual = Configuration()
    found = [
        (name, _value(configured.values, name))
        for name in DECISIVE
        if name in configured.from_file and _value(configured.values, name) != _value(usual, name)
    ]
    fewest = max(FEWEST_SAMPLES, 0 if held is None else held.record.settings.samples)
    if "analysis.samples" in configured.from_file and configured.values.analysis.samples < fewest:
        found.append(("analysis.samples", configured.values.analysis.samples))
    if "data.label_column" in configured.from_file and configured.given("data.source"):
        found.append(("data.label_column", configured.values.data.label_column))
    if not found:
        return ()
    shown = ", ".join(f"{name.split('.')[1]} = {as_toml(value)}" for name, value in found)
    told = f"{_file(configured)} decides what is measured: {shown}; what gates say at the usual settings is not known"
    return (Check("settings", "settings", Status.FAILED, told),)


def left_out_by(configured: Configured) -> str:
    """Return who narrowed the classes to analyse, in words."""
    return f"targets of {configured.origins.get('analysis.targets', 'the call')}"


def _file(configured: Configured) -> str:
    """Return the name of the sidecar."""
    return next((configured.origins[name] for name in sorted(configured.from_file)), "sidecar")


def _parsed(*sources: tuple[Sequence[str], str]) -> tuple[Gate, ...]:
    return tuple(parse_gate(text, where) for texts, where in sources for text in texts)


def _place(path: Path | str | None, by: str) -> Place | None:
    return None if path is None else Place(Path(path), by)


def _margin(configured: Configured, project: GatesSection, given: Given) -> tuple[float, list[str]]:
    """Return the margin, and what is to be said where the sidecar has one that is not used."""
    if given.margin is not None:
        return given.margin, []
    own = configured.values.gates.margin
    if f"{GATES}.margin" not in configured.from_file or own <= project.margin:
        return min(own, project.margin) if f"{GATES}.margin" in configured.from_file else project.margin, []
    return project.margin, [f"the margin of {_file(configured)} is not used: {own:g} is wider than {project.margin:g}"]


def _required(configured: Configured, project: GatesSection, given: Given) -> Required:
    """Return the classes that must have a graph.

    Raises:
        ConfigError: none is named.
    """
    targets = configured.values.analysis.targets
    if given.require is not None:
        found = Required(given.require, "--require-classes")
    elif project.require_classes != (ALL,):
        found = Required(project.require_classes, PROJECT_FILE)
    elif configured.given("analysis.targets") and targets is not None:
        found = Required(targets, configured.origins["analysis.targets"])
    else:
        found = Required()
    if not found.asked or not all(str(one).strip() for one in found.asked):
        raise ConfigError(
            "no class is named",
            where=f"required classes, {found.by}",
            why=f"{', '.join(map(repr, found.asked)) or 'nothing'} names none",
            remedy=f"give {ALL}, {DATA}, or indices and names of classes",
        )
    further = configured.values.gates.require_classes
    if f"{GATES}.require_classes" not in configured.from_file or not found.by.startswith(PROJECT_FILE):
        return found
    return Required((*found.asked, *further), f"{found.by}, {_file(configured)}")


def _of_project(project: GatesSection) -> Iterable[str]:
    """Yield the settings that the project changed, one sentence."""
    usual, held = as_json(GatesSection()), as_json(project)
    changed = [
        f"{key.name} = {as_toml(held[key.name])}"
        for key in fields(GatesSection)
        if key.name != "fail_on" and held[key.name] != usual[key.name]
    ]
    if changed:
        yield f"{PROJECT_FILE} sets {', '.join(changed)}"


def _value(configuration: Configuration, name: str) -> object:
    section, key = name.split(".")
    return as_json(getattr(configuration, section))[key]
