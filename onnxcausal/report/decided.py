"""What a model decides instead, in words."""

from collections.abc import Iterator, Sequence
from functools import partial

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.decided import Decided, conclusion
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.text import printable

SHOWN = 20
"""Classes in the table, at most."""
NAMED = 5
"""Classes in a sentence, at most."""


def decided_table(decided: Sequence[Decided], names: Sequence[str] | None) -> Iterator[str]:
    """Yield what most samples of a class are decided as, a line for each class that the model is right on few of.

    Args:
        decided: of every class that was tried.
        names: name of each class, if known.
    """
    low = [each for each in decided if each.is_low]
    if not low:
        return
    columns = [
        Column("class", "left", gap=0),
        Column("tried"),
        Column("right"),
        Column("most are decided as", "left"),
    ]
    rows = [
        (
            title_of(each.target, names),
            str(each.total),
            str(each.counts[each.target]),
            f"{title_of(each.most, names)}: {each.counts[each.most]} of {each.total}",
        )
        for each in low[:SHOWN]
    ]
    yield "the model is right on few samples of these classes:"
    yield from set_in_columns(columns, rows)
    if len(low) > SHOWN:
        yield f"  and {len(low) - SHOWN} more"
    if told := conclusion(decided, partial(title_of, class_names=names)):
        yield printable(told)


def decided_sentence(decided: Sequence[Decided], names: Sequence[str] | None) -> str:
    """Return the same in one line; empty where the model is right on enough samples of every class."""
    low = [each for each in decided if each.is_low]
    if not low:
        return ""
    told = [
        f"{title_of(each.target, names)} as {title_of(each.most, names)} ({each.counts[each.most]} of {each.total})"
        for each in low[:NAMED]
    ]
    more = f" and {len(low) - NAMED} more" if len(low) > NAMED else ""
    common = conclusion(decided, partial(title_of, class_names=names))
    return f"most are decided otherwise: class {', '.join(told)}{more}" + (f"; {common}" if common else "")
