"""Which tensors of a float16 model leave the range of float16, which no run in float32 shows.

ONNX Runtime's CPU kernels compute most ops on float16 in float32, and the roundings between them fall away. Where a
device computes in float16, a value beyond its range becomes infinite.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxcausal.analysis.result.analysis import BEYOND_HALF
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Trace
from onnxcausal.onnxgraph.lowering.widen import widened
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.samples.source import Inputs

LARGEST = float(np.finfo(np.float16).max)
"""Largest number of the type, 65504."""
SHOWN = 5
"""Tensors that a note names."""
AVERAGING = frozenset(["ReduceMean", "GlobalAveragePool"])
"""Ops that divide a sum, which may leave the range where what they make does not."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """A tensor that leaves the range of its type.

    Attributes:
        op: the op that makes it; the tensor where that has no name.
        largest: its largest size on the samples.
        is_sum: it is the sum that an average is taken of.
    """

    op: str
    largest: float
    is_sum: bool = False

    def __str__(self) -> str:
        """Return the op and the size, for people."""
        return f"{self.op} ({'a sum of ' if self.is_sum else ''}{self.largest:.3g})"


class HalfRange:
    """Watches the float16 tensors of a model, computed in float32, on samples.

    Attributes:
        refused: why they cannot be watched; empty where they can, or there are none.
    """

    def __init__(self, network: Network, trace: Trace) -> None:
        """Look for such tensors; a session is opened where there are any.

        Args:
            network: the model.
            trace: shapes and types of its tensors.
        """
        self._index = index_graph(network.proto, network.model.opset)
        self._trace = trace
        made = [network.spec.name, *(name for op in self._index.ops for name in op.output if name)]
        leaves = self._index.leaves
        self._names = [name for name in made if trace.types.get(name) == np.float16 and name not in leaves]
        self._largest = np.zeros(len(self._names))
        self._batch, self.refused = network.batch, ""
        if self._names:
            wide, self._outputs = _measuring(network.proto, self._names)
            try:
                self._runner = network.runner(wide)
            except ModelError as error:
                self.refused, self._names = error.why, []

    def see(self, x: Inputs) -> None:
        """Run some samples, `[samples, ...]`.

        Raises:
            ModelError: the model fails while it runs.
        """
        if not self._names:
            return
        size = self._runner.batch or self._batch
        for start in range(0, len(x), size):
            sizes = self._runner.tensors(x[start : start + size], self._outputs)
            self._largest = np.fmax(self._largest, np.array([float(value) for value in sizes]))

    @property
    def found(self) -> tuple[Beyond, ...]:
        """Tensors that left the range of their type so far, in the order of the graph."""
        return tuple(
            beyond
            for name, largest in zip(self._names, self._largest.tolist(), strict=False)
            if (beyond := self._beyond(name, largest)) is not None
        )

    @property
    def note(self) -> str:
        """What a reader must know of them; empty where there is nothing."""
        if self.refused:
            return f"{BEYOND_HALF}: whether there are any could not be told ({self.refused})"
        if not (found := self.found):
            return ""
        named = ", ".join(map(str, found[:SHOWN])) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
        return (
            f"{BEYOND_HALF}, up to {LARGEST:.0f}: {named}; ONNX Runtime's CPU computes them in float32, but where they "
            "are computed in float16 they become infinite"
        )

    def _beyond(self, name: str, largest: float) -> Beyond | None:
        op = self._index.producing(name)
        shown = name if op is None else op.name or name
        if largest > LARGEST:
            return Beyond(shown, largest)
        if op is None or op.op_type not in AVERAGING or largest * _terms(self._trace, op) <= LARGEST:
            return None
        return Beyond(shown, largest * _terms(self._trace, op), is_sum=True)


def _measuring(proto: onnx.ModelProto, names: list[str]) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model in float32 with the largest size of each tensor as its outputs, and their names."""
    wide = onnx.ModelProto()
    wide.CopyFrom(widened(proto, TensorProto.FLOAT16))
    taken = names_in(wide.graph)
    outputs = []
    for name in names:
        size, most = fresh(f"{name}/size", taken), fresh(f"{name}/largest", taken)
        wide.graph.node.append(helper.make_node("Abs", [name], [size]))
        wide.graph.node.append(helper.make_node("ReduceMax", [size], [most], keepdims=0))
        outputs.append(most)
    del wide.graph.output[:]
    wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return wide, outputs


def _terms(trace: Trace, op: onnx.NodeProto) -> float:
    """Return how many numbers an average is taken of; 1 where that is not known."""
    before, after = trace.shapes.get(op.input[0]), trace.shapes.get(op.output[0])
    return float(np.prod(before) / np.prod(after)) if before and after and np.prod(after) else 1.0
