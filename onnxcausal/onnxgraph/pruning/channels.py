"""Channels that may be removed: their numbers, which of them go together, and which must stay.

A tensor's *tags* are an array of channel numbers of the tensor's rank, with size 1 along every axis they do not change
along; 0 stands for what is never removed.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NEVER = 0
"""The tag of what is never removed."""

Tags = NDArray[np.int64]
Alive = NDArray[np.bool_]
"""Whether each channel stays, by its number."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a channel stays.

    Attributes:
        op: name of the op that needs it; where that is empty, of its output.
        op_type: type of the op, with its domain where that is not the default.
        why: what it does with it.
    """

    op: str
    op_type: str
    why: str

    def told(self) -> str:
        """Return the reason in words."""
        return f"op {self.op} ({self.op_type}): {self.why}" if self.op_type else self.why


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTable:
    """The channels of a graph.

    Attributes:
        numbers: how many there are, as a list of as many steps as they came in.
        pairs: channels that stay or go together, `[2, pairs]` each.
        stay: channels that must stay, each with the reason that was found first.
    """

    numbers: list[int] = field(default_factory=list)
    pairs: list[NDArray[np.int64]] = field(default_factory=list)
    stay: dict[int, Reason] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Numbers in use, 0 included."""
        return 1 + sum(self.numbers)


def told_of(op: NodeProto, why: str) -> Reason:
    """Return a reason that names an op."""
    kind = op.op_type if op.domain in ("", "ai.onnx") else f"{op.op_type} of domain {op.domain}"
    return Reason(op.name or next((name for name in op.output if name), ""), kind, why)


def new_channels(ledger: ChannelTable, number: int) -> Tags:
    """Return the numbers of channels that did not exist before, `[number]`."""
    first = ledger.count
    ledger.numbers.append(number)
    return np.arange(first, first + number)


def keep(ledger: ChannelTable, tags: Tags, reason: Reason) -> None:
    """Note that channels must stay."""
    for tag in np.unique(tags).tolist():
        if tag != NEVER:
            ledger.stay.setdefault(tag, reason)


def couple(ledger: ChannelTable, one: Tags, other: Tags, reason: Reason) -> None:
    """Note that channels at the same position stay or go together; beside what is never removed, one stays.

    Args:
        ledger: where it is noted.
        one: tags.
        other: tags that broadcast against them.
        reason: why a channel stays beside what is never removed.
    """
    first, second = (flat.ravel() for flat in np.broadcast_arrays(one, other))
    both = np.unique(np.stack([first, second]), axis=1)
    alone = (both == NEVER).any(axis=0)
    keep(ledger, both[:, alone], reason)
    ledger.pairs.append(both[:, ~alone & (both[0] != both[1])])


def classes_of(ledger: ChannelTable) -> NDArray[np.int64]:
    """Return the class of each channel, by its number; those of a class stay or go together."""
    rows, columns = np.concatenate([np.empty((2, 0), np.int64), *ledger.pairs], axis=1)
    links = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(ledger.count, ledger.count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def varying(tags: Tags) -> tuple[int, ...]:
    """Return the axes along which tags change."""
    return tuple(axis for axis, size in enumerate(tags.shape) if size > 1)


def compressed(tags: Tags) -> Tags:
    """Return tags with size 1 along every axis they do not change along."""
    for axis, size in enumerate(tags.shape):
        if size > 1:
            first = tags.take([0], axis=axis)
            if (tags == first).all():
                tags = first
    return tags


def along(tags: Tags, axis: int, alive: Alive) -> NDArray[np.int64]:
    """Return the indices along an axis at which any channel stays."""
    others = tuple(number for number in range(tags.ndim) if number != axis)
    return np.flatnonzero(alive[tags].any(axis=others))


def remaining(tags: Tags, alive: Alive) -> Tags:
    """Return the tags of what is left of a tensor."""
    return compressed(tags[np.ix_(*(along(tags, axis, alive) for axis in range(tags.ndim)))])
