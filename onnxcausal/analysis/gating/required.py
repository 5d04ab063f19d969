"""Which classes must have a graph, so that gates are of the model and not of some of its classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxcausal.analysis.gating.checks import Check, Status
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.analysis.result.class_lookup import by_index, class_of

ALL, DATA = "all", "data"
"""Every class of the model; those that the data has samples of."""
NAMED = 10
"""Classes named in a message."""


@dataclass(frozen=True, slots=True)
class Required:
    """Which classes must have a graph.

    Attributes:
        asked: indices and names of classes, `all` and `data`; what any of them is of is required.
        by: who said so: a flag or a file; empty where nobody did.
    """

    asked: tuple[int | str, ...] = (ALL,)
    by: str = ""

    @property
    def by_name(self) -> bool:
        """Whether each class was named, so that no other one is missed."""
        return not {ALL, DATA} & set(self.asked)

    def __str__(self) -> str:
        """Return what is required, in words, and who said so."""
        told = {ALL: "all of the model", DATA: "those in the data"}
        words = ", ".join(told.get(str(one), str(one)) for one in self.asked)
        return f"{words} ({self.by})" if self.by else words

    def classes(self, analysis: Analysis) -> tuple[int, ...]:
        """Return the indices of the classes, ascending.

        Raises:
            ConfigError: one that was named is none of the model's.
        """
        found: set[int] = set()
        for one in self.asked:
            if one == ALL:
                found.update(range(analysis.class_count))
            elif one == DATA:
                found.update(analysis.present)
            else:
                found.add(
                    class_of(
                        one,
                        by_index(analysis.class_count, analysis.class_names),
                        where=f"required classes, {self.by}",
                        why=f"the model has {analysis.class_count} classes, 0 to {analysis.class_count - 1}",
                        remedy="give indices or names of its classes, all, or data",
                    )
                )
        return tuple(sorted(found))


def check_required(required: Required, analysis: Analysis, left_out_by: str) -> tuple[Check, ...]:
    """Return a failed check where a class that must have a graph has none; nothing where all have.

    Args:
        required: which must have one.
        analysis: the analysis.
        left_out_by: who narrowed the classes to analyse, in words.

    Raises:
        ConfigError: a class that was named is none of the model's.
    """
    asked = required.classes(analysis)
    having = set(analysis.targets)
    missing = [target for target in asked if target not in having]
    if not missing:
        return ()
    skipped = {entry.target: entry.reason for entry in analysis.skipped}

    def reason(target: int) -> str:
        if target in skipped:
            return skipped[target]
        return f"left out by {left_out_by}" if target in analysis.present else "no sample of it in the data"

    named = _listed([f"class {analysis.title(target)}: {reason(target)}" for target in missing])
    told = f"{len(missing)} of {len(asked)} classes that must have a graph have none; {named}"
    return (Check("classes", "classes", Status.FAILED, told),)


def _listed(texts: Sequence[str]) -> str:
    """Return the first of some texts, and how many more there are."""
    more = f"; and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return "; ".join(texts[:NAMED]) + more
