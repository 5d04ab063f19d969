"""The edges of a causal graph in one layer: from each necessary node to each target of its group."""

from collections import Counter
from collections.abc import Collection

from onnxcausal.analysis.formats.analysis_file import LayerRecord
from onnxcausal.causal.significance import Role


def necessary_of(layer: LayerRecord) -> list[int]:
    """Return the necessary nodes of a layer, ascending."""
    return [node.index for node in layer.nodes if node.role is Role.NECESSARY]


def count_edges(layer: LayerRecord, nodes: Collection[int], targets: Collection[int]) -> int:
    """Return how many edges run from some nodes to some targets of a layer.

    Args:
        layer: the layer, which has parents, children and groups.
        nodes: indices of parents.
        targets: indices of children.
    """
    of_nodes = Counter(_group(layer, node, layer.parents) for node in nodes)
    of_targets = Counter(_group(layer, target, layer.children) for target in targets)
    return sum(count * of_targets[group] for group, count in of_nodes.items())


def reached_by(layer: LayerRecord, parent: int) -> list[int]:
    """Return the targets of a layer that a parent has a path to: those of its group, ascending."""
    group = _group(layer, parent, layer.parents)
    return [target for target in layer.targets if _group(layer, target, layer.children) == group]


def _group(layer: LayerRecord, index: int, size: int) -> int:
    """Return the group of a parent or child, of which there are so many."""
    return index * (layer.groups or 1) // max(size, 1)
