"""Explanations of inputs: which places the necessary nodes of a class respond to."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.route import Route
from onnxcausal.filesystem.archives import open_archive

ARCHIVE = "attributions.npz"
"""Name of the file of all attributions."""
UNKNOWN = -1
"""Stands for a class that is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMaps:
    """Attributions for one class.

    Attributes:
        route: the causal graph of the class.
        inputs: positions of the inputs that were explained, ascending.
        layers: layers that the maps are made of, from the input to the outcome.
        maps: one map per input, `[inputs, height, width]` or `[inputs, length]`; 0 to 1.
        node_layer: the layer whose nodes are shown on their own.
        nodes: its children, which become necessary nodes of layers below, those that respond most first.
        node_maps: signed response of each (eq. 3), `[inputs, nodes, ...]`, float32, on the layer's own places.
    """

    route: Route
    inputs: NDArray[np.int64]
    layers: tuple[str, ...]
    maps: Floats
    node_layer: str
    nodes: NDArray[np.int64]
    node_maps: NDArray[np.float32]

    def of(self, number: int) -> int | None:
        """Return where an input stands among those of this class; None where it is not there."""
        found = np.flatnonzero(self.inputs == number)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Attributions of some inputs.

    Attributes:
        model_file: the model's file name.
        model_sha256: hash of the model.
        names: name of each input.
        x: the inputs as the model takes them, `[inputs, ...]`.
        pictures: the inputs as people see them, `[inputs, height, width, 3]`; None where they are no images.
        targets: class that each input is explained for.
        predicted: class the model decides.
        labels: class of each, `UNKNOWN` where it is not known.
        class_names: name of each class, if known.
        classes: attributions by class; an input that is decided wrongly is in that of its own class too.
        shown: for each layer of the model its number of nodes, from the input to the outcome.
        notes: what a reader must know, one sentence each.
    """

    model_file: str
    model_sha256: str
    names: tuple[str, ...]
    x: NDArray[np.floating]
    pictures: NDArray[np.uint8] | None
    targets: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...] | None
    classes: tuple[ClassMaps, ...]
    shown: tuple[tuple[str, int], ...]
    notes: tuple[str, ...] = ()

    def of_class(self, target: int) -> ClassMaps | None:
        """Return the attributions for a class; None where there are none."""
        return next((held for held in self.classes if held.route.target == target), None)

    def map_of(self, number: int, target: int | None = None) -> Floats | None:
        """Return the map of an input for a class, by default that it is explained for; None where there is none."""
        held = self.of_class(int(self.targets[number]) if target is None else target)
        place = None if held is None else held.of(number)
        return None if held is None or place is None else held.maps[place]

    @property
    def wrong(self) -> NDArray[np.int64]:
        """Positions of the inputs whose decision is explained and known to be wrong."""
        decided = self.predicted == self.targets
        return np.flatnonzero((self.labels != UNKNOWN) & (self.labels != self.predicted) & decided)


def necessary_nodes(steps: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    """Return the necessary nodes of tested layers as `[nodes, 2]`: position of the layer, node, ascending."""
    found = [(position, int(node)) for position, nodes in enumerate(steps) for node in nodes]
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def attributions_archive(explanation: Explanation) -> bytes:
    """Return `attributions.npz`.

    `map [inputs, ...]`, `names`, `targets`, `predicted` and `labels` of all inputs, and of images `pictures [inputs,
    height, width, 3]`; for each class `CLASS`:
    `inputs/CLASS`, `node_maps/CLASS [inputs, nodes, ...]`, `nodes/CLASS`, `node_layer/CLASS`, `layers/CLASS`,
    `necessary/CLASS [nodes, 2]` (the graph's necessary nodes: position of the tested layer, node), and
    `map/CLASS`, which holds those explained for another class too. An input without a map for its class has NaN.
    """
    space = explanation.classes[0].maps.shape[1:]
    whole = np.full((len(explanation.names), *space), np.nan, np.float32)
    for number in range(len(explanation.names)):
        found = explanation.map_of(number)
        if found is not None:
            whole[number] = found
    arrays = {
        "map": whole,
        "names": np.array(explanation.names),
        "targets": explanation.targets,
        "predicted": explanation.predicted,
        "labels": explanation.labels,
        "model_sha256": np.array(explanation.model_sha256),
    }
    if explanation.pictures is not None:
        arrays["pictures"] = explanation.pictures
    for held in explanation.classes:
        target = held.route.target
        arrays |= {
            f"inputs/{target}": held.inputs,
            f"map/{target}": held.maps.astype(np.float32),
            f"node_maps/{target}": held.node_maps,
            f"nodes/{target}": held.nodes,
            f"node_layer/{target}": np.array(held.node_layer),
            f"layers/{target}": np.array(held.layers),
            f"necessary/{target}": necessary_nodes(step.necessary for step in held.route.steps),
        }
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def read_archive(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the hash of the model that an `attributions.npz` belongs to, and its inputs' names; empty for none."""
    try:
        with open_archive(path) as held:
            return str(held.read("model_sha256")), tuple(map(str, held.read("names")))
    except (OSError, ValueError, TypeError):
        return "", ()
