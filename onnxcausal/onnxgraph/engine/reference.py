"""The reference engine: masks fed as inputs, whole model, one session."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.analysis.result.settings import EngineKind
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine.float_noise import coarsest, observe
from onnxcausal.onnxgraph.engine.interface import EVERY, Cost, Findings, Observation, Probe, ScoresToOutcome
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.masking.masks import insert_masks, path_mask
from onnxcausal.onnxgraph.masking.output_shifts import Shift, insert_shifts, without_mean
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import Inputs


class ReferenceEngine:
    """Runs the whole model once per intervention and batch.

    The slow form that every other engine is held to. Masks are overridable initializers, so one session serves every
    layer, node, target set and beta; the baseline is the null intervention (all masks 1) in the same session and the
    same batches, so that an intervention without effect gives exactly 0.
    """

    name = EngineKind.REFERENCE
    notes: tuple[str, ...] = ()
    findings: Findings = MappingProxyType({})

    def __init__(
        self,
        network: Network,
        wiring: Wiring,
        *,
        layers: Sequence[Layer] | None = None,
        reference: Inputs | None = None,
        provider: Provider | None = None,
    ) -> None:
        """Open the session.

        Args:
            network: the model, cut at its class scores.
            wiring: its layers, and the shapes of one run.
            layers: those that are intervened on; default: all.
            reference: reference samples, `[samples, ...]`, whose mean contribution stands in for what is taken away;
                None replaces it by nothing.
            provider: execution provider; default as for `Runner`.

        Raises:
            ModelError: ONNX Runtime refuses the masked model.
        """
        self._trace = wiring.trace
        self._network = network
        self._cost = Cost(wiring.work, wiring.row_bytes, "whole model")
        self._reference = reference
        self.replace = Replace.ZERO if reference is None else Replace.MEAN
        self._layers = wiring.flow.layers if layers is None else layers
        masked = insert_masks(network.proto, self._layers, overridable=True)
        self._masks = masked.names
        self._shifts: dict[str, Shift] = {}
        proto = masked.proto
        if reference is not None:
            proto, self._shifts = insert_shifts(proto, self._layers, wiring.trace)
        # The outputs that are averaged stay in memory until a run ends, beside what lives in it anyway.
        averaged = sum(wiring.trace.of_sample(layer.output) for layer in self._layers if layer.name in self._shifts)
        self._batch = max(1, network.batch * wiring.row_bytes // max(1, wiring.row_bytes + averaged))
        self._runner = network.runner(proto, provider)
        self.providers: tuple[str, ...] = self._runner.providers

    def sweep(self, probe: PathProbe, betas: Sequence[float], x: Inputs, outcome: ScoresToOutcome) -> Floats:
        """Return the effect on each node for several factors on its paths, `[betas, nodes, samples]`."""
        return np.stack([self.effects(probe.at(beta), x, outcome) for beta in betas])

    def cost(self, probe: Probe) -> Cost:
        """Return what one intervention on one sample takes: a pass of the whole model, whatever it is."""
        del probe
        return self._cost

    def bounds(self, probe: Probe, x: Inputs) -> None:
        """Return None: what the units can do is not looked at here."""

    def recall(self, findings: Findings) -> None:
        """Take over nothing: nothing is found while running."""

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        return self._network.scores(x)

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise (`noise.observe`)."""
        return observe(
            lambda some, batch: self._scores(some, {}, batch), x, self._network, outcome, coarsest(self._layers)
        )

    def effects(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, *, columns: slice = EVERY) -> Floats:
        """Return the effect of the intervention on each unit, `[units, samples]`, in the outcome's unit.

        Raises:
            ModelError: the model fails while it runs, or the layer has no mean over reference samples.
        """
        x = x[columns]
        observed = outcome(self._scores(x, {}))  # in the same batches as below
        effects = np.zeros((len(probe), len(observed)))
        for unit, scores in self._under(probe, x):
            effects[unit] = outcome(scores) - observed
        return effects

    def _under(self, probe: Probe, x: Inputs) -> Iterator[tuple[int, NDArray[np.floating]]]:
        """Return the class scores under the intervention on each unit that it may change anything for, one by one."""
        match probe:
            case PathProbe():
                return self._under_paths(probe, x)
            case _:
                assert_never(probe)

    def _under_paths(self, probe: PathProbe, x: Inputs) -> Iterator[tuple[int, NDArray[np.floating]]]:
        mean = self._mean_output(probe.layer, {}) if self._reference is not None else None
        # A node of a group without targets has no path to change.
        for node in np.flatnonzero(probe.connected().any(axis=1)).tolist():
            yield node, self._scores(x, self._feeds(probe, probe.nodes[node], mean))

    def _feeds(
        self, probe: PathProbe, features: NDArray[np.int64], mean: NDArray[np.float64] | None
    ) -> dict[str, NDArray[np.floating]]:
        """Return the inputs that carry out one intervention, given the layer's mean output before it."""
        layer = probe.layer
        dtype = helper.tensor_dtype_to_np_dtype(layer.weight_type)
        mask = path_mask(layer, features, probe.targets, probe.beta).astype(dtype)
        feeds: dict[str, NDArray[np.floating]] = {self._masks[layer.name]: mask}
        if mean is not None:
            # What the mask takes from the layer's output on average is put back.
            feeds[self._shifts[layer.name].name] = (mean - self._mean_output(layer, feeds)).astype(dtype)
        return feeds

    def _mean_output(self, layer: Layer, feeds: dict[str, NDArray[np.floating]]) -> NDArray[np.float64]:
        """Return the layer's output, before any shift, averaged over the reference samples, `[1, ...]`."""
        assert self._reference is not None
        if layer.name not in self._shifts:
            raise without_mean(layer, self._trace)
        before, size, total = self._shifts[layer.name].before, self._batch, 0.0
        for start in range(0, len(self._reference), size):
            output = self._runner.run(self._reference[start : start + size], [before], feeds, size)[0]
            total = total + output.sum(axis=0, dtype=np.float64, keepdims=True)
        return np.asarray(total / len(self._reference))

    def _scores(
        self, x: Inputs, feeds: dict[str, NDArray[np.floating]], batch: int | None = None
    ) -> NDArray[np.floating]:
        scores = self._runner.run(x, [self._network.outcome.tensor], feeds, min(batch or self._batch, self._batch))[0]
        return scores.reshape(len(scores), -1)
