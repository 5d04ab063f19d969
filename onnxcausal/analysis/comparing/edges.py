"""The edges of a causal graph in one layer, counted: from each necessary node to each target of its group."""

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
    groups = layer.groups or 1
    of_nodes = Counter(node * groups // layer.parents for node in nodes)
    of_targets = Counter(target * groups // layer.children for target in targets)
    return sum(count * of_targets[group] for group, count in of_nodes.items())
