"""What stands in for what an intervention takes away."""

from enum import StrEnum


class Replace(StrEnum):
    """What stands in for the part of the path's contribution that is taken away."""

    ZERO = "zero"
    """Nothing (the paper)."""
    MEAN = "mean"
    """The path's mean contribution over reference samples: the layer stays on its usual range."""
