"""The job `compare`: two models, or analyses of them, and what differs beyond sampling."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.comparing.contrast import USUAL, Criterion, contrast, targets_of
from onnxcausal.analysis.comparing.localisation import Localisation
from onnxcausal.analysis.comparing.snapshot import Snapshot, read_snapshot, snapshot_of
from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256, check_settings
from onnxcausal.analysis.gating.checks import not_compared
from onnxcausal.analysis.result.settings import OPTIONAL, Method
from onnxcausal.errors import ConfigError, GateError, ModelError, SamplesError
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.pipeline import analyze
from onnxcausal.pipeline.gating.policy import settings_of_files
from onnxcausal.pipeline.localise import localise
from onnxcausal.pipeline.preparing.configuration import Configured, as_json, configure
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.saved_analysis import is_analysis
from onnxcausal.pipeline.progress import Progress, Silent

SHOWN = 3
"""Classes named in an error."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Two models beside each other.

    Attributes:
        comparison: how they differ.
        notes: what was read and not measured, and which settings a file set; one sentence each.
    """

    comparison: ComparisonFile
    notes: tuple[str, ...] = ()


def compare(
    old: str | Path,
    new: str | Path,
    *,
    criterion: Criterion = USUAL,
    config: Path | None = None,
    flags: Mapping[str, tuple[str, object]] | None = None,
    which_layer: bool | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
) -> ComparisonFile:
    """Return how two models differ; a model that is not analysed yet is analysed as the other one.

    Args:
        old: a folder that `analyze` wrote, an `analysis.json`, or a model file.
        new: the same of the other model.
        criterion: when a difference counts.
        config: a configuration file in place of the sidecar of a model that is analysed.
        flags: settings of such a model, as for `configure`.
        which_layer: also tell by which layers two model files differ; default: where one alone is quantised or in half
            precision, and there are data.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: a side cannot be read or analysed, or the two are not comparable.
    """
    return run(
        Path(old),
        Path(new),
        criterion=criterion,
        config=config,
        flags=flags,
        which_layer=which_layer,
        machine=machine,
        progress=progress,
    ).comparison


@bounded
def run(
    old: Path,
    new: Path,
    *,
    criterion: Criterion = USUAL,
    config: Path | None = None,
    flags: Mapping[str, tuple[str, object]] | None = None,
    which_layer: bool | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
) -> Compared:
    """Return how two models differ, and what a reader must know of it; as `compare`.

    Raises:
        OnnxCausalError: as `compare` says.
    """
    given = dict(flags or {})
    models = [side for side in (old, new) if not is_analysis(side)]
    if not models and (given or config is not None):
        raise _nothing_to_analyse(next(iter(given.values()))[0] if given else "--config")
    told = progress or Silent()
    if which_layer and len(models) < len((old, new)):
        raise _no_file_to_exchange(next(side for side in (old, new) if side not in models))
    located: Localisation | None = None
    if len(models) == len((old, new)):
        configured = _of_both(old, new, config, given)
        sides = [_analysed(side, configured, machine, told) for side in (old, new)]
        notes = list(settings_of_files(configured))
        if which_layer or (which_layer is None and not sides[0].record.data.synthetic):
            files = ((old, sides[0].record.model.sha256), (new, sides[1].record.model.sha256))
            locate = partial(localise, files, configured, asked=bool(which_layer), machine=machine, progress=told)
            located = locate() if which_layer else _if_possible(locate, notes)
    else:
        held = {side: read_snapshot(side) for side in (old, new) if is_analysis(side)}
        notes = [f"{side} was read (sha256 {analysis_sha256(side)}) and not measured" for side in held]
        for side in models:
            (other,) = held.values()
            configured = _as_other(side, other, config, given)
            held[side] = _analysed(side, configured, machine, told)
            notes += settings_of_files(configured)
        sides = [held[side] for side in (old, new)]
    comparison = contrast(sides[0], sides[1], criterion)
    return Compared(comparison.model_copy(update={"localisation": located}), tuple(notes))


def check_same(comparison: ComparisonFile) -> None:
    """Make sure that two models do not differ beyond sampling, in any class that either has a graph of.

    Raises:
        GateError: they do, or a class could not be compared.
    """
    lost = not_compared(comparison)
    if not comparison.differs and lost:
        named = ", ".join(map(str, list(lost)[:SHOWN])) + (" ..." if len(lost) > SHOWN else "")
        raise GateError(
            "not every class was compared",
            where=f"{comparison.new.model.file}, against {comparison.old.model.file}",
            why=f"of {len(lost)} class(es) one of the two alone has a graph, first {named}",
            remedy="analyse the same classes of both, on data that have samples of them",
        )
    if not comparison.differs:
        return
    alone = [record for record in comparison.layers if record.by is None]
    changed = [found for found in comparison.classes if found.beyond_sampling]
    named = ", ".join(str(found.target) for found in changed[:SHOWN]) + (" ..." if len(changed) > SHOWN else "")
    why = [f"{len(changed)} of {len(comparison.classes)} classes changed, first {named}"] if changed else []
    why += [f"{len(alone)} layer(s) have no partner, first {alone[0].old or alone[0].new}"] if alone else []
    raise GateError(
        "the models differ beyond sampling",
        where=f"{comparison.new.model.file}, against {comparison.old.model.file}",
        why="; ".join(why),
        remedy="look at what changed; if it is meant, take the new analysis as the one to compare with",
    )


def _of_both(old: Path, new: Path, config: Path | None, flags: Mapping[str, tuple[str, object]]) -> Configured:
    """Return the configuration that two models are analysed with: that of the old one if it has any."""
    beside = old.with_suffix(".toml")
    return configure(old if config is not None or beside.is_file() else new, config, flags)


def _as_other(path: Path, other: Snapshot, config: Path | None, flags: Mapping[str, tuple[str, object]]) -> Configured:
    """Return how a model is analysed as the analysis was that it is compared with."""
    configured = configure(path, config, flags)
    asked = {key.removeprefix("analysis.") for key in flags if key.startswith("analysis.")}
    values = as_json(configured.values.analysis)
    method = {key: values[key] for key in asked - {"targets", "samples", "seed", *OPTIONAL}}
    check_settings(other.record, method, other.where)
    return _as_analysed(configured, other.record, asked)


def _as_analysed(configured: Configured, saved: AnalysisFile, asked: set[str]) -> Configured:
    """Return a configuration with the settings and classes of an analysis, but for those that were asked for."""
    if configured.values.data.source is None and not saved.data.synthetic:
        raise ConfigError(
            "the data of the analysis are not known here",
            where=saved.data.source,
            why="an analysis names its data without the folder they are in",
            remedy="name them with --data, or in the model's sidecar",
        )
    known = {key.name: getattr(saved.settings, key.name) for key in fields(Method) if key.name not in asked}
    section = replace(configured.values.analysis, **known)
    if "targets" not in asked:
        section = replace(section, targets=tuple(sorted(targets_of(saved))))
    of_file = frozenset(name for name in configured.from_file if not name.startswith("analysis."))
    return replace(configured, values=replace(configured.values, analysis=section), from_file=of_file)


def _analysed(path: Path, configured: Configured, machine: Machine, progress: Progress) -> Snapshot:
    analysis = analyze.run(path, configured, machine=machine, progress=progress)
    return snapshot_of(analysis, path.name)


def _if_possible(locate: Callable[[], Localisation | None], notes: list[str]) -> Localisation | None:
    """Return by which layers two files differ; None where that cannot be measured, and a note that says why."""
    try:
        return locate()
    except StoppedError:
        raise
    except (ModelError, SamplesError) as error:
        notes.append(f"by which layers the models differ was not measured: {error.what} ({error.why})")
        return None


def _no_file_to_exchange(side: Path) -> ConfigError:
    return ConfigError(
        "layers of an analysis cannot be exchanged",
        where=f"--which-layer, {side}",
        why="a layer is computed by both model files, and an analysis holds none",
        remedy="name two model files, or leave it out",
    )


def _nothing_to_analyse(flag: str) -> ConfigError:
    return ConfigError(
        "nothing is analysed, so a setting has no effect",
        where=flag,
        why="both sides are analyses already",
        remedy="leave it out, or name a model file",
    )
