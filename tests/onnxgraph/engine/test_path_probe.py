"""What is put in place of a path: the engine's choice, the same for every probe."""

import numpy as np
import pytest

from onnxcausal.analysis.result.settings import EngineKind
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from tests.support.networks import mlp
from tests.support.opened import Inputs, open_proto
from tests.support.oracles import Array


def drawn(*shape: int, seed: int) -> Inputs:
    return np.random.default_rng(seed).normal(loc=1.0, size=shape).astype(np.float32)


def by_definition(weights: list[Array], x: Array, targets: list[int], beta: float, stands_in: Array) -> Array:
    """Return what changing each path of the first layer does to class 0, `[nodes, samples]`."""
    z = x @ weights[0].T
    rows = []
    for node in range(x.shape[1]):
        changed = z.copy()
        changed[:, targets] -= (1 - beta) * np.outer(x[:, node] - stands_in[node], weights[0][targets, node])
        rows.append((np.maximum(changed, 0) - np.maximum(z, 0)) @ weights[1][0])
    return np.array(rows)


@pytest.mark.parametrize("kind", list(EngineKind))
def test_one_probe_means_to_each_engine_what_the_engine_was_opened_for(kind: EngineKind) -> None:
    weights, x, reference = [drawn(6, 5, seed=0), drawn(3, 6, seed=1)], drawn(12, 5, seed=2), drawn(40, 5, seed=3)
    opened = open_proto(mlp(weights, [np.zeros(6), np.zeros(3)]), x)
    nodes = tuple(np.array([node]) for node in range(5))
    probe = PathProbe(opened.layers[0], nodes, np.array([1, 4]), 0.2)
    exact = [weight.astype(np.float64) for weight in weights]
    found = {}
    for given, replaced, stands_in in (
        (None, Replace.ZERO, np.zeros(5)),
        (reference, Replace.MEAN, reference.astype(np.float64).mean(axis=0)),
    ):
        engine = opened.engine(kind, given)
        assert engine.replace is replaced
        observation = engine.observe(x, lambda scores: outcome_of(scores, 0))
        found[replaced] = engine.effects(probe, x, lambda scores: outcome_of(scores, 0))
        expected = by_definition(exact, x.astype(np.float64), [1, 4], 0.2, stands_in)
        np.testing.assert_allclose(found[replaced], expected, rtol=0, atol=5 * observation.floor)
    assert np.abs(found[Replace.ZERO] - found[Replace.MEAN]).max() > 0.1
