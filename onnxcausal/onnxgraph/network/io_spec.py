"""How a model is read: which of its tensors take the samples and hold the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

from annotated_types import MinLen

from onnxcausal.causal.task import Task

Centroids: TypeAlias = Annotated[tuple[Annotated[tuple[float, ...], MinLen(1)], ...], MinLen(1)]
"""A vector for each class; one of zeros for a class that has none."""


class Reduction(StrEnum):
    """How many scores of one class become one."""

    MEAN = "mean"
    """Their mean."""
    MAX = "max"
    """The highest."""
    SUM = "sum"
    """Their sum."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which tensors of a model are used, and how.

    Attributes:
        input: the input that takes the samples; default: the only one that is not given a value.
        output: an output or inner tensor of scores; default: the pre-softmax tensor of the only classification output.
        reduce: how scores at many places become one per class; None where there is one.
        class_axis: axis of that tensor along which the classes stand; default: that of its softmax, else 1 where there
            are four axes or more.
        at: one place along each of the first axes that are neither of samples nor of classes: a step, a frame, a head;
            negative numbers count from the last.
        scores: the first, and the one past the last, of the scores along that axis that are decided between.
        sample_axis: axis of that tensor along which the samples stand; default: 0.
        blank: the class that stands for no other one in a sequence of frames; a class is then decided where it has the
            highest score of any frame.
        task: what the scores decide; default: by their number and by what follows them.
        fixed: value of inputs that are the same for every sample, by name.
        centroids: of an embedding: the vectors to whose cosine similarities its scores are; default: of each class the
            mean of its references, all of length 1.
        centroid_names: name of the class of each, if known.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    input: str | None = None
    output: str | None = None
    reduce: Reduction | None = None
    class_axis: int | None = None
    at: Annotated[tuple[int, ...], MinLen(1)] | None = None
    scores: tuple[int, int] | None = None
    sample_axis: int | None = None
    blank: int | None = None
    task: Task | None = None
    fixed: Mapping[Annotated[str, MinLen(1)], float] = field(default_factory=dict)
    centroids: Centroids | None = None
    centroid_names: tuple[str, ...] | None = None

    @property
    def is_of_a_part(self) -> bool:
        """Whether scores are chosen or put together as no output of a file does it."""
        return any(value is not None for value in (self.reduce, self.at, self.scores, self.sample_axis, self.blank))
