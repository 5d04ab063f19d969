"""Which channels stay: the fewest that give every output of the model what it had.

A channel stays where an op needs it, where one that goes together with it stays, and where a layer makes a channel
that stays from it by an edge that no mask sets to 0. All others go, but for those that the shape of tensors demands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.pruning.channels import NEVER, Alive, Reason, Tags, along, classes_of, told_of, varying
from onnxcausal.onnxgraph.pruning.propagation import Reader, Spread, tagged

Mask = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Which channels stay.

    Attributes:
        alive: whether each channel stays, by its number.
        why: why it does.
    """

    alive: Alive
    why: dict[int, Reason] = field(default_factory=dict)


def solve(spread: Spread, masks: Mapping[int, Mask]) -> Solution:
    """Return which channels stay.

    Channels that nothing needs even without masks stay as well: only masks take anything out.

    Args:
        spread: where channels stand.
        masks: masks of layers, by the position of their op, of the shape `mask_shape`.
    """
    return _needed(spread, masks, useless_before(spread))


def useless_before(spread: Spread) -> dict[int, Reason]:
    """Return the channels that nothing needs even without masks, with that as the reason why they stay."""
    solution = _at_least(spread, {})
    _close_needs(spread, {}, classes_of(spread.ledger), tagged(spread), solution)
    useless = np.flatnonzero(~solution.alive)
    return {tag: Reason("", "", "nothing used it before either") for tag in useless.tolist()}


def edges_left(layer: Layer, mask: Mask | None, children: Alive) -> Alive:
    """Return which parents of a layer have an edge left to one of some children, `[parents]`.

    Args:
        layer: the layer.
        mask: its mask, of the shape `mask_shape`; None for none.
        children: whether each child counts, `[children]`.
    """
    of_group = children.reshape(layer.groups, -1)
    if mask is None:
        return np.repeat(of_group.any(axis=1), layer.parents // layer.groups)
    edges = _edges(layer, mask) != 0
    if layer.op_type == "ConvTranspose":  # [parents, children of a group]
        by_group = edges.reshape(layer.groups, -1, edges.shape[1])
        return np.asarray((by_group & of_group[:, None, :]).any(axis=2)).ravel()
    by_group = edges.reshape(len(edges), layer.groups, -1)  # [parents of a group, groups, children of a group]
    return np.asarray((by_group & of_group).any(axis=2)).T.ravel()


def _edges(layer: Layer, mask: Mask) -> Mask:
    """Return a mask as `[weight's parents, weight's children]`."""
    parent = layer.weight_parent_axis % mask.ndim
    if layer.weight_child_axis is None:
        return mask[:, None]
    moved = np.moveaxis(mask, (parent, layer.weight_child_axis % mask.ndim), (-2, -1))
    return moved.reshape(moved.shape[-2:])


def _needed(spread: Spread, masks: Mapping[int, Mask], stay: Mapping[int, Reason]) -> Solution:
    """Return the channels that are needed, to begin with those of `stay` and of the ledger."""
    solution = _at_least(spread, stay)
    classes = classes_of(spread.ledger)
    arrays = tagged(spread)
    number = -1
    while number != (number := int(solution.alive.sum())):
        _close_needs(spread, masks, classes, arrays, solution)
        # What shapes demand comes last: which channels it takes depends on those that are needed anyway.
        if not _keep_groups_equal(spread, solution):
            _keep_one_each(spread, solution)
    return solution


def _at_least(spread: Spread, stay: Mapping[int, Reason]) -> Solution:
    """Return the channels that stay whatever is masked."""
    solution = Solution(np.zeros(spread.ledger.count, np.bool_))
    solution.alive[NEVER] = True
    for tag, reason in {**stay, **spread.ledger.stay}.items():
        solution.alive[tag] = True
        solution.why[tag] = reason
    return solution


def _close_needs(
    spread: Spread,
    masks: Mapping[int, Mask],
    classes: NDArray[np.int64],
    arrays: Sequence[Tags],
    solution: Solution,
) -> None:
    """Add what is needed for channels that stay, until nothing is added."""
    number = -1
    while number != (number := int(solution.alive.sum())):
        for reader in reversed(spread.readers):
            alive = solution.alive[reader.children]
            read = edges_left(reader.layer, masks.get(reader.layer.op), alive)
            op = spread.index.ops[reader.layer.op]
            _add(solution, reader.parents[read], told_of(op, "it still reads the channel"))
        _together(classes, solution)
        for tags in arrays:
            if len(varying(tags)) > 1:
                _whole_rows(spread, tags, solution)


def _add(solution: Solution, tags: Tags, reason: Reason) -> None:
    fresh = np.unique(tags[~solution.alive[tags]])
    solution.alive[fresh] = True
    for tag in fresh.tolist():
        solution.why[tag] = reason


def _together(classes: NDArray[np.int64], solution: Solution) -> None:
    """Keep the whole of each class of which a channel stays."""
    first: dict[int, int] = {}
    for tag in np.flatnonzero(solution.alive).tolist():
        if tag != NEVER:
            first.setdefault(int(classes[tag]), tag)
    stays = np.isin(classes, np.fromiter(first, np.int64, len(first)))
    for tag in np.flatnonzero(stays & ~solution.alive).tolist():
        solution.alive[tag] = True
        solution.why[tag] = solution.why[first[int(classes[tag])]]


def _whole_rows(spread: Spread, tags: Tags, solution: Solution) -> None:
    """Keep what stands in a row and a column that both stay: tensors have no holes."""
    grid = tags[np.ix_(*(along(tags, axis, solution.alive) for axis in range(tags.ndim)))]
    if solution.alive[grid].all():
        return
    name = next(name for name, held in spread.tags.items() if held is tags)
    op = spread.index.producing(name)
    assert op is not None
    _add(solution, grid.ravel(), told_of(op, "its result would have holes, since only some of a row can go"))


def _keep_groups_equal(spread: Spread, solution: Solution) -> bool:
    """Keep as many parents, and children, in each group of a layer that stays; return whether any was added."""
    before = int(solution.alive.sum())
    for reader in spread.readers:
        if reader.layer.groups > 1:
            reason = told_of(spread.index.ops[reader.layer.op], "its groups must stay of one size")
            parents, children = (tags.reshape(reader.layer.groups, -1) for tags in (reader.parents, reader.children))
            groups = solution.alive[parents].any(axis=1) | solution.alive[children].any(axis=1)
            for tags in (parents[groups], children[groups]):
                _fill(solution, tags, reason)
    return int(solution.alive.sum()) > before


def _fill(solution: Solution, tags: Tags, reason: Reason) -> None:
    """Keep as many in each row as in the fullest, at least one; the first of those that would go."""
    if not len(tags):
        return
    most = max(1, int(solution.alive[tags].sum(axis=1).max()))
    for row in tags:
        gone = row[~solution.alive[row]]
        _add(solution, gone[: most - (len(row) - len(gone))], reason)


def _keep_one_each(spread: Spread, solution: Solution) -> None:
    """Keep a channel of the last tensor that would lose all; what it needs may be in those before."""
    last = next((tags for tags in reversed(spread.tags.values()) if not solution.alive[tags].any()), None)
    if last is not None:
        one = last.ravel()[:1]
        op = spread.index.producing(next(name for name, tags in spread.tags.items() if one in tags))
        assert op is not None
        _add(solution, one, told_of(op, "one channel of its result must stay"))


def removed_of(reader: Reader, alive: Alive) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the parents and the children that a layer loses."""
    return np.flatnonzero(~alive[reader.parents]), np.flatnonzero(~alive[reader.children])
