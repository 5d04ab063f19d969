"""Adaptive sampling: stop measuring a node once it is settled whether it is one of the strongest (`--adaptive`).

A group-sequential design. Samples, which stand in random order, are looked at in a few blocks that are fixed
beforehand. Two error rates are spent over the looks, so that looking again and again costs nothing in validity:

- *Significance.* A node that leaves at look `l` has the p-value `p_l / w_l`, where the weights `w_l` of all looks sum
  to 1. Under the null, `P(p_l / w_l <= u for the look it leaves at) <= sum w_l u = u` whatever the rule of leaving
  (Bonferroni over the looks; Wald 1947, Pocock 1977 for the design). These p-values enter the Benjamini-Hochberg
  step as those of a full run do.
- *Strength.* What is to be settled is what the full run would say of the same samples, so an interval for the full
  run's ATE takes what was seen as drawn without replacement (finite-population factor `1 - m / N`), at a level whose
  error is divided over the looks.

A node leaves when that interval lies wholly on one side of the strength that coverage asks for, itself known up to
the error of the covered share. A node among the strongest must also be significant by then. A weak node leaves
without: whether a full run, with more samples, would call it `minor` or `neutral` is not known, and its role is `weak`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.paired import p_values, q_values, roles_of, strongest, why_none
from onnxcausal.causal.significance import Role, SelectedBy, Verdicts, standardised

LOOKS = (0.15, 0.3, 0.5, 0.75, 1.0)
"""Shares of the samples after which effects are looked at."""
FEWEST_AT_A_LOOK = 10
"""A spread from fewer samples says too little."""
SPENT_EARLY = 0.1
"""Share of the significance level spent over all looks but the last."""
MISSED = 0.05
"""Error of the intervals of one node over all looks but the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a layer's nodes after some looks; arrays are `[parents]`.

    Attributes:
        te: effects `[parents, samples]`; NaN where a node was not measured any more.
        used: samples measured of each node.
        p: p-values adjusted for the looks; 1 for a node without any effect.
        leaving: nodes that are settled and need no further samples.
    """

    te: Floats
    used: NDArray[np.int64]
    p: Floats
    leaving: NDArray[np.bool_]


def looks(samples: int) -> tuple[int, ...]:
    """Return after how many samples effects are looked at, the last being all.

    >>> looks(100), looks(30), looks(12)
    ((15, 30, 50, 75, 100), (15, 22, 30), (12,))
    """
    early = [int(share * samples) for share in LOOKS[:-1]]
    return (*(count for count in early if count >= FEWEST_AT_A_LOOK), samples)


def begin(parents: int, samples: int) -> Evidence:
    """Return that nothing is known yet."""
    nothing = np.full((parents, samples), np.nan)
    return Evidence(nothing, np.zeros(parents, np.int64), np.ones(parents), np.zeros(parents, np.bool_))


def look(evidence: Evidence, te: Floats, *, alpha: float, coverage: float) -> Evidence:
    """Return what is known after one more block of samples.

    Args:
        evidence: what was known.
        te: effects of the nodes that have not left, on the block, `[nodes that stay, samples of the block]`.
        alpha: level of the false discovery rate.
        coverage: share of the summed ATE that the strongest nodes carry.

    >>> rng = np.random.default_rng(0)
    >>> te = np.array([[-3.0], [-0.1], [-0.1], [0.0]]) + np.array([[0.1]] * 3 + [[0.0]]) * rng.normal(size=(4, 15))
    >>> look(begin(4, 100), te, alpha=0.05, coverage=0.8).leaving
    array([ True,  True,  True, False])
    """
    staying = np.flatnonzero(~evidence.leaving)
    seen, total = int(evidence.used.max(initial=0)) + te.shape[1], evidence.te.shape[1]
    filled, used, p = evidence.te.copy(), evidence.used.copy(), evidence.p.copy()
    filled[staying, seen - te.shape[1] : seen] = te
    used[staying] = seen
    table = EffectTable(filled, np.zeros(total))
    p[staying] = np.minimum(1.0, _p_values(table)[staying] / _weight(seen, total))
    now = Evidence(filled, used, p, evidence.leaving)
    if seen == total:
        return Evidence(filled, used, p, np.ones(len(p), np.bool_))
    return Evidence(filled, used, p, evidence.leaving | _settled(now, seen, alpha, coverage))


def assess_sequential(table: EffectTable, p: Floats, *, alpha: float = 0.05, coverage: float = 0.8) -> Verdicts:
    """Return the roles of a layer's nodes, each measured on as many samples as it took.

    As `assess_paired`, but with p-values that account for the looks. Coverage is counted over the nodes that the full
    run is expected to find significant, so that a weak node that left early still counts in the sum.

    Args:
        table: effects, NaN where a node was not measured any more.
        p: p-values adjusted for the looks, `[parents]`.
        alpha: level of the false discovery rate and of the intervals.
        coverage: share of the summed ATE.
    """
    ate, dead = table.ate, _is_dead(table)
    q = q_values(p, ~dead)
    significant = ~dead & (q <= alpha)
    expected = _expected(table, alpha)
    chosen = [strongest(ate, expected & (sign * ate > 0), coverage) for sign in (-1, 1)]
    necessary, noisy = (nodes[significant[nodes]] for nodes in chosen)
    roles = np.array(roles_of(dead, significant, necessary, noisy), object)
    early = (table.used < table.te.shape[1]) & ((roles == Role.MINOR) | (roles == Role.NEUTRAL))
    roles[early] = Role.WEAK
    margin = table.spread / np.sqrt(table.used) * stats.t.isf(alpha / 2, table.used - 1)
    return Verdicts(
        ate=ate,
        low=ate - margin,
        high=ate + margin,
        d=standardised(table),
        p=p,
        q=q,
        roles=tuple(Role(role) for role in roles),
        selected_by=SelectedBy.COVERAGE if len(necessary) else SelectedBy.NONE,
        reason="" if len(necessary) else why_none(dead, significant, table.te.shape[1]),
    )


def _settled(now: Evidence, seen: int, alpha: float, coverage: float) -> NDArray[np.bool_]:
    """Return which nodes are settled: surely strong and significant, or surely not strong."""
    table = EffectTable(now.te, np.zeros(now.te.shape[1]))
    total, early = now.te.shape[1], len(looks(now.te.shape[1])) - 1
    ate, dead = table.ate, _is_dead(table)
    quantile = stats.t.isf(MISSED / early / 2, np.maximum(table.used - 1, 1))
    error = np.sqrt((1 - table.used / total) / table.used)
    half = quantile * table.spread * error
    significant = ~dead & (q_values(now.p, ~dead) <= alpha)
    expected = _expected(table, alpha)
    strong, weak = np.zeros(len(ate), np.bool_), ~dead
    scale = float(stats.t.isf(MISSED / early / 2, seen - 1) * np.sqrt((1 - seen / total) / seen))
    for sign in (-1, 1):
        strength = sign * ate
        candidates = np.flatnonzero(expected & (strength > 0))
        if not len(candidates):
            candidates = np.flatnonzero(strength > 0)
        if len(candidates):
            lowest, highest = _cutoff(table, candidates, sign, coverage, scale)
            strong |= significant & (strength - half > highest)
            weak &= strength + half < lowest
    return strong | weak


def _cutoff(
    table: EffectTable, candidates: NDArray[np.int64], sign: int, coverage: float, scale: float
) -> tuple[float, float]:
    """Return the strengths below which a node is surely weak and above which it is surely strong in the full run."""
    strength = sign * table.ate[candidates]
    order = np.argsort(-strength, kind="stable")
    carried = np.cumsum(strength[order])
    last = int(np.searchsorted(carried, coverage * carried[-1]))
    # How much the covered share varies, over the samples that every node was measured on.
    common = sign * table.te[candidates[order], : int(table.used.min())]
    excess = common[: last + 1].sum(axis=0) - coverage * common.sum(axis=0)
    error = scale * float(excess.std(ddof=1)) / float(carried[-1])
    most, fewest = np.searchsorted(carried, np.clip([coverage + error, coverage - error], 0, 1) * carried[-1])
    ordered = np.append(strength[order], 0.0)
    # Weak: below the last of the most that may be covered. Strong: above the first beyond the fewest.
    return float(ordered[min(most, len(order) - 1)]), float(ordered[min(fewest + 1, len(order))])


def _weight(seen: int, total: int) -> float:
    """Return the share of the significance level that the look after so many samples may spend."""
    early = len(looks(total)) - 1
    if not early:
        return 1.0
    return 1 - SPENT_EARLY if seen == total else SPENT_EARLY / early


def _expected(table: EffectTable, alpha: float) -> NDArray[np.bool_]:
    """Return which nodes the full run is expected to find significant, were their effects as they are now."""
    dead, total = _is_dead(table), table.te.shape[1]
    p = p_values(table.ate, table.spread / np.sqrt(total), total - 1)
    return ~dead & (q_values(p, ~dead) <= alpha)


def _p_values(table: EffectTable) -> Floats:
    return p_values(table.ate, table.spread / np.sqrt(table.used), table.used - 1)


def _is_dead(table: EffectTable) -> NDArray[np.bool_]:
    return np.asarray((table.spread == 0) & (table.ate == 0))
