"""What an op is given of channels, and what it makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.onnxgraph.pruning.channels import Tags, varying

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OpInput:
    """One input of an op.

    Attributes:
        shape: its shape, None where it is not known.
        tags: its tags, None where it has no channel.
        cuttable: whether it is stored in the file and may be cut.
        value: what it holds, where that follows from stored tensors and shapes alone and is small.
    """

    shape: Shape | None
    tags: Tags | None
    cuttable: bool
    value: NDArray[np.generic] | None


@dataclass(frozen=True, slots=True, eq=False)
class Follow:
    """An axis of a stored operand that loses what an axis of tags loses."""

    axis: int
    tags: Tags
    tags_axis: int


@dataclass(frozen=True, slots=True, eq=False)
class Handed:
    """What an op makes of channels.

    Attributes:
        outputs: tags of each output.
        coupled: tags that meet there.
        cuts: stored operands that follow, by position.
        stay: why all channels that it takes in must stay; empty where they need not.
    """

    outputs: tuple[Tags | None, ...]
    coupled: tuple[tuple[Tags, Tags], ...] = ()
    cuts: tuple[tuple[int, tuple[Follow, ...]], ...] = ()
    stay: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """How an op makes channels of its own.

    Attributes:
        new: gives tags to a number of them, along an axis.
        along: that axis, where it is known from the file that this one was made from.
    """

    new: Callable[[int, int], Tags]
    along: int | None


def mixed_along(tags: Tags, axes: Sequence[int]) -> tuple[Tags, tuple[tuple[Tags, Tags], ...], bool]:
    """Return the tags of what an op makes that mixes along axes, what goes together for it, and whether it mixes all.

    One channel that stands along those axes is no mixture of others.
    """
    kept = tags
    for axis in axes:
        kept = kept.take([0], axis=axis)
    coupled = () if kept.shape == tags.shape else ((kept, tags),)
    return kept, coupled, bool(coupled) and not varying(kept)
