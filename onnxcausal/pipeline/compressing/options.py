"""Settings of a compression."""

from dataclasses import dataclass

from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.heldout.subject import FEWEST


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """Settings of a compression; exactly one target.

    Attributes:
        target_size: share of the stored numbers that may stay, 0 to 1.
        target_latency: share of the time for one sample that it may take, 0 to 1.
        max_drop: accuracy over all samples that it may cost, 0 to 1.
        refit: fit the weights of layers that lose parents to what the original makes of the samples to choose on.
        count: held-out samples of each class to choose on, and as many to report on, at most.
    """

    target_size: float | None = None
    target_latency: float | None = None
    max_drop: float | None = None
    refit: bool = False
    count: int = 500

    def __post_init__(self) -> None:
        """Refuse shares outside 0 to 1, none or several targets, and too few samples."""
        given = {name: value for name in TARGETS if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            raise ConfigError(
                "there must be one target",
                where=", ".join(given) or "no target",
                why="a size, a latency or a drop of accuracy decides how much is removed",
                remedy="give one of --target-size 50%, --target-latency 50% and --max-drop 1%",
            )
        ((name, value),) = given.items()
        if not 0 <= value <= 1 or (value in (0, 1) and name != "max_drop"):
            raise ConfigError(
                "the target lies outside its range",
                where=f"{name} {value:g}",
                why="it is a share of the original's, more than 0 and less than 1",
                remedy="write for example 50% or 0.5",
            )
        if self.count < FEWEST:
            raise ConfigError(
                "too few samples of each class",
                where=f"count {self.count}",
                why="what is removed is chosen on some samples and reported on others",
                remedy=f"give at least {FEWEST}",
            )


TARGETS = ("target_size", "target_latency", "max_drop")
"""Of `Options`; one of them is given."""
