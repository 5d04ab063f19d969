"""Channels that can go together, whatever the masks: what a compression chooses from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import damage_told
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.original.layers import every_layer_in_file
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning.channels import (
    NEVER,
    Alive,
    Reason,
    Tags,
    classes_of,
    couple,
    keep,
    told_of,
    varying,
)
from onnxcausal.onnxgraph.pruning.cutting import shape_of
from onnxcausal.onnxgraph.pruning.proof import first_flaw
from onnxcausal.onnxgraph.pruning.propagation import OperandCut, Reader, Spread, spread_channels, tagged
from onnxcausal.onnxgraph.pruning.prune import with_weights
from onnxcausal.onnxgraph.pruning.rewrite import without_channels
from onnxcausal.onnxgraph.pruning.solve import Solution, useless_before

Classes = NDArray[np.int64]
Nodes = tuple[tuple[str, tuple[int, ...]], ...]
"""Some nodes or children of each of some layers, by the layers' names."""
TOGETHER = Reason("", "", "it goes together with one that stays")


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that go together or stay together.

    Attributes:
        parents: the nodes to be masked in full, with a factor of 0, so that the group can go, by layer.
        children: the children that go then, by layer.
        parameters: how many stored numbers the file loses when this group alone goes; without the scales and zero
            points of quantised weights.
    """

    parents: Nodes
    children: Nodes
    parameters: int


def removable_groups(original: Original, *, output: str | None = None, task: Task | None = None) -> tuple[Group, ...]:
    """Return the groups of channels that `prune_masks` can take out of a file, each when its parents are masked.

    Any set of groups can go at once, as long as a channel is left in each tensor: where none would be, one stays, and
    `Pruned.kept` says so. In a plain chain a group is one channel: the children of a layer at one index, and the
    parents of those that read it. Where channels are added up, as along a residual stage, it spans all layers that make
    or read them. Of a convolution in groups, nodes at the same place in each of its groups go together; of a depthwise
    one, a parent and its children.

    Args:
        original: the file.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.

    Returns:
        The groups, in the order in which the file makes their first channels; layers have the names of the analysis.

    Raises:
        ModelError: the file cannot be followed.
    """
    model = original.model
    layers = every_layer_in_file(model, output=output, task=task)
    with damage_told(model.name):
        spread = spread_channels(with_weights(original.proto, original))
        for tag, reason in useless_before(spread).items():
            spread.ledger.stay.setdefault(tag, reason)
        _couple_groups(spread)
        _couple_rows(spread)
        classes = classes_of(spread.ledger)
        _try_out(spread, classes, original)
        return tuple(_groups(spread, classes, layers))


def _couple_groups(spread: Spread) -> None:
    """Let channels go together as the groups of layers demand."""
    for reader in spread.readers:
        layer = reader.layer
        if layer.groups == 1:
            continue
        parents, children = (tags.reshape(layer.groups, -1) for tags in (reader.parents, reader.children))
        reason = told_of(spread.index.ops[layer.op], "its groups must stay of one size")
        if layer.parents == layer.groups:
            couple(spread.ledger, parents, children, reason)
        else:
            couple(spread.ledger, parents[:1], parents, reason)
            couple(spread.ledger, children[:1], children, reason)


def _couple_rows(spread: Spread) -> None:
    """Where channels stand along several axes of a tensor, let those of a row go together, in the shortest rows."""
    for tags in tagged(spread):
        if len(varying(tags)) > 1:
            rows = max((_rows(tags, axis) for axis in varying(tags)), key=_parts)
            couple(spread.ledger, rows[:, :1], rows, TOGETHER)


def _rows(tags: Tags, axis: int) -> Tags:
    return np.moveaxis(tags, axis, 0).reshape(tags.shape[axis], -1)


def _parts(rows: Tags) -> int:
    """Return into how many sets of channels rows fall that share none."""
    sets: list[set[int]] = []
    for row in rows.tolist():
        joined = set(row)
        apart = [one for one in sets if joined.isdisjoint(one)]
        sets = [*apart, joined.union(*(one for one in sets if not joined.isdisjoint(one)))]
    return len(sets)


def _try_out(spread: Spread, classes: Classes, original: Original) -> None:
    """Take out every other class, then the others, to see which ops cannot do without; those channels stay."""
    for parity in (0, 1):
        while True:
            alive = _without_half(spread, classes, parity)
            if alive.all():
                break
            smaller, _ = without_channels(original.proto, spread, alive)
            flaw = first_flaw(spread, Solution(alive), with_weights(smaller, original))
            if flaw is None:
                break
            keep(spread.ledger, *flaw)


def _without_half(spread: Spread, classes: Classes, parity: int) -> Alive:
    """Return which channels stay where every other class goes that can, but one of each tensor."""
    fixed = _fixed(spread, classes)
    goes = ~fixed[classes] & (classes % 2 == parity)
    goes[NEVER] = False
    for tags in tagged(spread):
        if goes[tags].all():
            goes[classes == classes[tags.flat[0]]] = False
    return np.asarray(~goes)


def _fixed(spread: Spread, classes: Classes) -> NDArray[np.bool_]:
    """Return of each class whether it must stay: as one of its channels must, or since it is all of a tensor."""
    fixed = np.zeros(classes.max() + 1, np.bool_)
    fixed[classes[[NEVER, *spread.ledger.stay]]] = True
    for tags in tagged(spread):
        if len(np.unique(classes[tags])) == 1:
            fixed[classes[tags.flat[0]]] = True
    return fixed


def _groups(spread: Spread, classes: Classes, layers: Mapping[str, Layer]) -> Iterator[Group]:
    names = {layer.op: name for name, layer in layers.items()}
    fixed = _fixed(spread, classes)
    parents: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    children: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for reader in spread.readers:
        by_itself = reader.layer.groups == reader.layer.parents > 1  # its parents go with its children
        for held, tags in ((parents, () if by_itself else reader.parents), (children, reader.children)):
            for node, tag in enumerate(tags):
                held[int(classes[tag])][reader.layer.op].append(node)
    saved = _saved(spread, classes)
    for number in sorted(parents.keys() | children.keys(), key=lambda one: int(np.argmax(classes == one))):
        if fixed[number] or not parents[number] or not parents[number].keys() <= names.keys():
            continue
        yield Group(_named(parents[number], names), _named(children[number], names, spread), saved.get(number, 0))


def _named(nodes: Mapping[int, list[int]], names: Mapping[int, str], spread: Spread | None = None) -> Nodes:
    own = {} if spread is None else {reader.layer.op: reader.layer.name for reader in spread.readers}
    return tuple(((own | dict(names))[op], tuple(found)) for op, found in sorted(nodes.items()))


def _saved(spread: Spread, classes: Classes) -> dict[int, int]:
    """Return how many stored numbers go with each class; none of a tensor whose uses lose different ones."""
    by_leaf: dict[str, list[dict[int, int]]] = defaultdict(list)
    for cut in spread.cuts:
        leaf = spread.index.leaves[spread.index.ops[cut.op].input[cut.position]]
        by_leaf[leaf].append(_saved_of(spread, cut, classes))
    total: dict[int, int] = defaultdict(int)
    for leaf, found in by_leaf.items():
        alike = all(one == found[0] for one in found) and len(spread.index.uses[leaf]) == len(found)
        for number, saved in found[0].items() if alike else ():
            total[number] += saved
    return total


def _saved_of(spread: Spread, cut: OperandCut, classes: Classes) -> dict[int, int]:
    """Return how many numbers of an operand go with each class."""
    size = int(np.prod(shape_of(spread, cut)))
    follows = cut.follows
    if cut.reader is not None and _is_depthwise(cut.reader):
        follows = cut.follows[1:]  # a parent goes with its children
    left: dict[int, float] = defaultdict(lambda: 1.0)
    for follow in follows:
        line = _rows(classes[follow.tags], follow.tags_axis)[:, 0]
        for number, count in zip(*np.unique(line, return_counts=True), strict=True):
            left[int(number)] *= 1 - count / len(line)
    return {number: round(size * (1 - share)) for number, share in left.items()}


def _is_depthwise(reader: Reader) -> bool:
    return reader.layer.groups == reader.layer.parents
