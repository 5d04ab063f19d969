"""The reference engine: masks fed as inputs, whole model, one session."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine import Observation, Probe, ScoresToOutcome
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.masks import insert_masks, path_mask
from onnxcausal.onnxgraph.network import Network, Wiring
from onnxcausal.onnxgraph.runner import LARGEST_BATCH, Provider, Runner
from onnxcausal.onnxgraph.shifts import Shift, insert_shifts
from onnxcausal.samples.source import Inputs

FLOAT_NOISE = 4e-7
"""Difference between two graphs of one function, in units of the largest outcome; measured on float32 networks."""


class ReferenceEngine:
    """Runs the whole model once per intervention and batch.

    The slow form that every other engine is held to. Masks are overridable initializers, so one session serves every
    layer, node, target set and beta; the baseline is the null intervention (all masks 1) in the same session and the
    same batches, so that an intervention without effect gives exactly 0.
    """

    name = "reference"

    def __init__(
        self, network: Network, wiring: Wiring, *, reference: Inputs | None = None, provider: Provider | None = None
    ) -> None:
        """Open the session.

        Args:
            network: the model, cut at its class scores.
            wiring: its layers, and the shapes of one run.
            reference: reference samples, `[samples, ...]`, whose mean contribution stands in for what is taken away;
                None replaces it by nothing.
            provider: execution provider; default as for `Runner`.

        Raises:
            ModelError: ONNX Runtime refuses the masked model, or a layer has no mean over samples.
        """
        self._network = network
        self._reference = reference
        layers = wiring.flow.layers
        masked = insert_masks(network.part, layers, overridable=True)
        self._masks = masked.names
        types = {tensor.name: tensor.data_type for tensor in masked.proto.graph.initializer}
        self._types = {layer: types[mask] for layer, mask in masked.names.items()}
        self._shifts: dict[str, Shift] = {}
        proto = masked.proto
        if reference is not None:
            proto, self._shifts = insert_shifts(proto, layers, wiring.trace, self._types)
        self._runner = Runner(proto, network.spec, network.model.name, provider)
        self.providers: tuple[str, ...] = self._runner.providers

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        return self._network.scores(x)

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise.

        The noise is the largest change of the outcome at another batch size, and at least `FLOAT_NOISE` of the
        largest outcome.
        """
        observed = self._outcome(x, outcome, {})
        again = self._outcome(x, outcome, {}, batch=max(1, min(len(x), LARGEST_BATCH) // 2 - 1))
        with np.errstate(invalid="ignore"):  # an infinite outcome is refused later, with a better message
            noise = float(np.abs(observed - again).max(initial=0.0))
        return Observation(observed, max(noise, FLOAT_NOISE * float(np.abs(observed).max(initial=0.0))))

    def outcomes(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, done: Callable[[int], None]) -> Floats:
        """Return the outcome under the intervention on each node, `[nodes, samples]`."""
        results = np.empty((len(probe.nodes), len(x)))
        mean = self._mean_output(probe.layer, {}) if self._reference is not None else None
        for node, features in enumerate(probe.nodes):
            feeds = self._feeds(probe, features, mean)
            results[node] = self._outcome(x, outcome, feeds)
            done(1)
        return results

    def _feeds(
        self, probe: Probe, features: NDArray[np.int64], mean: NDArray[np.float64] | None
    ) -> dict[str, NDArray[np.floating]]:
        """Return the inputs that carry out one intervention, given the layer's mean output before it."""
        layer = probe.layer
        dtype = helper.tensor_dtype_to_np_dtype(self._types[layer.name])
        mask = path_mask(layer, features, probe.targets, probe.intervention.beta).astype(dtype)
        feeds: dict[str, NDArray[np.floating]] = {self._masks[layer.name]: mask}
        if mean is not None:
            # What the mask takes from the layer's output on average is put back.
            feeds[self._shifts[layer.name].name] = (mean - self._mean_output(layer, feeds)).astype(dtype)
        return feeds

    def _mean_output(self, layer: Layer, feeds: dict[str, NDArray[np.floating]]) -> NDArray[np.float64]:
        """Return the layer's output, before any shift, averaged over the reference samples, `[1, ...]`."""
        assert self._reference is not None
        output = self._runner.run(self._reference, [self._shifts[layer.name].before], feeds)[0]
        return np.asarray(output.mean(axis=0, dtype=np.float64, keepdims=True))

    def _outcome(
        self,
        x: Inputs,
        outcome: ScoresToOutcome,
        feeds: dict[str, NDArray[np.floating]],
        batch: int = LARGEST_BATCH,
    ) -> Floats:
        scores = self._runner.run(x, [self._network.outcome.tensor], feeds, batch)[0]
        return outcome(scores.reshape(len(scores), -1))
