"""Effects of the units of a probe: all of them on all samples, or adaptively, or the most promising ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.effects import EffectTable, estimate_effects
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.screening import Hidden, hidden_effect, most_promising, spread_out, with_untested
from onnxcausal.causal.sequential import assess_sequential, begin, look, looks
from onnxcausal.causal.significance import Rule, Verdicts
from onnxcausal.causal.welch import assess_welch
from onnxcausal.onnxgraph.engine.interface import Engine, Observation, Probe, ScoresToOutcome
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.source import Inputs

CHUNK_WORK = 2 * 10**10
"""Multiply-adds of one chunk, the unit that is kept when a run is interrupted: about a second of a CPU."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerMeasurement:
    """What interventions on one layer showed.

    Attributes:
        effects: effects of every node.
        verdicts: roles of every node.
        hidden: what untested nodes do jointly; None where every node was tested.
    """

    effects: EffectTable
    verdicts: Verdicts
    hidden: Hidden | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What a layer is measured with.

    Attributes:
        engine: runs interventions.
        x: inputs, `[samples, ...]`.
        outcome: the scalar of the class scores.
        observation: the outcome without intervention.
        ledger: keeps finished chunks.
        progress: told what happens.
    """

    engine: Engine
    x: Inputs
    outcome: ScoresToOutcome
    observation: Observation
    ledger: Checkpoint
    progress: Progress

    def effects(self, probe: Probe, columns: slice) -> EffectTable:
        """Return the effects of a probe on some samples, chunk by chunk."""
        observed = self.observation.outcome[columns]
        te = np.empty((len(probe), len(observed)))
        for units in _chunks(len(probe), len(observed) * self.engine.cost(probe).work):
            part = probe.of(units)
            share = len(units) * len(observed) / len(self.x)
            found = self.ledger.find(part, columns)
            if found is None:
                found = self.engine.effects(part, self.x, self.outcome, columns=columns)
                self.ledger.keep(part, columns, found, self.engine.findings)
                self.progress.done(share)
            else:
                self.progress.skip(share)
            te[units] = found
        return estimate_effects(te, observed, self.observation.floor)


def asked_of(units: int, settings: Settings) -> int:
    """Return how many interventions on so many units are to be made: of a budget, with one on all others at once."""
    return units if settings.budget is None or settings.budget >= units else settings.budget + 1


def measure(probe: Probe, bench: Bench, settings: Settings) -> LayerMeasurement:
    """Return what the interventions of a probe show.

    Args:
        probe: the interventions, on every unit.
        bench: engine, samples, outcome.
        settings: settings of the method.
    """
    bounds = None
    if settings.budget is not None and settings.budget < len(probe):
        bounds = bench.engine.bounds(probe, bench.x)
    if settings.budget is None or bounds is None:  # where the bounds are not known, every unit is tested
        bench.progress.skip(asked_of(len(probe), settings) - len(probe))
        return _measure_all(probe, bench, settings)
    tested = most_promising(bounds, settings.budget)
    made = len(tested) + (len(tested) < len(probe))
    bench.progress.skip(asked_of(len(probe), settings) - made)
    found = _measure_all(probe.of(tested), bench, settings)
    if len(tested) == len(probe):
        return found
    others = np.setdiff1d(np.arange(len(probe)), tested)
    joint = bench.effects(probe.of(others).joint(), slice(0, len(bench.x)))
    te = spread_out(found.effects.te, tested, len(probe))
    return LayerMeasurement(
        effects=EffectTable(te, found.effects.observed),
        verdicts=with_untested(found.verdicts, tested, len(probe)),
        hidden=hidden_effect(joint, len(others), float(bounds[others].max()), alpha=settings.alpha),
    )


def _measure_all(probe: Probe, bench: Bench, settings: Settings) -> LayerMeasurement:
    """Test every unit of a probe."""
    if not settings.adaptive:
        table = bench.effects(probe, slice(0, len(bench.x)))
        return LayerMeasurement(table, assess(table, settings))
    evidence = begin(len(probe), len(bench.x))
    start = 0
    for stop in looks(len(bench.x)):
        staying = np.flatnonzero(~evidence.leaving)
        if len(staying):
            block = bench.effects(probe.of(staying), slice(start, stop)).te
            evidence = look(evidence, block, alpha=settings.alpha, coverage=settings.coverage)
        start = stop
    bench.progress.skip(float((1 - evidence.used / len(bench.x)).sum()))
    table = EffectTable(evidence.te, bench.observation.outcome)
    return LayerMeasurement(
        table, assess_sequential(table, evidence.p, alpha=settings.alpha, coverage=settings.coverage)
    )


def assess(table: EffectTable, settings: Settings) -> Verdicts:
    """Return the roles of a layer's nodes under the rule that is set."""
    match settings.rule:
        case Rule.PAIRED:
            return assess_paired(table, alpha=settings.alpha, coverage=settings.coverage)
        case Rule.WELCH:
            return assess_welch(table, alpha=settings.alpha)


def _chunks(units: int, work: int) -> Iterator[NDArray[np.int64]]:
    """Yield units in chunks of about `CHUNK_WORK`, given the multiply-adds of one; the same for every run."""
    size = max(1, CHUNK_WORK // max(1, work))
    for start in range(0, units, size):
        yield np.arange(start, min(start + size, units))
