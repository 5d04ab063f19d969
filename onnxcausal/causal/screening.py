"""Which nodes to test when a budget does not reach for all, and what the others could hide (`--budget`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.significance import Role, Verdicts


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the untested nodes of a layer do when their paths are changed all at once.

    Effects of opposite sign cancel in it, so that it bounds what is hidden only where they agree.

    Attributes:
        nodes: how many they are.
        ate: average effect of the joint intervention, in the outcome's unit.
        low: lower end of its confidence interval.
        high: upper end.
        largest: largest bound among them on the norm of a path's contribution.
    """

    nodes: int
    ate: float
    low: float
    high: float
    largest: float


def most_promising(bounds: Floats, budget: int) -> NDArray[np.int64]:
    """Return the nodes to test, ascending: those with the highest bounds; one of the budget is for the joint test.

    The choice looks at the contributions of paths, not at effects, so the tests of the chosen nodes keep their level
    (independent filtering: Bourgon, Gentleman, Huber 2010).

    Args:
        bounds: upper bound on what each path can contribute, `[parents]`; a node at 0 is dead and costs nothing.
        budget: interventions that may be made.

    >>> most_promising(np.array([1.0, 5.0, 0.0, 3.0, 2.0]), 3)
    array([1, 2, 3])
    """
    alive = np.flatnonzero(bounds > 0)
    if len(alive) <= budget:
        return np.arange(len(bounds))
    order = alive[np.argsort(-bounds[alive], kind="stable")]
    return np.sort(np.concatenate([order[: budget - 1], np.flatnonzero(bounds <= 0)]))


def hidden_effect(joint: EffectTable, nodes: int, largest: float, *, alpha: float = 0.05) -> Hidden:
    """Return what a joint intervention showed.

    Args:
        joint: its effect, `[1, samples]`.
        nodes: how many nodes it was on.
        largest: largest bound among them.
        alpha: level of the interval.

    >>> hidden_effect(EffectTable(np.array([[-1.0, -1.0]]), np.zeros(2)), 7, 0.5).ate
    -1.0
    """
    ate, count = float(joint.ate[0]), joint.te.shape[1]
    margin = float(joint.spread[0] / np.sqrt(count) * stats.t.isf(alpha / 2, count - 1))
    return Hidden(nodes, ate, ate - margin, ate + margin, largest)


def with_untested(verdicts: Verdicts, tested: NDArray[np.int64], nodes: int) -> Verdicts:
    """Return verdicts on all nodes of a layer, given those on the tested ones.

    Args:
        verdicts: of the tested nodes.
        tested: their indices.
        nodes: how many nodes the layer has.
    """
    roles = [Role.UNTESTED] * nodes
    for node, role in zip(tested.tolist(), verdicts.roles, strict=True):
        roles[node] = role
    return Verdicts(
        ate=spread_out(verdicts.ate, tested, nodes),
        low=spread_out(verdicts.low, tested, nodes),
        high=spread_out(verdicts.high, tested, nodes),
        d=spread_out(verdicts.d, tested, nodes),
        p=spread_out(verdicts.p, tested, nodes),
        q=spread_out(verdicts.q, tested, nodes),
        roles=tuple(roles),
        selected_by=verdicts.selected_by,
        reason=verdicts.reason,
    )


def spread_out(values: Floats, tested: NDArray[np.int64], nodes: int) -> Floats:
    """Return values `[tested, ...]` as `[nodes, ...]`, NaN for the others.

    >>> spread_out(np.array([1.0, 2.0]), np.array([0, 2]), 3)
    array([ 1., nan,  2.])
    """
    full = np.full((nodes, *values.shape[1:]), np.nan)
    full[tested] = values
    return full
