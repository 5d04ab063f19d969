"""The rule of the authors' published code, for comparison (docs/method.md, "The rule welch")."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role, SelectedBy, Verdicts, standardised

Z_CUT = 1.65
"""One-sided 5 % point of the normal distribution, as rounded in the published code."""
RATIO_CUT = 0.001
"""Mean relative change of the outcome that the published code's fallback asks for."""


def assess_welch(table: EffectTable, *, alpha: float = 0.05) -> Verdicts:
    """Return the roles of a layer's nodes under the published code's rule.

    Two-sample, unpaired, one-sided z-test on the outcomes: `necessary` iff
    `mean(Y_w) < mean(Y) - 1.65 sqrt(var(Y_w)/N + var(Y)/N)`; if no node passes, the fallback
    `mean(Y_w / Y - 1) < -0.001`. `noisy` is the mirror image of both steps. There is no `minor` role and no
    correction for many nodes.

    Note: samples whose observed outcome is exactly 0 have no ratio and are left out of the fallback's mean; the
    published code divides by them.

    Args:
        table: effects `[parents, samples]`, at least two samples.
        alpha: level of the reported intervals only; the test's level is fixed by the published code.

    >>> observed = np.linspace(5, 6, 50)
    >>> te = np.array([[-3.0], [0.0], [-0.1]]) * np.ones(50)
    >>> verdicts = assess_welch(EffectTable(te, observed))
    >>> [str(role) for role in verdicts.roles], str(verdicts.selected_by)
    (['necessary', 'dead', 'necessary'], 'welch')
    """
    ate = table.ate
    error = _standard_error(table)
    dead = np.asarray((table.te == 0).all(axis=1))
    necessary, necessary_by = _select(table, error, dead, sign=-1)
    noisy, noisy_by = _select(table, error, dead, sign=1)
    margin = error * stats.norm.isf(alpha / 2)
    z = np.divide(np.abs(ate), error, out=np.full_like(ate, np.inf), where=error > 0)
    p = np.where(dead, 1.0, stats.norm.sf(z))
    roles = np.where(dead, Role.DEAD, Role.NEUTRAL).astype(object)
    roles[necessary] = Role.NECESSARY
    roles[noisy] = Role.NOISY
    return Verdicts(
        ate=ate,
        low=ate - margin,
        high=ate + margin,
        d=standardised(table),
        p=p,
        q=p,
        roles=tuple(Role(role) for role in roles),
        selected_by=necessary_by,
        reason=_reason(necessary_by, noisy_by),
    )


def _standard_error(table: EffectTable) -> Floats:
    """Return the unpaired standard error of the difference of the means, `[parents]`."""
    count = table.te.shape[1]
    return np.asarray(np.sqrt(table.under_do.var(axis=1, ddof=1) / count + table.observed.var(ddof=1) / count))


def _select(
    table: EffectTable, error: Floats, dead: NDArray[np.bool_], *, sign: Literal[-1, 1]
) -> tuple[NDArray[np.bool_], SelectedBy]:
    """Return which nodes pass in the direction of `sign`, and by which step."""
    change = table.under_do.mean(axis=1) - table.observed.mean()
    passed = ~dead & (sign * change > Z_CUT * error)
    if passed.any():
        return passed, SelectedBy.WELCH
    passed = ~dead & (sign * _mean_ratio(table) > RATIO_CUT)
    return passed, SelectedBy.FALLBACK if passed.any() else SelectedBy.NONE


def _mean_ratio(table: EffectTable) -> Floats:
    """Return `mean(Y_w / Y - 1)` of each node over the samples whose Y is not 0, `[parents]`."""
    usable = table.observed != 0
    if not usable.any():
        return np.zeros(len(table.te))
    return np.asarray((table.under_do[:, usable] / table.observed[usable] - 1).mean(axis=1))


def _reason(necessary_by: SelectedBy, noisy_by: SelectedBy) -> str:
    """Return what the roles alone do not say: which step selected, where it was not the test."""
    parts = ["neither the z-test nor the fallback selects a necessary node"] if necessary_by is SelectedBy.NONE else []
    fallen = [name for name, by in (("necessary", necessary_by), ("noisy", noisy_by)) if by is SelectedBy.FALLBACK]
    if fallen:
        parts.append(f"{' and '.join(fallen)} nodes selected by the fallback")
    return "; ".join(parts)
