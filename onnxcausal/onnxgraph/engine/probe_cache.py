"""The probe graphs that are open: how large their runs are, and which are closed when memory is short."""

from collections import OrderedDict

from onnxcausal.analysis.result.settings import Precision
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.batching import shape_of_runs
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan
from onnxcausal.onnxgraph.engine.probe_session import Prober
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.memory import Memory, shown_size
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA, Provider

RUN_BYTES = 32 * 2**20
"""What the tensors of one run should take on a CPU: fewer cost calls, more leave its caches (five networks)."""
DEVICE_RUN_BYTES = 2**30
"""The same on a device, which wants much work at once."""
HEAVY = 2 * 10**8
"""Multiply-adds of a run from which on waiting threads may spin: faster for it, slower for other sessions."""
SESSION_COPIES = 3
"""How often a session holds its weights while it is made: as read, as kept, as laid out anew."""


class Probers:
    """Opens a layer's probe graph when it is needed and keeps it as long as memory allows.

    Attributes:
        fixed_shapes: whether every run is filled up to the same size.
    """

    def __init__(
        self,
        network: Network,
        wiring: Wiring,
        memory: Memory,
        provider: Provider | None,
        precision: Precision,
        *,
        fixed_shapes: bool | None,
    ) -> None:
        """Open none yet; the arguments are those of the engine."""
        self._network, self._wiring = network, wiring
        self._memory, self._precision = memory, precision
        self._provider = provider
        self._on_device = network.plain.providers[0] != CPU
        self.fixed_shapes = self._on_device if fixed_shapes is None else fixed_shapes
        self._rows: dict[str, int] = {}
        self._kept_to_batch: set[str] = set()
        self._open: OrderedDict[str, Prober] = OrderedDict()

    def of(self, route: ExecutionPlan, samples: int) -> Prober:
        """Return a layer's probe graph in a session.

        Args:
            route: how the layer is run.
            samples: how many samples are at hand.
        """
        name = route.layer.name
        if name not in self._open:
            self._open[name] = self._opened(route, samples, self._precision)
        self._open.move_to_end(name)
        while len(self._open) > 1 and sum(map(self._size, self._open.values())) > self._memory.sessions:
            self._open.popitem(last=False)
        return self._open[name]

    def exact(self, route: ExecutionPlan, samples: int) -> Prober:
        """Return the same in the model's own precision, for comparison; it is not kept."""
        return self._opened(route, samples, Precision.FP32)

    def swept(self, route: ExecutionPlan, samples: int, betas: int) -> Prober:
        """Return a layer's probe graph for several values of beta in one run; it is not kept."""
        return self._opened(route, samples, self._precision, betas=betas)

    def shrink(self, route: ExecutionPlan) -> None:
        """Halve the runs of a layer, memory having run out.

        Raises:
            ModelError: a run is on a single pair already.
        """
        rows = self.rows(route)
        if rows == 1 or self._batch(route):
            raise ModelError(
                "memory runs out on a single sample",
                where=f"layer {route.layer.name}",
                why=f"one sample takes about {shown_size(route.row_bytes)} from there on",
                remedy="use a machine or a device with more memory, or --provider cpu",
            )
        self._rows[route.layer.name] = rows // 2
        self._open.pop(route.layer.name, None)

    def fix_batch(self, route: ExecutionPlan) -> bool:
        """Keep to the batch that the model fixes from now on, for one layer; False where that is so already."""
        if self._batch(route) == self._network.plain.batch:
            return False
        self._kept_to_batch.add(route.layer.name)
        self._open.pop(route.layer.name, None)
        return True

    def _batch(self, route: ExecutionPlan) -> int | None:
        """Return how many pairs every run must have; None where that is open.

        Most suffixes of a model that fixes its batch to 1 take any: whether this one does shows when it is checked.
        """
        batch = self._network.plain.batch
        return None if batch == 1 and route.layer.name not in self._kept_to_batch else batch

    def rows(self, route: ExecutionPlan) -> int:
        """Return how many pairs of node and sample a run of a layer takes."""
        wanted = min(DEVICE_RUN_BYTES, self._memory.device) if self._memory.device else min(RUN_BYTES, self._memory.run)
        fitting = max(1, wanted // max(1, route.row_bytes))
        return self._batch(route) or self._rows.get(route.layer.name, fitting)

    def _opened(self, route: ExecutionPlan, samples: int, precision: Precision, betas: int = 0) -> Prober:
        nodes = len(self._wiring.flow.nodes[route.layer.name])
        shape = shape_of_runs(max(1, self.rows(route) // max(1, betas)), nodes, samples)
        fixed = self._batch(route) or (shape.width * shape.height if self.fixed_shapes else None)
        return Prober(
            self._network.proto,
            route,
            self._wiring.trace,
            shape,
            rows=fixed,
            provider=_with_precision(self._provider, precision, self._network.plain.providers[0]),
            precision=precision,
            swept=betas > 0,
            in_blocks=not self._on_device and precision is Precision.FP32,
            spins=shape.width * shape.height * route.work > HEAVY,
        )

    def _size(self, prober: Prober) -> int:
        """Return about how many bytes an open probe graph takes."""
        shape = prober.shape
        return SESSION_COPIES * prober.bytes + shape.width * shape.height * prober.route.row_bytes


def _with_precision(provider: Provider | None, precision: Precision, used: str) -> Provider | None:
    """Return the provider with the options that a precision needs."""
    if precision is not Precision.TF32:
        return provider
    options = {} if provider is None else dict(provider.options)
    return Provider(used, {**options, "use_tf32": "1"}) if used == CUDA else provider
