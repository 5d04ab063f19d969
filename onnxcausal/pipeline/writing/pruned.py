"""What was taken out of a pruned file, and whether what is left computes the same."""

from dataclasses import dataclass

import numpy as np

from onnxcausal.analysis.formats.masks import MasksFile
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.forms.equivalence import compare_outputs
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import Removed, with_weights

SEED = 0
"""Of the random inputs on which a pruned file is compared."""


@dataclass(frozen=True, slots=True)
class KeptNodes:
    """Nodes of a layer that are masked in full and stay in a pruned file, with weights of 0.

    Attributes:
        layer: the layer.
        nodes: the nodes.
        why: the op that needs them, and what for.
    """

    layer: str
    nodes: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class PrunedSize:
    """What was taken out of a pruned file.

    Attributes:
        lost: parents and children that layers lost, of how many, in file order; those that lost nothing are absent.
        kept: nodes that could not go.
        parameters: stored numbers before and after.
        difference: the largest difference of outputs from those of the folded form on random inputs, as a share of
            the largest output; None where they were not compared.
        why_not_compared: why not, then.
    """

    lost: tuple[Removed, ...]
    kept: tuple[KeptNodes, ...]
    parameters: tuple[int, int]
    difference: float | None
    why_not_compared: str


def compare_pruned(repaired: Repaired, original: Original, masks: MasksFile) -> PrunedSize:
    """Return what was taken out of a file.

    Raises:
        ModelError: without it the file computes something else.
    """
    folded = repair(original, masks, Form.FOLDED, repaired.record.onnxcausal)
    one, other = (with_weights(form.proto, original, form.data) for form in (folded, repaired))
    same = compare_outputs(one, other, original.model.name, np.random.default_rng(SEED))
    if same.difference is not None and not same.difference <= same.allowed:
        raise ModelError(
            "the pruned file would not compute what the folded one does",
            where=original.model.name,
            why=f"on random inputs its outputs differ by {same.difference:.2g} of the largest; rounding may make "
            f"{same.allowed:.2g} of it",
            remedy="use --form folded; please report the model, since this should not happen",
        )
    return PrunedSize(
        lost=repaired.removed,
        kept=tuple(KeptNodes(kept.layer, kept.nodes, kept.reason.told()) for kept in repaired.kept),
        parameters=(count_parameters(original.proto).number, count_parameters(repaired.proto).number),
        difference=same.difference,
        why_not_compared=same.why,
    )
