"""The result of an analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.decided import Decided
from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.graph import CausalGraph, Rejected

BEYOND_HALF = "values that float16 does not hold"
"""How a note begins on tensors of a half-precision model that leave the range of their type."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What an analysis records of a layer beside its effects."""

    name: str
    op_type: str
    weight: str
    parents: int
    children: int
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Skipped:
    """A class that could not be analysed, and why; on how many of the examined samples the model was right.

    Of classes decided by themselves also on how many samples that are not of the class.
    """

    target: int
    reason: str
    examined: int | None = None
    correct: int | None = None
    rejected: Rejected | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Causal graphs of some classes of one model, and all it takes to repeat them.

    Attributes:
        model_file: the model's file name.
        model_sha256: hash of the model.
        data_source: name of the data, without its folder.
        data_sha256: hash of the data.
        synthetic: whether the inputs were made up.
        preprocess: preprocessing that was set, by key.
        reading: how the model was read, where that was set, by key.
        reference: positions in the data of the reference samples (`replace = mean`); empty otherwise.
        settings: settings of the method.
        outcome_tensor: the tensor that holds the class scores.
        versions: version of each program that made the numbers.
        providers: execution providers of the session.
        layers: the model's layers by name, from input to outcome.
        class_count: number of classes that the model has.
        present: classes that the data has samples of.
        class_names: name of each class, if known.
        inputs: the inputs that the data gave side by side, in the order of its hash; none where it is of one.
        graphs: one per analysed class.
        skipped: classes that could not be analysed.
        notes: what a reader must know beside the numbers, one sentence each.
        decided: what the model decides about the samples tried of each class, where classes compete; not in files.
    """

    model_file: str
    model_sha256: str
    data_source: str
    data_sha256: str
    synthetic: bool
    preprocess: Mapping[str, object]
    reading: Mapping[str, object]
    reference: NDArray[np.int64]
    settings: Settings
    outcome_tensor: str
    versions: Mapping[str, str]
    providers: tuple[str, ...]
    layers: Mapping[str, LayerShape]
    class_count: int
    present: tuple[int, ...]
    class_names: tuple[str, ...] | None
    graphs: tuple[CausalGraph, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = field(default=())
    decided: tuple[Decided, ...] = ()
    inputs: tuple[str, ...] = ()

    def class_name(self, target: int) -> str | None:
        """Return the name of a class, None where it is not known."""
        return self.class_names[target] if self.class_names and target < len(self.class_names) else None

    def title(self, target: int) -> str:
        """Return how a class is shown to people: its index, and its name where known."""
        return title_of(target, self.class_names)

    def graph(self, target: int) -> CausalGraph:
        """Return the graph of a class.

        Raises:
            KeyError: the class was not analysed.
        """
        for graph in self.graphs:
            if graph.target == target:
                return graph
        raise KeyError(f"class {target} was not analysed; analysed are {', '.join(map(str, self.targets))}")

    @property
    def targets(self) -> tuple[int, ...]:
        """Indices of the analysed classes."""
        return tuple(graph.target for graph in self.graphs)


def title_of(target: int, class_names: Sequence[str] | None) -> str:
    """Return how a class is shown to people: its index, and its name where known.

    >>> title_of(1, ["cat", "dog"]), title_of(1, None)
    ('1 (dog)', '1')
    """
    return titled(target, class_names[target] if class_names and target < len(class_names) else None)


def titled(target: int, name: str | None) -> str:
    """Return how a class of a name is shown to people; None where it has none.

    >>> titled(1, "dog")
    '1 (dog)'
    """
    return str(target) if name is None else f"{target} ({name})"
