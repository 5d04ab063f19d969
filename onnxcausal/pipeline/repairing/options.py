"""Settings of a repair."""

from dataclasses import dataclass

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.heldout.subject import FEWEST


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """Settings of a repair.

    Attributes:
        objective: `class-accuracy`, `overall`, or `fix-confusion A:B`.
        repaired: classes to help, by index or name; none: all that were analysed.
        protected: classes that must not be harmed besides; none: all that have samples.
        max_drop: accuracy that a protected class may lose, 0 to 1.
        portion: of the candidates to mask; None: searched.
        beta: factor on masked weights; None: searched.
        replace: what stands in for what is taken; None: searched.
        count: held-out samples of each class to choose on, and as many to report on, at most; None: all.
        form: how masks stand in the file.
    """

    objective: str = "class-accuracy"
    repaired: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    max_drop: float = 0.005
    portion: float | None = None
    beta: float | None = None
    replace: Replace | None = None
    count: int | None = None
    form: Form = Form.MASKED

    def __post_init__(self) -> None:
        """Refuse what lies outside its range."""
        for name, why, is_right in (
            ("max_drop", "it is a share of a class's samples, 0 to 1", 0 <= self.max_drop <= 1),
            ("beta", "it is a factor, from 0 to less than 1", self.beta is None or 0 <= self.beta < 1),
            ("portion", "it is a share of the nodes, more than 0", self.portion is None or 0 < self.portion <= 1),
        ):
            if not is_right:
                raise ConfigError(
                    "a setting lies outside its range",
                    where=f"{name} {getattr(self, name)}",
                    why=why,
                    remedy="write for example 0.5% or 0.005",
                )
        if self.count is not None and self.count < FEWEST:
            raise ConfigError(
                "too few samples of each class",
                where=f"count {self.count}",
                why="a repair is chosen on some samples and reported on others",
                remedy=f"give at least {FEWEST}",
            )
