"""A layer's probe graph in a session."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import Precision
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.batching import RunShape
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.probe_graph import build_probe_graph
from onnxcausal.onnxgraph.graph.trace import Trace
from onnxcausal.onnxgraph.runner import BoundSession, half_precision
from onnxcausal.onnxgraph.runner.provider import Provider


class Prober:
    """Runs interventions on one layer.

    Attributes:
        shape: size of its runs.
        route: how the layer is run.
        bytes: what its weights take.
        classes: number of class scores.
        fixed: whether every run is filled up to the same size.
        noise: largest difference of a score between two places of its sample in a run; None until it is known.
    """

    def __init__(
        self,
        part: onnx.ModelProto,
        route: ExecutionPlan,
        trace: Trace,
        shape: RunShape,
        *,
        rows: int | None = None,
        provider: Provider | None = None,
        precision: Precision = Precision.FP32,
        swept: bool = False,
        in_blocks: bool = False,
        spins: bool = False,
    ) -> None:
        """Build the graph and open the session.

        Args:
            part: the model, cut at its class scores.
            route: how the layer is run.
            trace: shapes and types of one run.
            shape: size of the runs.
            rows: fill every run up to this many pairs; default: as many as there are.
            provider: execution provider.
            precision: half precision converts the graph.
            swept: take several values of beta in one run.
            in_blocks: keep maps in the layout that convolutions on CPUs like.
            spins: let threads that wait for work spin.

        Raises:
            ModelError: ONNX Runtime refuses the graph.
        """
        self.shape, self.route, self.fixed = shape, route, rows is not None
        outcome = part.graph.output[0].name
        self.classes = int(np.prod(trace.shapes[outcome])) // trace.batch
        self.noise: float | None = None
        self._height = 0
        self._trace, self._rows = trace, rows
        self._graph = build_probe_graph(
            part, route.form, route.suffix, trace, shape.width, swept=swept, in_blocks=in_blocks
        )
        proto = half_precision(self._graph.proto) if precision is Precision.FP16 else self._graph.proto
        self.bytes = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
        name = f"probe graph of {route.layer.name}"
        self._session = BoundSession(proto, name, provider, spins=spins)

    def bind(self, tensors: Mapping[str, NDArray[np.generic]], data: NDArray[np.generic], window: slice) -> None:
        """Make the tensors of some samples available to the runs that follow.

        Args:
            tensors: tensors of all samples, by name.
            data: the layer's data, which may be centred.
            window: the samples.
        """
        layer = self.route.layer
        self._height = window.stop - window.start
        self._session.put(self._graph.data, self._part(data, layer.data, window))
        self._session.put(self._graph.output, self._part(tensors[layer.output], layer.output, window))
        for name, wanted in self._graph.crossing.items():
            self._session.put(wanted, self._part(tensors[name], name, window))

    def run(
        self, probe: PathProbe, slots: NDArray[np.int64], samples: NDArray[np.int64], betas: Sequence[float] = ()
    ) -> NDArray[np.floating]:
        """Return the class scores of pairs of node and sample, `[pairs, classes]`, for each beta after the other.

        Args:
            probe: at most as many nodes as the shape's width.
            slots: each pair's node, `[pairs]`.
            samples: each pair's sample in the window that is bound, `[pairs]`.
            betas: factors on the paths, for a graph that is swept; the probe's own must be 0.

        Raises:
            DeviceMemoryError: memory ran out.
            ModelError: the graph fails while it runs.
        """
        form, count = self.route.form, len(slots)
        if self._rows:
            slots, samples = (np.resize(places, self._rows) for places in (slots, samples))
        width = self.shape.width if form.convolves or self._rows else len(probe.nodes)
        features, mask = form.feeds(probe, width)
        self._session.put(self._graph.features, features)
        self._session.put(self._graph.mask, mask)
        positions = form.positions(slots, samples, width, self._height)
        if self._graph.factors:
            assert probe.beta == 0
            assert not self._rows
            factors = 1 - np.array(betas, mask.dtype).reshape(-1, 1, 1, 1)
            self._session.put(self._graph.factors, factors)
            size = width * self._height * (form.multiple if form.convolves else 1)
            positions = (np.arange(len(betas))[:, None] * size + positions).reshape(-1)
            samples, count = np.tile(samples, len(betas)), count * len(betas)
        self._session.put(self._graph.positions, positions)
        if self._graph.samples:
            self._session.put(self._graph.samples, samples)
        scores = self._session.run()[0]
        if scores.size != len(samples) * self.classes:
            raise ModelError(
                "the part of the model after a layer does not give one row of scores per sample",
                where=f"layer {self.route.layer.name}",
                why=f"{len(samples)} rows gave {list(scores.shape)}",
                remedy="export the model so that the first axis of its tensors is the batch",
            )
        return scores.reshape(len(samples), -1)[:count]

    def release(self) -> None:
        """Let go of the tensors that are bound."""
        self._session.release()

    def _part(self, value: NDArray[np.generic], name: str, window: slice) -> NDArray[np.generic]:
        """Return the rows of some samples."""
        rows = self._trace.rows[name]
        places = slice(window.start * rows.multiple, window.stop * rows.multiple)
        return value[(slice(None),) * rows.axis + (places,)]
