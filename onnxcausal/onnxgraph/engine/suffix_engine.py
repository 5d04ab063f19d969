"""The suffix engine: the prefix once, then many interventions in one run of the suffix."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import EngineKind, Precision
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.engine.activations import Activations, Block
from onnxcausal.onnxgraph.engine.block_run import BlockRequest, UnfaithfulError
from onnxcausal.onnxgraph.engine.bounds import contribution_bounds
from onnxcausal.onnxgraph.engine.closed_form import closed_form
from onnxcausal.onnxgraph.engine.contribution import of_nodes
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan, find_route
from onnxcausal.onnxgraph.engine.float_noise import coarsest, observe
from onnxcausal.onnxgraph.engine.interface import EVERY, Cost, Findings, Observation, Probe, ScoresToOutcome
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.probe_cache import Probers
from onnxcausal.onnxgraph.engine.probe_session import Prober
from onnxcausal.onnxgraph.engine.reference import ReferenceEngine
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.onnxgraph.runner.memory import Memory
from onnxcausal.onnxgraph.runner.provider import CUDA, DeviceMemoryError, Provider
from onnxcausal.samples.source import Inputs

CHECKED = 50.0
"""A probe graph must give the unmodified scores within this, in units of the float type's epsilon times the largest
score: far above rounding (3.4), far below what a wrong graph gives."""
ROUNDING = {Precision.FP32: 0.0, Precision.TF32: 2.0**-10, Precision.FP16: 2.0**-10}
"""Epsilon of a precision, where it is coarser than the model's own types."""


class SuffixEngine:
    """Runs the suffix of a layer on changed outputs of the layer, for many nodes and samples at once.

    The layer's data, its output and every tensor that crosses into the suffix are computed once. An intervention takes
    the path's contribution from the output, `z - (1 - beta) op(a_j; W[T, j])` (docs/method.md, "The exact fast form");
    pairs of node and sample whose contribution is 0 have no effect and are not run. The baseline is the null
    intervention in the same session. The last layer has a closed form.

    Each probe graph is held to the unmodified scores before its numbers are used. A layer that has no such form, or
    fails that test, is run by the reference engine instead, and `notes` says so.
    """

    name = EngineKind.SUFFIX

    def __init__(
        self,
        network: Network,
        wiring: Wiring,
        *,
        reference: Inputs | None = None,
        provider: Provider | None = None,
        memory: Memory | None = None,
        precision: Precision = Precision.FP32,
        fixed_shapes: bool | None = None,
    ) -> None:
        """Find how each layer is run; sessions are opened when they are needed.

        Args:
            network: the model, cut at its class scores.
            wiring: its layers, and the shapes of one run.
            reference: reference samples, `[samples, ...]`, whose mean contribution stands in for what is taken away;
                None replaces it by nothing.
            provider: execution provider; default as for `Runner`.
            memory: how much may be taken; default: a share of what is free.
            precision: of the suffixes' arithmetic; the unmodified model keeps its own.
            fixed_shapes: fill every run up to the same size; default: on devices, which prepare for each size anew.

        Raises:
            ConfigError: one sample does not fit into the memory, or the precision is not to be had.
        """
        self.providers: tuple[str, ...] = network.plain.providers
        if precision is Precision.TF32 and CUDA not in self.providers:
            raise _no_tf32(self.providers)
        self._network, self._wiring = network, wiring
        self.replace = Replace.ZERO if reference is None else Replace.MEAN
        self._reference, self._provider, self._precision = reference, provider, precision
        index = index_graph(network.proto, network.model.opset)
        found = {
            layer.name: find_route(index, layer, network.outcome.tensor, wiring.trace) for layer in wiring.flow.layers
        }
        self._routes = {name: route for name, route in found.items() if isinstance(route, ExecutionPlan)}
        self._whole_form = {name: why for name, why in found.items() if isinstance(why, str)}
        memory = memory or Memory.of()
        for route in self._routes.values():
            kept = sum(map(wiring.trace.of_sample, route.tensors))
            memory.check(kept, route.row_bytes, f"layer {route.layer.name}")
        needed = {name: route.tensors for name, route in self._routes.items()}
        self._activations = Activations(network, wiring.trace, needed, memory=memory, provider=provider)
        if reference is not None:
            self._activations.count_twice({name: route.layer.data for name, route in self._routes.items()})
        self._probers = Probers(network, wiring, memory, provider, precision, fixed_shapes=fixed_shapes)
        self._means: dict[str, NDArray[np.float64]] = {}
        self._samples: Inputs | None = None
        self._plain: NDArray[np.floating] = np.empty((0, 0))
        self._null: dict[tuple[str, int], NDArray[np.floating]] = {}
        self._deviation: dict[str, float] = {}
        self._whole: dict[tuple[str, ...], ReferenceEngine] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Which layers were run by the reference engine, and why; how far a coarse precision deviates."""
        whole = [f"layer {name} was run in whole-model form: {why}" for name, why in sorted(self._whole_form.items())]
        if self._deviation:
            layer, largest = max(sorted(self._deviation.items()), key=lambda entry: entry[1])
            whole.append(
                f"precision {self._precision}: effects deviate from fp32 by up to {largest:.3g} "
                f"(layer {layer}; one node of each layer compared)"
            )
        return tuple(whole)

    @property
    def findings(self) -> Findings:
        """What the runs so far showed and later ones must know, to be recalled by a run that goes on."""
        return {"whole form": dict(self._whole_form), "deviation": dict(self._deviation)}

    def recall(self, findings: Findings) -> None:
        """Take over what an interrupted run found."""
        self._whole_form.update({name: str(why) for name, why in findings.get("whole form", {}).items()})
        self._deviation.update({name: float(size) for name, size in findings.get("deviation", {}).items()})

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        return self._network.scores(x)

    def cost(self, probe: Probe) -> Cost:
        """Return what one intervention of a kind on one sample takes."""
        found = self._find_route(probe)
        if isinstance(found, str):
            return Cost(self._wiring.work, self._wiring.row_bytes, f"whole model: {found}")
        route, _ = found
        return Cost(route.work, route.row_bytes, "closed form" if route.closed else "suffix")

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise (`noise.observe`)."""

        def scores_of(some: Inputs, batch: int) -> NDArray[np.floating]:
            return self._plain_scores(x) if some is x else self._network.scores(some, batch)

        layers = self._wiring.flow.layers
        rounding = max(ROUNDING[self._precision], coarsest(layers))
        return observe(scores_of, x, self._network, outcome, rounding)

    def effects(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, *, columns: slice = EVERY) -> Floats:
        """Return the effect of the intervention on each unit, `[units, samples]`, in the outcome's unit.

        Raises:
            ModelError: the model fails while it runs, or one sample does not fit into memory.
        """
        found = self._find_route(probe)
        if not isinstance(found, str):
            route, paths = found
            if not self._is_joint(paths) and paths.layer.name not in self._whole_form:
                try:
                    return self._by_suffix(route, paths, x, outcome, columns)
                except UnfaithfulError as error:
                    self._whole_form[paths.layer.name] = str(error)
        return self._in_whole_form(probe, x, outcome, columns)

    def _find_route(self, probe: Probe) -> tuple[ExecutionPlan, PathProbe] | str:
        """Return how a suffix runs a probe, which is then one of paths; or why the whole model does."""
        match probe:
            case PathProbe():
                route = self._routes.get(probe.layer.name)
                return self._whole_form[probe.layer.name] if route is None else (route, probe)
            case _:
                assert_never(probe)

    def _is_joint(self, probe: PathProbe) -> bool:
        """Whether a node is made of more features than the layer's own are: too rare to be worth a graph of its own."""
        largest = max(map(len, self._wiring.flow.nodes[probe.layer.name]))
        return any(len(node) > largest for node in probe.nodes)

    def _in_whole_form(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, columns: slice) -> Floats:
        names = tuple(layer.name for layer in probe.layers)
        if names not in self._whole:
            self._whole.clear()
            self._whole[names] = ReferenceEngine(
                self._network,
                self._wiring,
                layers=probe.layers,
                reference=self._reference,
                provider=self._provider,
            )
        return self._whole[names].effects(probe, x, outcome, columns=columns)

    def sweep(self, probe: PathProbe, betas: Sequence[float], x: Inputs, outcome: ScoresToOutcome) -> Floats:
        """Return the effect on each node for several factors on its paths, `[betas, nodes, samples]`.

        What a path contributes is computed once for all of them: `z - (1 - beta) c`. Models that fix their batch, and
        layers without such a form, go through the factors one by one.
        """
        route = self._routes.get(probe.layer.name)
        fixed = self._network.plain.batch or self._probers.fixed_shapes
        if route is not None and not (route.closed or fixed or self._is_joint(probe)):
            try:
                return self._swept(route, probe.at(0.0), betas, x, outcome)
            except (UnfaithfulError, DeviceMemoryError):
                pass  # what went wrong is found again, and dealt with, for each of them
        return np.stack([self.effects(probe.at(beta), x, outcome) for beta in betas])

    def _swept(
        self, route: ExecutionPlan, probe: PathProbe, betas: Sequence[float], x: Inputs, outcome: ScoresToOutcome
    ) -> Floats:
        acting = route.form.acting(probe)
        effects = np.zeros((len(betas), len(probe.nodes), len(x)))
        for block in self._activations.blocks(route.layer.name, x) if acting.any() else ():
            data = self._data(route, block)
            part = BlockRequest(route, probe, block, data, acting[:, None] & self._live(route, block, probe), outcome)
            prober = self._probers.of(route, part.asked)
            null = outcome(self._null_scores(prober, part, x))
            prober.release()
            swept = self._probers.swept(route, part.asked, len(betas))
            effects[:, :, block.start : block.stop] = part.sweep(swept, null, betas, prober.noise or 0.0)
        return effects

    def bounds(self, probe: Probe, x: Inputs) -> Floats | None:
        """Return an upper bound on what each path contributes to the layer's output, `[nodes]`, if it is known."""
        found = self._find_route(probe)
        if isinstance(found, str):
            return None
        route, paths = found
        blocks = self._activations.blocks(route.layer.name, x)
        parts = [contribution_bounds(route.form, self._data(route, block), paths) for block in blocks]
        return np.asarray(np.concatenate(parts, axis=1).mean(axis=1) * route.form.acting(paths))

    def _by_suffix(
        self, route: ExecutionPlan, probe: PathProbe, x: Inputs, outcome: ScoresToOutcome, columns: slice
    ) -> Floats:
        start, stop, _ = columns.indices(len(x))
        effects = np.zeros((len(probe.nodes), len(x)))
        acting = route.form.acting(probe)
        for block in self._activations.blocks(route.layer.name, x) if acting.any() else ():
            data = self._data(route, block)
            places = np.arange(block.start, block.stop)
            active = acting[:, None] & self._live(route, block, probe) & (places >= start) & (places < stop)
            part = BlockRequest(route, probe, block, data, active, outcome)
            if route.closed:
                plain = self._plain_scores(x)[block.start : block.stop]
                found = np.where(active, closed_form(route.form, probe, data, plain, outcome), 0.0)
            else:
                found = self._on_part(part, x)
            effects[:, block.start : block.stop] = found
        return effects[:, start:stop]

    def _on_part(self, part: BlockRequest, x: Inputs) -> Floats:
        """Return the effects of the active pairs, 0 for the others, in runs that fit into memory."""
        name = part.route.layer.name
        if not part.active.any():
            return np.zeros(part.active.shape)
        while True:
            try:
                prober = self._probers.of(part.route, part.asked)
                effects = part.run(prober, part.outcome(self._null_scores(prober, part, x)))
                if self._precision is not Precision.FP32 and name not in self._deviation:
                    exact = self._probers.exact(part.route, part.asked)
                    self._deviation[name] = part.first_node().deviation(exact, effects)
                prober.release()
            except DeviceMemoryError:
                self._probers.shrink(part.route)
            except StoppedError:
                raise
            except (ModelError, UnfaithfulError):
                # A model that fixes its batch may have a suffix that does not: it is tried before it is kept to.
                if not self._probers.fix_batch(part.route):
                    raise
            else:
                return effects

    def _null_scores(self, prober: Prober, part: BlockRequest, x: Inputs) -> NDArray[np.floating]:
        """Return the scores of the null intervention on a block, which must be those of the unmodified model."""
        key = part.route.layer.name, part.block.start
        scores = self._plain_scores(x)  # of other samples than before, it forgets what was kept for those
        if key not in self._null:
            plain = scores[part.block.start : part.block.stop]
            rounding = max(coarsest([part.route.layer], plain.dtype), ROUNDING[self._precision])
            self._null[key] = part.null(prober, plain, CHECKED * rounding * float(np.abs(plain).max()))
        return self._null[key]

    def _plain_scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, kept for the next call with the same samples."""
        if self._samples is not x:
            self._samples, self._plain = x, self._network.scores(x)
            self._null.clear()
        return self._plain

    def _live(self, route: ExecutionPlan, block: Block, probe: PathProbe) -> NDArray[np.bool_]:
        """Return on which samples of a block a node is not 0 all over, `[nodes, samples]`."""
        name = route.layer.name
        if name not in block.alive:
            block.alive[name] = route.form.alive(self._data(route, block))
        return of_nodes(block.alive[name], probe.nodes)

    def _data(self, route: ExecutionPlan, block: Block) -> NDArray[np.generic]:
        """Return the layer's data on a block, less its mean over the reference samples where there are any."""
        name, tensor = route.layer.name, route.layer.data
        if self._reference is None:
            return block.tensors[tensor]
        if name not in self._means:
            self._means[name] = self._activations.mean(name, tensor, self._reference)
        if name not in block.centred:
            block.centred[name] = self._activations.centred(tensor, block.tensors[tensor], self._means[name])
        return block.centred[name]


def _no_tf32(providers: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        "tf32 is not to be had",
        where="--precision tf32",
        why=f"it is a mode of NVIDIA devices; the providers here are {', '.join(providers)}",
        remedy="use --precision fp32",
    )
