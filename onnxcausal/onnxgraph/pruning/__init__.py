"""Channels that masks make useless, taken out of a file: the same function in fewer numbers."""

from onnxcausal.onnxgraph.pruning.channels import Reason
from onnxcausal.onnxgraph.pruning.groups import Group, removable_groups
from onnxcausal.onnxgraph.pruning.prune import Folded, Kept, Pruned, Removed, prune_masks, with_weights
from onnxcausal.onnxgraph.pruning.rewrite import stored_by_name

__all__ = [
    "Folded",
    "Group",
    "Kept",
    "Pruned",
    "Reason",
    "Removed",
    "prune_masks",
    "removable_groups",
    "stored_by_name",
    "with_weights",
]
