"""Roles of the nodes of one layer: which effects are significant, and which of those matter.

Ahmad et al. 2023, eq. 1; docs/method.md, "Significance and roles".
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.outcome import Floats


class Role(StrEnum):
    """What a node does to the outcome."""

    NECESSARY = "necessary"
    """Significant, negative, strong: removing the path lowers the outcome."""
    NOISY = "noisy"
    """Significant, positive, strong: removing the path raises the outcome."""
    MINOR = "minor"
    """Significant, but weak beside the strongest."""
    NEUTRAL = "neutral"
    """Not significant."""
    DEAD = "dead"
    """The path contributes exactly 0 on every sample."""
    WEAK = "weak"
    """Settled before all samples were measured, as none of the strongest: minor or neutral, it is not known which."""
    UNTESTED = "untested"
    """Left out by a budget of interventions; what such nodes do jointly is recorded."""


class Rule(StrEnum):
    """How roles are decided."""

    PAIRED = "paired"
    """Paired t-test, false discovery rate, then coverage."""
    WELCH = "welch"
    """Two-sample z-test and fallback of the published code, for comparison."""


class SelectedBy(StrEnum):
    """What decided the necessary nodes of a layer."""

    COVERAGE = "coverage"
    """The strongest significant nodes up to the share asked for."""
    WELCH = "welch"
    """The two-sample z-test."""
    FALLBACK = "fallback"
    """The published code's fallback, the z-test having selected nothing."""
    NONE = "none"
    """Nothing was selected; the reason says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The role of every node of one layer and the numbers behind it; arrays are `[parents]`, NaN for untested nodes.

    Attributes:
        ate: average treatment effect, in the outcome's unit.
        low: lower end of the ATE's confidence interval at level 1 - alpha.
        high: upper end.
        d: ATE over the standard deviation of the observed outcome; where the outcome is constant, 0 for an ATE of 0
            and else infinite with the ATE's sign.
        p: p-value of the rule's test.
        q: p-value adjusted over the layer's tested nodes (`welch` makes no adjustment: q = p).
        roles: role of each node.
        selected_by: what decided the necessary nodes.
        reason: why nothing was selected, or what else a reader must know; empty when plain.
    """

    ate: Floats
    low: Floats
    high: Floats
    d: Floats
    p: Floats
    q: Floats
    roles: tuple[Role, ...]
    selected_by: SelectedBy
    reason: str = ""

    def having(self, role: Role) -> NDArray[np.int64]:
        """Return the indices of the nodes that have a role, ascending."""
        return np.flatnonzero([held is role for held in self.roles])


def standardised(table: EffectTable) -> Floats:
    """Return `d = ATE / sd(Y)` of each node, `[parents]`; see `Verdicts.d` for a constant outcome.

    >>> te = np.array([[-1.0, -3.0, -2.0], [0.0, 0.0, 0.0]])
    >>> standardised(EffectTable(te, np.array([4.0, 5.0, 6.0]))).tolist()
    [-2.0, 0.0]
    """
    spread = table.observed.std(ddof=1)
    if spread > 0:
        return np.asarray(table.ate / spread)
    return np.where(table.ate == 0, 0.0, np.copysign(np.inf, table.ate))
