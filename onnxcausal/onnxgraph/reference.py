"""The reference engine: masks fed as inputs, whole model, one session."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine import Observation, Probe, ScoresToOutcome
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.masks import insert_masks, path_mask
from onnxcausal.onnxgraph.network import Network, Wiring
from onnxcausal.onnxgraph.runner import LARGEST_BATCH, Provider, Runner
from onnxcausal.onnxgraph.shifts import Shift, insert_shifts
from onnxcausal.samples.source import Inputs

FLOAT_NOISE = 3.4
"""Difference between two graphs of one function, in units of the float type's epsilon times the largest class score:
4e-7 in float32, as measured on networks of up to 50 layers."""
LARGEST_NOISE = 1000.0
"""Beyond this, in the same unit, it is no rounding: the samples of a batch influence each other."""
LARGEST_SHARE = 0.05
"""The same as a share of the largest class score, for coarse float types."""


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
        self._layers = wiring.flow.layers
        masked = insert_masks(network.part, self._layers, overridable=True)
        self._masks = masked.names
        self._shifts: dict[str, Shift] = {}
        proto = masked.proto
        if reference is not None:
            proto, self._shifts = insert_shifts(proto, self._layers, wiring.trace)
        self._runner = Runner(proto, network.spec, network.model.name, provider)
        self.providers: tuple[str, ...] = self._runner.providers

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        return self._network.scores(x)

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise.

        The noise is the largest change of the outcome at another batch size, and at least `FLOAT_NOISE`.

        Raises:
            ModelError: the outcome of a sample depends on the others in its batch.
        """
        scores = self._scores(x, {})
        observed = outcome(scores)
        again = outcome(self._scores(x, {}, batch=max(1, min(len(x), LARGEST_BATCH) // 2 - 1)))
        unit = self._epsilon(scores.dtype) * float(np.abs(scores).max(initial=0.0))
        with np.errstate(invalid="ignore"):  # an infinite outcome is refused later, with a better message
            noise = float(np.abs(observed - again).max(initial=0.0))
        if noise > min(LARGEST_NOISE * unit, LARGEST_SHARE * float(np.abs(scores).max(initial=0.0))):
            raise ModelError(
                "the outcome of a sample depends on the other samples of its batch",
                where=f"{self._network.model.name}, tensor {self._network.outcome.tensor}",
                why=f"at another batch size it changes by up to {noise:.3g}",
                remedy="export the model with a fixed batch size of 1",
            )
        return Observation(observed, max(noise, FLOAT_NOISE * unit))

    def outcomes(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, done: Callable[[int], None]) -> Floats:
        """Return the outcome under the intervention on each node, `[nodes, samples]`."""
        results = np.empty((len(probe.nodes), len(x)))
        mean = self._mean_output(probe.layer, {}) if self._reference is not None else None
        reaching = probe.connected().any(axis=1)
        if not reaching.all():  # a node of a group without targets has no path to change
            results[~reaching] = outcome(self._scores(x, {}))
            done(int((~reaching).sum()))
        for node in np.flatnonzero(reaching):
            feeds = self._feeds(probe, probe.nodes[node], mean)
            results[node] = outcome(self._scores(x, feeds))
            done(1)
        return results

    def _feeds(
        self, probe: Probe, features: NDArray[np.int64], mean: NDArray[np.float64] | None
    ) -> dict[str, NDArray[np.floating]]:
        """Return the inputs that carry out one intervention, given the layer's mean output before it."""
        layer = probe.layer
        dtype = helper.tensor_dtype_to_np_dtype(layer.weight_type)
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

    def _scores(
        self, x: Inputs, feeds: dict[str, NDArray[np.floating]], batch: int = LARGEST_BATCH
    ) -> NDArray[np.floating]:
        scores = self._runner.run(x, [self._network.outcome.tensor], feeds, batch)[0]
        return scores.reshape(len(scores), -1)

    def _epsilon(self, scores: np.dtype[np.floating]) -> float:
        """Return the coarsest epsilon of the float types that scores and weights have."""
        types = {scores, *(helper.tensor_dtype_to_np_dtype(layer.weight_type) for layer in self._layers)}
        return max(float(np.finfo(dtype).eps) for dtype in types)
