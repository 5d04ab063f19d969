"""What became of each class, layer and node, once it is known which differences are more than sampling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxcausal.analysis.comparing.comparison import AccuracyChange, ClassChange, LayerChange, MeanChange, NodeChange
from onnxcausal.analysis.comparing.edges import count_edges, necessary_of
from onnxcausal.analysis.formats.analysis_file import GraphRecord, LayerRecord
from onnxcausal.causal.change import EffectChange
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role


@dataclass(frozen=True, slots=True, eq=False)
class LayerTest:
    """One layer of one class before p-values are adjusted; `change` is None where effects are not compared."""

    old: LayerRecord
    new: LayerRecord
    change: EffectChange | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ClassTest:
    """One class before p-values are adjusted; what is None was not tested."""

    target: int
    class_name: str | None
    old: GraphRecord | None
    new: GraphRecord | None
    counts: tuple[tuple[int, int], tuple[int, int]] | None
    accuracy: float
    outcome: EffectChange | None
    spread: float
    layers: tuple[LayerTest, ...]

    @property
    def p(self) -> Floats:
        """All p-values of the class, in order."""
        nodes = [layer.change.p for layer in self.layers if layer.change is not None]
        return np.concatenate([[self.accuracy], [1.0] if self.outcome is None else self.outcome.p, *nodes])


def class_change(test: ClassTest, p: Floats, alpha: float) -> ClassChange:
    """Return what became of a class, by adjusted p-values in the order of `ClassTest.p`."""
    accuracy, outcome = float(p[0]), float(p[1])
    layers, start = [], 2
    for layer in test.layers:
        count = 0 if layer.change is None else len(layer.change.p)
        layers.append(_layer_change(layer, p[start : start + count], test.spread, alpha))
        start += count
    mean = None
    if test.old is not None and test.new is not None and test.outcome is not None:
        mean = MeanChange(
            old=test.old.outcome.mean,
            new=test.new.outcome.mean,
            compared="paired" if test.outcome.paired else "welch",
            d=float(test.outcome.difference[0]) / test.spread if test.spread else None,
            p=outcome,
            beyond_sampling=outcome <= alpha,
        )
    return ClassChange(
        target=test.target,
        class_name=test.class_name,
        beyond_sampling=bool((p <= alpha).any()),
        distance=_distance(mean, layers),
        accuracy=None
        if test.counts is None
        else AccuracyChange(old=test.counts[0], new=test.counts[1], p=accuracy, beyond_sampling=accuracy <= alpha),
        outcome=mean,
        layers=layers,
    )


def _distance(mean: MeanChange | None, layers: Sequence[LayerChange]) -> float | None:
    """Return the largest difference in the mean outcome and in effects; None where one of the two has no graph."""
    if mean is None:
        return None
    largest = [layer.largest for layer in layers if layer.largest is not None]
    return max([0.0 if mean.d is None else abs(mean.d), *largest])


def rank(found: ClassChange) -> tuple[bool, float, int]:
    """Return where a class stands: those that differ first, of them those that one model lost."""
    return not found.beyond_sampling, -np.inf if found.distance is None else -found.distance, found.target


def _layer_change(test: LayerTest, p: Floats, spread: float, alpha: float) -> LayerChange:
    """Return what became of a layer, by adjusted p-values."""
    change = test.change
    tested = np.zeros(0, np.bool_) if change is None else np.isfinite(change.difference)
    size = np.abs(change.difference[tested]) if change is not None else np.zeros(0)
    here, there = necessary_of(test.old), necessary_of(test.new)
    both = count_edges(test.old, {*here} & {*there}, {*test.old.targets} & {*test.new.targets})
    unknown = bool(test.old.left_out or test.new.left_out)  # what was not tested has not appeared, nor vanished
    return LayerChange(
        old=test.old.name,
        new=test.new.name,
        compared="not" if change is None else "paired" if change.paired else "welch",
        reason=test.reason or None,
        tested=int(tested.sum()),
        beyond_sampling=int((p <= alpha).sum()),
        largest=float(size.max() / spread) if len(size) and spread else None,
        old_necessary=here,
        new_necessary=there,
        old_targets=test.old.targets,
        new_targets=test.new.targets,
        edges_appeared=0 if unknown else count_edges(test.new, there, test.new.targets) - both,
        edges_vanished=0 if unknown else count_edges(test.old, here, test.old.targets) - both,
        role_changed=sum(differ(old.role, new.role) for old, new in zip(test.old.nodes, test.new.nodes, strict=False)),
        nodes=_node_changes(test, p, spread, alpha),
    )


def _node_changes(test: LayerTest, p: Floats, spread: float, alpha: float) -> list[NodeChange]:
    """Return the nodes whose role differs, or whose effect does beyond sampling."""
    found = []
    for number, (old, new) in enumerate(zip(test.old.nodes, test.new.nodes, strict=False)):
        beyond = test.change is not None and bool(p[number] <= alpha)
        if not differ(old.role, new.role) and not beyond:
            continue
        difference = None if test.change is None else float(test.change.difference[number])
        difference = difference if difference is not None and np.isfinite(difference) else None
        found.append(
            NodeChange(
                index=old.index,
                old_role=old.role,
                new_role=new.role,
                old_ate=old.ate,
                new_ate=new.ate,
                difference=difference,
                d=difference / spread if difference is not None and spread else None,
                p=None if difference is None else float(p[number]),
                beyond_sampling=beyond,
            )
        )
    return found


def differ(old: Role, new: Role) -> bool:
    """Whether two roles say different things: of a weak node it is not known whether it is minor or neutral."""
    weak = (Role.WEAK, Role.MINOR, Role.NEUTRAL)
    return old is not new and not (Role.WEAK in (old, new) and old in weak and new in weak)
