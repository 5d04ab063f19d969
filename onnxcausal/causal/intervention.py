"""Interventions: `do(W[T, j] := beta W[T, j])` (Ahmad et al. 2023, sec. 3.3)."""

from dataclasses import dataclass
from enum import StrEnum


class Replace(StrEnum):
    """What stands in for the part of the path's contribution that is taken away."""

    ZERO = "zero"
    """Nothing (the paper)."""
    MEAN = "mean"
    """The path's mean contribution over reference samples: the layer stays on its usual range."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """How every tested path is changed.

    Attributes:
        beta: factor on the weights of the path; 0 removes it, 1 leaves it.
        replace: what stands in for what is taken away.

    Note: the published code overwrites the weight with the constant; the paper multiplies it (`u = beta w`).
    The two agree at 0 only; this is the paper's.
    """

    beta: float = 0.0
    replace: Replace = Replace.ZERO
