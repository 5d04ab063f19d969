"""Models opened for tests without files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import EngineKind
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.interface import Engine
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.reference import ReferenceEngine
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import WHOLE_MODEL, Network, open_network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.onnxgraph.runner.rounding import FLOAT_NOISE
from tests.support.oracles import Array, run_float64

DRAWN = 4
"""Ways in which rounding may fall, of which the worst counts."""

Inputs = NDArray[np.float32]
TOLERANCE = 1e-5
"""Of the logit scale."""
HALF_PRECISION = 0.01
"""Of the logit scale, where float16 rounds between the ops."""
ENGINE_FLOORS = 3.0
"""Float floors between the engines: an effect is a difference of two outcomes, each of which may be off by one."""


@dataclass(frozen=True)
class Opened:
    """A model with its wiring."""

    proto: onnx.ModelProto
    network: Network
    wiring: Wiring

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.wiring.flow.layers

    def layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)

    def engine(self, kind: EngineKind = EngineKind.REFERENCE, reference: Inputs | None = None) -> Engine:
        engines: dict[EngineKind, type[ReferenceEngine | SuffixEngine]] = {
            EngineKind.REFERENCE: ReferenceEngine,
            EngineKind.SUFFIX: SuffixEngine,
        }
        return engines[kind](self.network, self.wiring, reference=reference)

    def edited_scores(
        self, layer: Layer, features: NDArray[np.int64], children: NDArray[np.int64], factor: float, x: Inputs
    ) -> Array:
        """Return float64 class scores after editing the layer's weight itself, `[samples, classes]`."""
        edited = edit(layer, self.weight(layer).astype(np.float64), features, children, factor)
        weights = {(layer.output, layer.weight_input): edited}
        return self._in_batches(x, weights)

    def magnified(
        self, layer: Layer, features: NDArray[np.int64], children: NDArray[np.int64], factor: float, x: Inputs
    ) -> float:
        """Return what rounding of the layer's products, removed ones included, makes of its scores after an edit.

        In float64: each weight of the edited layer is moved by as much as float32 may round what the unedited one is.
        """
        weight = self.weight(layer).astype(np.float64)
        edited = edit(layer, weight, features, children, factor)
        exact = self.edited_scores(layer, features, children, factor, x)
        unit = FLOAT_NOISE * float(np.finfo(np.float32).eps)
        found = 0.0
        for seed in range(DRAWN):
            moved = edited + unit * weight * np.random.default_rng(seed).choice([-1.0, 1.0], weight.shape)
            scores = self._in_batches(x, {(layer.output, layer.weight_input): moved})
            found = max(found, float(np.abs(scores - exact).max()))
        return found

    def weight(self, layer: Layer) -> NDArray[np.generic]:
        """Return a layer's weight where it is used."""
        index = index_graph(self.network.proto, self.network.model.opset)
        stored = value_of(index, self.network.proto.graph.node[layer.op].input[layer.weight_input])
        assert stored is not None
        return stored

    def exact_scores(self, x: Inputs) -> Array:
        """Return the model's class scores in float64, `[samples, classes]`."""
        return self._in_batches(x, {})

    def _in_batches(self, x: Inputs, weights: Mapping[tuple[str, int], Array]) -> Array:
        """Return float64 scores, in batches of the size the model is kept to."""
        size = self.network.plain.batch or len(x)
        missing = -len(x) % size
        full = np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x
        parts = [full[start : start + size] for start in range(0, len(full), size)]
        tensor = self.network.outcome.tensor
        return np.concatenate([_table(run_float64(self.network.proto, tensor, part, weights)) for part in parts])[
            : len(x)
        ]

    @property
    def epsilon(self) -> float:
        """Epsilon of the coarsest float type in use."""
        kinds: list[np.dtype[Any]] = [kind for kind in self.wiring.trace.types.values() if kind.kind == "f"]
        return float(max(np.finfo(kind).eps for kind in (np.dtype(np.float32), *kinds)))

    def within(self, units: float) -> float:
        """Return a tolerance of so many epsilons, as a share of the scores: never beyond what half precision takes."""
        return min(units * self.epsilon, HALF_PRECISION)


def open_proto(proto: onnx.ModelProto, x: Inputs, reading: Reading = WHOLE_MODEL) -> Opened:
    """Open a model as an analysis does; `x` shows the shapes, and on what batches it may be run."""
    digest = hashlib.sha256(proto.SerializeToString()).hexdigest()
    network = settle_batch(open_network(Model("in_code.onnx", proto, digest), reading), x)
    return Opened(proto, network, find_wiring(network, x))


def open_as_is(proto: onnx.ModelProto, x: Inputs) -> Opened:
    """Open a model without asking what batches it may be run on; `x` shows the shapes."""
    network = open_network(Model("in_code.onnx", proto, "0" * 64))
    return Opened(proto, network, find_wiring(network, x))


def edit(layer: Layer, weight: Array, features: NDArray[np.int64], children: NDArray[np.int64], factor: float) -> Array:
    """Return the weight with each edge from a feature to a child multiplied: one edge at a time, as ONNX defines it."""
    edited = weight.copy()
    parents_per_group, children_per_group = layer.parents // layer.groups, layer.children // layer.groups
    for feature in features.tolist():
        for child in children.tolist():
            if feature // parents_per_group != child // children_per_group:
                continue
            match layer.op_type:
                case "Conv":
                    edited[child, feature % parents_per_group] *= factor
                case "ConvTranspose":
                    edited[feature, child % children_per_group] *= factor
                case _:
                    edges = np.moveaxis(edited, layer.weight_parent_axis, 0)[feature]
                    if layer.weight_child_axis is None:
                        edited[feature] *= factor
                    else:
                        after = layer.weight_child_axis % weight.ndim
                        after -= after > layer.weight_parent_axis % weight.ndim
                        np.moveaxis(edges, after, 0)[child] *= factor
    return edited


def treatment_effects(
    opened: Opened,
    layer: Layer,
    targets: NDArray[np.int64],
    x: Inputs,
    target_class: int,
    *,
    beta: float = 0.0,
    reference: Inputs | None = None,
    kind: EngineKind = EngineKind.REFERENCE,
) -> tuple[Array, float]:
    """Return TE of every node by an engine, `[nodes, samples]`, and the float floor; nothing set to 0."""
    engine = opened.engine(kind, reference)
    probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], targets, beta)

    def outcome(scores: NDArray[np.floating]) -> Array:
        return outcome_of(scores, target_class)

    observation = engine.observe(x, outcome)
    return engine.effects(probe, x, outcome), observation.floor


def assert_equal_to_edited_weights(opened: Opened, x: Inputs, beta: float, seed: int, nodes: int = 3) -> None:
    """Compare effects of random nodes on random targets, in every layer, with float64 edits of the weights.

    No effect is more exact than the scores it is the difference of: a model that magnifies rounding, as it is or after
    the edit (a LayerNormalization over values that are nearly equal), shows how much, in its own scores and where the
    edited weights are moved by as much as rounding may.
    """
    rng = np.random.default_rng(seed)
    exact = opened.exact_scores(x)
    own = np.abs(opened.network.scores(x) - exact).max()
    chosen_class = min(1, exact.shape[1] - 1)
    tolerance = opened.within(TOLERANCE / float(np.finfo(np.float32).eps))
    for layer in opened.layers:
        targets = np.sort(rng.choice(layer.children, rng.integers(1, layer.children + 1), replace=False))
        measured = [
            treatment_effects(opened, layer, targets, x, chosen_class, beta=beta, kind=kind)[0] for kind in EngineKind
        ]
        for node in rng.choice(len(measured[0]), min(nodes, len(measured[0])), replace=False):
            features = opened.wiring.flow.nodes[layer.name][node]
            edited = opened.edited_scores(layer, features, targets, beta, x)
            scale = max(np.abs(exact).max(), np.abs(edited).max())
            for te in measured:
                difference = np.abs(te[node] - (edited - exact)[:, chosen_class]).max()
                if difference > tolerance * scale + own:
                    magnified = opened.magnified(layer, features, targets, beta, x)
                    assert difference <= tolerance * scale + own + magnified, (layer.name, node, magnified)


def assert_suffix_equals_reference(
    opened: Opened,
    x: Inputs,
    seed: int,
    *,
    reference: Inputs | None = None,
    nodes: int = 10**6,
    every: int = 1,
    elsewhere: Opened | None = None,
    **settings: Any,
) -> SuffixEngine:
    """Compare the two engines, on random targets and nodes with a random beta; return the fast one.

    Every layer is compared, or every so many. The fast engine may be on the same model opened elsewhere.
    """
    rng = np.random.default_rng(seed)
    place = elsewhere or opened
    fast = SuffixEngine(place.network, place.wiring, reference=reference, **settings)
    slow = ReferenceEngine(opened.network, opened.wiring, reference=reference)

    chosen_class = min(1, fast.scores(x).shape[1] - 1)
    tolerance = opened.within(TOLERANCE / float(np.finfo(np.float32).eps))

    def outcome(scores: NDArray[np.floating]) -> Array:
        return outcome_of(scores, chosen_class)

    observation = fast.observe(x, outcome)
    largest = np.abs(fast.scores(x)).max()
    for layer in opened.layers[::every]:
        targets = np.sort(rng.choice(layer.children, rng.integers(1, layer.children + 1), replace=False))
        all_nodes = opened.wiring.flow.nodes[layer.name]
        chosen = rng.permutation(len(all_nodes))[:nodes]
        beta = float(rng.choice([0.0, 0.0, 0.3, 0.9]))
        probe = PathProbe(layer, all_nodes, targets, beta).of(chosen)
        expected, found = slow.effects(probe, x, outcome), fast.effects(probe, x, outcome)
        # The floor follows the scores, which an intervention may make larger.
        floor = FLOAT_NOISE * opened.epsilon * max(largest, np.abs(observation.outcome + expected).max())
        difference = np.abs(found - expected).max(axis=1)
        for node in np.flatnonzero(difference > ENGINE_FLOORS * floor):
            # Rounding inside may exceed that of the scores (a small rest that is normalised): then each engine is held
            # to the truth alone, or, where a mean makes that hard to say, to the other one as closely.
            truth = expected[node]
            if reference is None:
                edited = opened.edited_scores(layer, probe.nodes[node], targets, beta, x)
                truth = (edited - opened.exact_scores(x))[:, chosen_class]
            scale = max(largest, np.abs(observation.outcome + truth).max())
            error, of_reference = (np.abs(te[node] - truth).max() for te in (found, expected))
            # A network whose scores nearly cancel is computed no better by the whole model either.
            assert error <= max(tolerance * scale, 2 * of_reference), (layer.name, error / scale)
    return fast


def _table(scores: Array) -> Array:
    return scores.reshape(len(scores), -1)
