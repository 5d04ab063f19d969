"""Comparing two analyses: which differences in effects, roles and edges are more than sampling explains.

Roles flip at the edge of coverage when samples change, so a role that differs is shown but is no evidence. What is
tested of each class is its accuracy, its mean outcome, and the effect of each node of each layer. Effects of two layers
are of the same intervention only where both have the same targets. In the layer nearest the outcome they always have;
further up, targets are the necessary nodes of the layers below, and a layer whose targets differ is shown without a
test: had those below changed for another reason than sampling, they would say so themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from onnxcausal.analysis.comparing.changes import ClassTest, LayerTest, class_change, rank
from onnxcausal.analysis.comparing.comparison import ComparisonFile, CriterionRecord, MatchRecord, SideRecord
from onnxcausal.analysis.comparing.snapshot import Snapshot
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord, LayerRecord, left_out_in
from onnxcausal.analysis.formats.settings_record import SettingsRecord, settings_by_key
from onnxcausal.analysis.result.analysis import BEYOND_HALF
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.causal.alignment import LayerOutline, Match, match_layers
from onnxcausal.causal.change import EffectChange, LayerEffects, change_of, holm, share_change
from onnxcausal.errors import ConfigError

ALPHA = 0.01
"""Chance of a single false alarm in a whole comparison, that of two analyses of one model."""
MARGIN = 0.02
"""Largest difference that does not matter, in standard deviations of the outcome; for accuracy, as a share."""
METHOD = ("rule", "alpha", "coverage", "beta", "replace", "outcome", "budget", "task")
"""Settings in which two analyses must agree to be comparable; of the layers, those are compared that both tested."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """When a difference counts.

    Attributes:
        alpha: chance of a single false alarm in the whole comparison.
        margin: largest difference that does not matter, in standard deviations of the outcome.
    """

    alpha: float = ALPHA
    margin: float = MARGIN

    def __post_init__(self) -> None:
        """Refuse what nothing can be beyond.

        Raises:
            ConfigError: the margin is no number.
        """
        if not np.isfinite(self.margin):
            raise ConfigError(
                "the margin is no number",
                where=f"margin {self.margin}",
                why="nothing lies beyond it, so that every difference would pass",
                remedy="give a number of standard deviations of the outcome, like 0.05",
            )


USUAL = Criterion()
"""The criterion where none is given."""


def contrast(old: Snapshot, new: Snapshot, criterion: Criterion = USUAL) -> ComparisonFile:
    """Return how two analyses differ.

    Raises:
        ConfigError: they were made with other settings of the method, or have no class in common.
    """
    _check_settings(old, new)
    targets = _common(old, new)
    matches, records = _matched(old, new)
    tests = [_class_test(old, new, target, matches, criterion) for target in targets]
    adjusted = np.split(
        holm(np.concatenate([test.p for test in tests])), np.cumsum([len(test.p) for test in tests])[:-1]
    )
    classes = [class_change(test, p, criterion.alpha) for test, p in zip(tests, adjusted, strict=True)]
    same_model = _is_same(old, new)
    structure = any(match.by is None for match in records)
    every = {graph.target for side in (old, new) for graph in side.record.graphs}
    return ComparisonFile(
        old=_side(old),
        new=_side(new),
        criterion=CriterionRecord(alpha=criterion.alpha, margin=criterion.margin),
        same_model=same_model,
        differs=not same_model and (structure or any(found.beyond_sampling for found in classes)),
        tests=sum(len(test.p) for test in tests),
        layers=records,
        classes=sorted(classes, key=rank),
        not_compared=sorted(every - {test.target for test in tests}),
        notes=_notes(old, new, same_model=same_model),
    )


def targets_of(record: AnalysisFile) -> set[int]:
    """Return the classes that an analysis was asked about."""
    return {graph.target for graph in record.graphs} | {entry.target for entry in record.skipped}


def _check_settings(old: Snapshot, new: Snapshot) -> None:
    first, second = old.record.settings, new.record.settings
    for name in METHOD:
        if getattr(first, name) != getattr(second, name):
            raise ConfigError(
                "the two analyses were made with other settings",
                where=f"{old.where} and {new.where}",
                why=f"{name} was {_shown(first, name)} and {_shown(second, name)}: their effects are not of one kind",
                remedy="analyse both with the same settings",
            )


def _shown(settings: SettingsRecord, name: str) -> object:
    return settings_by_key(settings)[name]


def _matched(old: Snapshot, new: Snapshot) -> tuple[tuple[Match, ...], list[MatchRecord]]:
    """Return the layers that are the same, and a record of all layers, from the outcome upwards."""
    here, there = ([_shape(layer) for layer in side.record.graphs[0].layers] for side in (old, new))
    matches = match_layers(here, there)
    partner = {match.old: match for match in matches}
    taken = {match.new for match in matches}
    records = []
    for number, shape in enumerate(here):
        match = partner.get(number)
        reason = None if match else _why_alone(shape, there)
        new_name = None if match is None else there[match.new].name
        records.append(MatchRecord(old=shape.name, new=new_name, by=None if match is None else match.by, reason=reason))
    for number, shape in enumerate(there):
        if number not in taken:
            records.append(MatchRecord(old=None, new=shape.name, by=None, reason=_why_alone(shape, here)))
    return matches, records


def _shape(layer: LayerRecord) -> LayerOutline:
    return LayerOutline(layer.name, layer.op_type, layer.parents, layer.children, layer.groups or 1)


def _why_alone(shape: LayerOutline, others: Sequence[LayerOutline]) -> str:
    """Return why a layer has no partner."""
    sizes = f"{shape.parents} parents, {shape.children} children"
    named = next((other for other in others if other.name == shape.name), None)
    if named is not None and not shape.fits(named):
        return f"{sizes} here, {named.parents} and {named.children} in the other model"
    if any(shape.fits(other) for other in others):
        return f"several layers of {sizes} come into question, or none at its place"
    return f"no layer of the other model has {sizes}"


def _common(old: Snapshot, new: Snapshot) -> list[int]:
    """Return the classes that both were asked about, ascending.

    Raises:
        ConfigError: there is none.
    """
    sides = [targets_of(side.record) for side in (old, new)]
    analysed = {graph.target for side in (old, new) for graph in side.record.graphs}
    common = sorted(sides[0] & sides[1] & analysed)
    if not common or not all(side.record.graphs for side in (old, new)):
        raise ConfigError(
            "the two analyses have no class in common",
            where=f"{old.where} and {new.where}",
            why=f"one has {sorted(sides[0])[:10]}, the other {sorted(sides[1])[:10]}",
            remedy="analyse the same classes of both models",
        )
    return common


def _class_test(old: Snapshot, new: Snapshot, target: int, matches: Sequence[Match], criterion: Criterion) -> ClassTest:
    """Test everything about one class."""
    first, second = old.graph(target), new.graph(target)
    counts = [_counts(side, target) for side in (old, new)]
    both = None if counts[0] is None or counts[1] is None else (counts[0], counts[1])
    outcome, spread = None, 0.0
    layers: tuple[LayerTest, ...] = ()
    if first is not None and second is not None:
        spread = float(np.sqrt((first.outcome.sd**2 + second.outcome.sd**2) / 2))
        changed = partial(
            change_of,
            margin=criterion.margin * spread,
            resolution=first.outcome.floor + second.outcome.floor,
            same_data=old.record.data.sha256 == new.record.data.sha256,
        )
        outcome = changed(old.outcome(first), new.outcome(second))
        layers = _layer_tests((old, first), (new, second), matches, changed)
    return ClassTest(
        target=target,
        class_name=next((graph.class_name for graph in (first, second) if graph is not None), None),
        old=first,
        new=second,
        counts=both,
        accuracy=1.0 if both is None else share_change(*both, margin=criterion.margin),
        outcome=outcome,
        spread=spread,
        layers=layers,
    )


def _counts(side: Snapshot, target: int) -> tuple[int, int] | None:
    """Return correct and examined samples of a class; None where they are not known."""
    graph = side.graph(target)
    if graph is not None:
        return graph.correct, graph.examined
    for entry in side.record.skipped:
        if entry.target == target and entry.examined is not None and entry.correct is not None:
            return entry.correct, entry.examined
    return None


def _layer_tests(
    old: tuple[Snapshot, GraphRecord],
    new: tuple[Snapshot, GraphRecord],
    matches: Sequence[Match],
    changed: Callable[[LayerEffects, LayerEffects], EffectChange],
) -> tuple[LayerTest, ...]:
    """Test the effects of each matched layer that both graphs reach with the same targets."""
    found = []
    for match in matches:
        first, second = old[1].layers[match.old], new[1].layers[match.new]
        reason = _why_not(first, second)
        change = None
        if not reason:
            change = changed(old[0].measured(old[1], match.old), new[0].measured(new[1], match.new))
        found.append(LayerTest(first, second, change, reason))
    return tuple(found)


def _why_not(old: LayerRecord, new: LayerRecord) -> str:
    """Return why the effects of a layer are not compared; empty where they are."""
    without = [name for name, layer in (("old", old), ("new", new)) if layer.left_out]
    if without:
        return f"not tested: left out of the {' and the '.join(without)} analysis"
    if not old.nodes and not new.nodes:
        return "no route leads here in either"
    if len(old.nodes) != len(new.nodes) and old.nodes and new.nodes:
        return "the two list other numbers of nodes"
    if not old.nodes or not new.nodes:
        return f"no route leads here in the {'old' if not old.nodes else 'new'} model"
    if old.targets != new.targets:
        return "targets differ: effects of other interventions"
    return ""


def _is_same(old: Snapshot, new: Snapshot) -> bool:
    """Return whether nothing but the choice of samples can differ."""
    first, second = old.record, new.record
    return (
        first.model.sha256 == second.model.sha256
        and first.data.sha256 == second.data.sha256
        and first.settings.preprocess == second.settings.preprocess
        and first.settings.reading == second.settings.reading
    )


def _side(side: Snapshot) -> SideRecord:
    record = side.record
    return SideRecord(
        onnxcausal=record.tool.onnxcausal, model=record.model, data=record.data, effects=bool(side.effects)
    )


def _notes(old: Snapshot, new: Snapshot, *, same_model: bool) -> list[str]:
    """Return what a reader must know, one sentence each."""
    first, second = old.record, new.record
    notes = []
    if same_model:
        notes.append("both analyses are of the same model file and data: what differs is sampling")
    if first.data.sha256 != second.data.sha256:
        notes.append("the data differ, so a difference may come from them as well as from the model")
    if first.settings.preprocess != second.settings.preprocess:
        notes.append("the preprocessing differs, so a difference may come from it as well as from the model")
    for which, record in (("old", first), ("new", second)):
        if names := left_out_in(record):
            notes.append(f"layers left out of the {which} analysis are not compared: {listed(names)}")
    if first.settings.adaptive or second.settings.adaptive:
        notes.append("adaptive sampling: nodes that left early were compared on fewer samples")
    if first.data.synthetic or second.data.synthetic:
        notes.append("effects on synthetic probe inputs were compared: what changed on real data is not seen")
    for record in (first, second):
        notes += [f"{record.model.file}: {note}" for note in record.notes if note.startswith(BEYOND_HALF)]
    return notes
