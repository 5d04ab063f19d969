"""From an output back to the scores it was made of, and the ops in between that only move values."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.shape_inference import Known, known_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.squashing import TRANSPARENT, Squash, behind, squash_of
from onnxcausal.onnxgraph.runner import run_op

QUANTISING = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Ops that a probability may pass."""
BOUNDING = frozenset({"Clip"})
"""Ops that keep a probability off 0 and 1."""
RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Ops that keep the order of values: a score per class stays that class's."""
SELECTING = frozenset({"Slice", "Gather"})
"""Ops that may leave some of the values out."""
MOVING = RESHAPING | SELECTING | {"Transpose"}
"""Ops that a probability may pass, which then move the scores too."""
DECIDING = frozenset({"ArgMax", "ArrayFeatureExtractor", "TopK"})
"""Ops that leave only the label."""
FEWEST_CLASSES = 2
"""Scores that are left of those that compete, where they still tell the one from the other."""
MOST_VALUES = 2**20
"""Values of a tensor in which it is followed which ones are left."""


@dataclass(frozen=True, slots=True)
class OutcomeTensor:
    """The tensor that holds the class scores.

    Attributes:
        tensor: its name.
        squashed_by: the op that turns the scores into probabilities and was cut off; empty where there is none.
        moves: ops behind that one that move values, and so the axes, the first one first; scores go through them too.
        class_axis: the axis, after the moves, along which scores compete, from the last one where negative; None where
            they do not, or it is not known.
        is_single: whether the output that it was found from says that it has one value for each sample.
    """

    tensor: str
    squashed_by: str = ""
    moves: tuple[str, ...] = ()
    class_axis: int | None = None
    is_single: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where scores that compete stand in a tensor.

    Attributes:
        place: of each value, its place among those it competes with.
        group: of each value, the number of its group of competitors.
    """

    place: NDArray[np.int64]
    group: NDArray[np.int64]

    @property
    def axis(self) -> int | None:
        """The one axis along which places differ; None where there are several."""
        differing = [axis for axis in range(self.place.ndim) if np.diff(self.place, axis=axis).any()]
        return differing[0] if len(differing) == 1 else None

    @property
    def is_mixed(self) -> bool:
        """Whether one axis runs over several groups as well as over the competitors of each."""
        along = [axis for axis in range(self.place.ndim) if np.diff(self.place, axis=axis).any()]
        return any(np.diff(self.group, axis=axis).any() for axis in along)


class Walk:
    """A graph in which one goes back from outputs."""

    def __init__(self, model: Model) -> None:
        """Take a model without local functions."""
        self._proto = model.proto
        self.index = index_graph(model.proto, model.opset)

    @cached_property
    def _known(self) -> Known:
        return known_of(self._proto)

    def back(self, output: str) -> OutcomeTensor | None:
        """Return the scores behind an output of the graph, None where it is a label."""
        index = self.index
        op = index.producing(behind(index, output, TRANSPARENT | RESHAPING | QUANTISING | BOUNDING))
        if op is not None and op.op_type in DECIDING:
            return None
        found = self._squashed(output)
        # What is cast may be whole numbers, on which no small effect shows.
        return found or OutcomeTensor(behind(index, output, TRANSPARENT - {"Cast"}))

    def _squashed(self, output: str) -> OutcomeTensor | None:
        """Return the scores of which an output holds probabilities; None where it holds none."""
        tensor, moves, seen = output, list[onnx.NodeProto](), set[str]()
        while tensor not in seen:
            seen.add(tensor)
            squash = squash_of(self.index, tensor)
            if squash is not None:
                return self._outcome(squash, moves[::-1])
            op = self.index.producing(tensor)
            if op is None or op.op_type not in TRANSPARENT | QUANTISING | BOUNDING | MOVING:
                return None
            if op.op_type in MOVING:
                moves.append(op)
            tensor = op.input[0]
        return None

    def _outcome(self, squash: Squash, moves: list[onnx.NodeProto]) -> OutcomeTensor | None:
        """Return scores with the ops that matter to what they are of."""
        if not moves:
            return OutcomeTensor(squash.scores, squash.by, class_axis=None if squash.through_last else squash.first)
        apart, moved = self._places(squash, []), self._places(squash, moves)
        selects = squash.first is not None and any(op.op_type in SELECTING for op in moves)
        if selects and (moved is None or len(np.unique(moved.place)) < FEWEST_CLASSES):
            return None
        if all(op.op_type in RESHAPING for op in moves) and self._is_one_row(squash.scores):
            moves, moved = [], apart  # whatever the shape, the order stays
        elif moved is not None and moved.is_mixed:
            moves, moved = [], apart  # several decisions in one row: they stay apart
        named = tuple(str(op.output[0]) for op in moves)
        return OutcomeTensor(squash.scores, squash.by, named, None if moved is None else moved.axis)

    def _is_one_row(self, tensor: str) -> bool:
        """Whether a tensor has one value for each class and sample, so far as its shape is known."""
        shape = self._known.shapes.get(tensor)
        return shape is not None and sum(size != 1 for size in shape[1:]) <= 1

    def _places(self, squash: Squash, moves: list[onnx.NodeProto]) -> "Places | None":
        """Return where competing scores are after some moves; None where that is not known, or none compete."""
        shape = self._known.shapes.get(squash.scores) if squash.first is not None else None
        if shape is None or squash.first is None or prod(shape) > MOST_VALUES:
            return None
        if not -len(shape) <= squash.first < len(shape) or not prod(shape):
            return None
        found = []
        for numbers in _numbered(shape, squash):
            held: NDArray[np.generic] = numbers
            for op in moves:
                if prod(self._known.shapes.get(op.output[0], (MOST_VALUES + 1,))) > MOST_VALUES:
                    return None
                given = [self._value(name) for name in op.input[1:]]
                if any(value is None and name for value, name in zip(given, op.input[1:], strict=True)):
                    return None
                try:
                    (held,) = run_op(op, [held, *given], self.index.opset)
                except ModelError:
                    return None
            found.append(np.asarray(held, np.int64))
        return Places(*found)

    def _value(self, name: str) -> NDArray[np.generic] | None:
        """Return what an operand holds that is stored or follows from shapes."""
        if not name:
            return None
        held = value_of(self.index, name)
        return self._known.value(self.index, name) if held is None else held


def with_moves(proto: onnx.ModelProto, outcome: OutcomeTensor) -> tuple[onnx.ModelProto, str]:
    """Return a model in which scores go through the ops that probabilities go through, and their tensor.

    Args:
        proto: the whole model.
        outcome: its scores.
    """
    if not outcome.moves:
        return proto, outcome.tensor
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    made = {str(op.output[0]): op for op in proto.graph.node if op.output}
    taken, tensor = names_in(proto.graph), outcome.tensor
    for name in outcome.moves:
        op = onnx.NodeProto()
        op.CopyFrom(made[name])
        op.input[0] = tensor
        op.name = tensor = fresh(f"onnxcausal/{op.op_type.lower()}", taken)
        op.output[:] = [tensor]
        changed.graph.node.append(op)
    return changed, tensor


def _numbered(shape: tuple[int, ...], squash: Squash) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each value among those it competes with, and the number of its group of competitors."""
    assert squash.first is not None
    first = squash.first % len(shape)
    last = len(shape) if squash.through_last else first + 1
    inside = [1] * first + list(shape[first:last]) + [1] * (len(shape) - last)
    outside = [*shape[:first], *[1] * (last - first), *shape[last:]]
    return tuple(  # type: ignore[return-value]  # two of them
        np.broadcast_to(np.arange(prod(sizes)).reshape(sizes), shape).copy() for sizes in (inside, outside)
    )
