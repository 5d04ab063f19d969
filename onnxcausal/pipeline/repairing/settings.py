"""Settings of a repair."""

from dataclasses import dataclass

from onnxcausal.analysis.repair import Form
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.protocols.subject import FEWEST


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a repair.

    Attributes:
        objective: `class-accuracy`, `overall`, or `fix-confusion A:B`.
        repaired: classes to help, by index or name; none: all that were analysed.
        protected: classes that must not be harmed besides; none: all that have samples.
        max_drop: accuracy that a protected class may lose, 0 to 1.
        portion: of the candidates to mask; None: searched.
        beta: factor on masked weights; None: searched.
        replace: what stands in for what is taken; None: searched.
        count: held-out samples of each class to choose on, and as many to report on, at most.
        form: how masks stand in the file.
    """

    objective: str = "class-accuracy"
    repaired: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    max_drop: float = 0.005
    portion: float | None = None
    beta: float | None = None
    replace: Replace | None = None
    count: int = 500
    form: Form = Form.MASKED

    def __post_init__(self) -> None:
        """Refuse shares outside 0 to 1, and too few samples."""
        for name in ("max_drop", "beta", "portion"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(
                    "a share lies outside 0 to 1",
                    where=f"{name} {value}",
                    why="it is a share, or a percentage with the sign",
                    remedy="write for example 0.5% or 0.005",
                )
        if self.count < FEWEST:
            raise ConfigError(
                "too few samples of each class",
                where=f"count {self.count}",
                why="a repair is chosen on some samples and reported on others",
                remedy=f"give at least {FEWEST}",
            )
