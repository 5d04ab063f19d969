"""How much masks change of a model: of the weights of each layer, and what they add to its output."""

from dataclasses import dataclass

import numpy as np

from onnxcausal.onnxgraph.file.model import damage_told
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.original.fused_layers import centred_weight
from onnxcausal.onnxgraph.original.original import Original


@dataclass(frozen=True, slots=True)
class ChangeSize:
    """How much is changed of a layer.

    Attributes:
        layer: its name.
        edges: how many of its edges have a factor below 1.
        of: how many it has.
        weight: the largest change of a weight; of a quantised layer, in its whole numbers.
        largest: its largest weight.
        added: the largest number that is added to what a child gets, in a tensor or in its bias.
    """

    layer: str
    edges: int
    of: int
    weight: float
    largest: float
    added: float


def sizes_of(original: Original, repaired: Repaired) -> tuple[ChangeSize, ...]:
    """Return how much a repaired file changes of each layer, in file order.

    Args:
        original: the model.
        repaired: its repaired file, as it was made here.
    """
    model = original.model
    found = []
    with damage_told(model.name):
        index = index_graph(model.proto, model.opset)
        for name, mask in repaired.masks.items():
            weight = np.abs(np.asarray(centred_weight(index, repaired.layers[name]), np.float64))
            found.append(
                ChangeSize(
                    layer=name,
                    edges=int((mask != 1).sum()),
                    of=mask.size,
                    weight=float((weight * (1 - mask)).max(initial=0.0)),
                    largest=float(weight.max(initial=0.0)),
                    added=float(np.abs(repaired.shifts[name]).max(initial=0.0)) if name in repaired.shifts else 0.0,
                )
            )
    return tuple(found)
