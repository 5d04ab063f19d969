"""Which classes of a model are analysed."""

from collections.abc import Sequence

from onnxcausal.analysis.result.analysis import titled
from onnxcausal.analysis.result.class_lookup import by_index, class_of
from onnxcausal.errors import SamplesError
from onnxcausal.samples.source import Samples

SHOWN = 10
"""Classes named in a message."""


def resolve_targets(
    asked: Sequence[int | str] | None, samples: Samples, classes: int, names: Sequence[str] | None
) -> tuple[int, ...]:
    """Return the indices of the classes to analyse, ascending.

    Args:
        asked: indices or names; None for every class present in the data.
        samples: the data.
        classes: number of the model's classes.
        names: name of each class, if known.

    Raises:
        SamplesError: a label outside the model's classes.
        ConfigError: an unknown class was asked for.
    """
    present = samples.present
    outside = present[(present < 0) | (present >= classes)]
    if len(outside):
        raise SamplesError(
            "the data has labels outside the model's classes",
            where=f"{samples.source}, label {int(outside[0])}",
            why=f"the model has {classes} classes, 0 to {classes - 1}",
            remedy="check the labels, and that the model belongs to the data (a background class shifts them by one)",
        )
    if asked is None:
        return tuple(present.tolist())
    return tuple(sorted({_index(target, by_index(classes, names), samples) for target in asked}))


def _index(target: int | str, classes: dict[int, str | None], samples: Samples) -> int:
    """Return the class an index or a name stands for, which must have samples."""
    present = samples.present.tolist()
    shown = ", ".join(titled(index, classes[index]) for index in present[:SHOWN])
    remedy = "choose among them, by index or by name"
    if samples.synthetic:
        remedy = "supply data with --data: the model put no synthetic probe input into this class"
    elif "," in str(target):
        remedy = "name one class at a time: --target A --target B"
    return class_of(
        target,
        classes,
        where=f"targets, {samples.source}",
        kind="target",
        offered=present,
        why=f"the data has the classes {shown}" + (" ..." if len(present) > SHOWN else ""),
        remedy=remedy,
    )
