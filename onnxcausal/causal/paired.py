"""The default rule: paired t-test, false discovery rate, then coverage (docs/method.md, "The rule paired")."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role, SelectedBy, Verdicts, standardised


def assess_paired(table: EffectTable, *, alpha: float = 0.05, coverage: float = 0.8) -> Verdicts:
    """Return the roles of a layer's nodes under the `paired` rule.

    Each node's TE is tested against 0 (two-sided paired t-test); p-values are adjusted over the tested nodes of the
    layer (Benjamini & Hochberg 1995). Among the significant negative nodes the strongest that together carry the
    share `coverage` of their summed ATE are `necessary`; the same among the positive ones gives `noisy`; the other
    significant nodes are `minor`. Dead nodes are not tested.

    Args:
        table: effects `[parents, samples]`, at least two samples.
        alpha: level of the false discovery rate and of the intervals, in (0, 1).
        coverage: share of the summed ATE, in (0, 1].

    >>> noise = np.random.default_rng(0).normal(0, 0.1, size=(4, 50))
    >>> te = np.array([[-3.0], [-0.2], [0.0], [1.0]]) + noise
    >>> te[2] = 0.0
    >>> [str(role) for role in assess_paired(EffectTable(te, np.linspace(5, 6, 50))).roles]
    ['necessary', 'minor', 'dead', 'noisy']
    """
    ate, spread, count = table.ate, table.spread, table.te.shape[1]
    dead = (spread == 0) & (ate == 0)
    error = spread / np.sqrt(count)
    margin = error * stats.t.isf(alpha / 2, count - 1)
    p = p_values(ate, error, count - 1)
    q = q_values(p, ~dead)
    significant = ~dead & (q <= alpha)
    necessary = strongest(ate, significant & (ate < 0), coverage)
    noisy = strongest(ate, significant & (ate > 0), coverage)
    return Verdicts(
        ate=ate,
        low=ate - margin,
        high=ate + margin,
        d=standardised(table),
        p=p,
        q=q,
        roles=roles_of(dead, significant, necessary, noisy),
        selected_by=SelectedBy.COVERAGE if len(necessary) else SelectedBy.NONE,
        reason="" if len(necessary) else why_none(dead, significant, count),
    )


def strongest(ate: Floats, candidates: NDArray[np.bool_], coverage: float) -> NDArray[np.int64]:
    """Return the smallest set of the strongest candidates that carries `coverage` of their summed ATE.

    Args:
        ate: average effect of every node, `[parents]`.
        candidates: which nodes may be chosen, `[parents]`; their ATEs have one sign.
        coverage: share in (0, 1].

    >>> strongest(np.array([-1.0, -6.0, -3.0, 2.0]), np.array([True, True, True, False]), 0.8)
    array([1, 2])
    """
    indices = np.flatnonzero(candidates)
    strength = np.abs(ate[indices])
    order = np.argsort(-strength, kind="stable")
    carried = np.cumsum(strength[order])
    if not len(carried):
        return indices
    needed = int(np.searchsorted(carried, coverage * carried[-1], side="left")) + 1
    return np.sort(indices[order[:needed]])


def roles_of(
    dead: NDArray[np.bool_],
    significant: NDArray[np.bool_],
    necessary: NDArray[np.int64],
    noisy: NDArray[np.int64],
) -> tuple[Role, ...]:
    """Return the role of every node.

    >>> no, yes = np.array([False, False]), np.array([True, True])
    >>> [str(role) for role in roles_of(no, yes, np.array([1]), np.array([], int))]
    ['minor', 'necessary']
    """
    roles = np.where(significant, Role.MINOR, Role.NEUTRAL).astype(object)
    roles[dead] = Role.DEAD
    roles[necessary] = Role.NECESSARY
    roles[noisy] = Role.NOISY
    return tuple(Role(role) for role in roles)


def q_values(p: Floats, tested: NDArray[np.bool_]) -> Floats:
    """Return p-values adjusted over the tested nodes (Benjamini & Hochberg 1995); 1 for the others.

    >>> q_values(np.array([0.01, 0.5, 0.02]), np.array([True, False, True])).tolist()
    [0.02, 1.0, 0.02]
    """
    q = np.ones_like(p)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested], method="bh")
    return q


def p_values(ate: Floats, error: Floats, freedom: int | NDArray[np.int64]) -> Floats:
    """Return two-sided p-values of a t-test; without spread they are 1 at an effect of 0, else 0.

    Args:
        ate: average effect of each node, `[parents]`.
        error: its standard error, `[parents]`.
        freedom: degrees of freedom.

    >>> p_values(np.array([0.0, 2.0, 2.0]), np.array([0.0, 0.0, 1.0]), 30).round(3)
    array([1.   , 0.   , 0.055])
    """
    t = np.divide(np.abs(ate), error, out=np.zeros_like(ate), where=error > 0)
    return np.where(error > 0, 2 * stats.t.sf(t, freedom), np.where(ate == 0, 1.0, 0.0))


def why_none(dead: NDArray[np.bool_], significant: NDArray[np.bool_], count: int) -> str:
    """Return why no node is necessary.

    >>> why_none(np.array([False]), np.array([False]), 30)
    'no node has a significant effect on 30 samples'
    """
    if dead.all():
        return "every node is dead on these samples"
    if not significant.any():
        return f"no node has a significant effect on {count} samples"
    return "no significant effect is negative: nothing here speaks for the class"
