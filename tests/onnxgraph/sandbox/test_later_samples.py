"""That samples which the suffix engine sees later get what they get alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.runner.memory import Memory
from tests.support.networks import BLOCKS, HEADS, classifier
from tests.support.opened import Opened, open_proto
from tests.support.oracles import Array

PLENTY = Memory(bound=2**32, used=0, kept=2**30, run=2**28, sessions=2**28)


def images(seed: int, count: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def first_class(scores: NDArray[np.floating]) -> Array:
    return outcome_of(scores, 0)


def whole_probe(opened: Opened, number: int) -> PathProbe:
    layer = opened.layers[number]
    return PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("block", BLOCKS)
def test_samples_that_come_later_get_the_effects_they_get_alone(block: str, head: str) -> None:
    first, *others = images(23), images(24), images(25, 7)
    opened = open_proto(classifier([block, "conv"], head, 23), first)
    used, fresh = (SuffixEngine(opened.network, opened.wiring, memory=PLENTY) for _ in range(2))
    for number in range(len(opened.layers)):
        probe = whole_probe(opened, number)
        used.effects(probe, first, first_class)
        for x in others:
            np.testing.assert_array_equal(used.effects(probe, x, first_class), fresh.effects(probe, x, first_class))
