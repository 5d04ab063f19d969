"""Which parts of a network to remove for good so that it gets smaller (docs/method.md, "Compression").

What goes must cost the classes little and save much. The cost of a node is how far its removal moves the
log-probability of the right class, over the samples of all classes; parts that go together cost the sum of their nodes.

*Note.* A removal that raises the probability of some samples costs as much as one that lowers it: when much is removed,
what spoke against a class is missed as well. Counting losses alone was worse at most sizes where it was tried.
Nor do nodes that are necessary to some class come last as such: most are, and their order by cost alone was better
(tools/bench/compress.md has the models).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats

Order = NDArray[np.int64]
"""Parts, the first to go first."""
Members = Mapping[str, NDArray[np.int64]]
"""Nodes of each layer that go with a part, by the layer's name."""


def removal_costs(effects: Mapping[int, Floats]) -> Floats:
    """Return what removing each node costs, `[nodes]`, in nats: the size of its effects, the mean over the classes.

    Args:
        effects: effect of removing each node on the log-probability of the right class, `[nodes, samples]`, by class.

    >>> removal_costs({0: np.array([[-0.4, 0.2], [0.0, 0.0]]), 1: np.array([[-0.1], [-0.2]])}).round(3).tolist()
    [0.2, 0.1]
    """
    return np.asarray(np.mean([np.abs(held).mean(axis=1) for held in effects.values()], axis=0))


def part_costs(costs: Mapping[str, Floats], parts: Sequence[Members]) -> Floats:
    """Return what removing each part costs, `[parts]`: the sum over its nodes.

    Args:
        costs: cost of each node of each layer, `[nodes]`, by the layer's name.
        parts: the nodes that go with each part.

    >>> part_costs({"a": np.array([1.0, 2.0])}, [{"a": np.array([0, 1])}, {"a": np.array([1])}]).tolist()
    [3.0, 2.0]
    """
    return np.array([sum(float(costs[layer][nodes].sum()) for layer, nodes in part.items()) for part in parts])


def cheapest_first(costs: Floats, saved: Sequence[int]) -> Order:
    """Return the parts by what each stored number that they save costs; of equals, those that save most first.

    >>> cheapest_first(np.array([1.0, 1.0, 0.0, 0.0]), [10, 20, 5, 6]).tolist()
    [3, 2, 1, 0]
    """
    size = np.maximum(1, np.asarray(saved, np.float64))
    return np.lexsort((np.arange(len(size)), -size, np.asarray(costs) / size))


def sparing(order: Order, parts: Sequence[Members], layers: Mapping[str, int]) -> Order:
    """Return an order without the parts that would take the last node from a layer.

    Args:
        order: the parts.
        parts: the nodes that go with each part.
        layers: how many nodes each layer has.

    >>> parts = [{"a": np.array([0])}, {"a": np.array([1])}, {"b": np.array([0])}]
    >>> sparing(np.array([1, 2, 0]), parts, {"a": 2, "b": 2}).tolist()
    [1, 2]
    """
    left = dict(layers)
    kept = []
    for number in order.tolist():
        taken = {layer: len(nodes) for layer, nodes in parts[number].items()}
        if all(left[layer] > count for layer, count in taken.items()):
            kept.append(number)
            left |= {layer: left[layer] - count for layer, count in taken.items()}
    return np.array(kept, np.int64)
