"""What a causal graph holds of its layers."""

import numpy as np

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.graph import CausalGraph, FlowKind, LayerResult
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.significance import Role

TE = np.array([[-2.0, -2.5, -1.5], [0.0, 0.0, 0.0], [-1.0, -1.5, -0.5], [1.0, 1.1, 0.9]])
"""Effects of nodes that are necessary, dead, necessary and noisy."""


def a_tested_layer() -> LayerResult:
    effects = EffectTable(TE, np.array([4.0, 5.0, 6.0]))
    verdicts = assess_paired(effects, alpha=0.2, coverage=1.0)
    # A layer of two groups: the first two parents reach the first two children.
    connected = np.array([[True, True, False]] * 2 + [[False, False, True]] * 2)
    return LayerResult("conv", np.array([2, 5, 7]), FlowKind.TRACKED, connected, effects, verdicts)


def a_layer_without_targets() -> LayerResult:
    nothing = np.empty(0, np.int64)
    return LayerResult("top", nothing, FlowKind.TRACKED, np.empty((4, 0), bool), None, None, reason="no route")


def test_edges_lead_from_necessary_parents_to_the_targets_they_are_connected_with() -> None:
    edges = list(a_tested_layer().edges())
    assert edges == [(0, 2), (0, 5), (2, 7)]
    assert {type(end) for edge in edges for end in edge} == {int}  # they are written as JSON


def test_a_tested_layer_tells_of_every_parent() -> None:
    layer = a_tested_layer()
    assert layer.roles == (Role.NECESSARY, Role.DEAD, Role.NECESSARY, Role.NOISY)
    assert layer.ate.tolist() == [-2.0, 0.0, -1.0, 1.0]
    assert layer.necessary.tolist() == [0, 2]
    assert layer.having(Role.NOISY).tolist() == [3]
    assert layer.having(Role.MINOR).tolist() == []


def test_a_layer_without_targets_tells_of_no_parent() -> None:
    layer = a_layer_without_targets()
    assert layer.roles == ()
    assert layer.ate.tolist() == []
    assert layer.necessary.tolist() == []
    assert list(layer.edges()) == []
    layer.ate[layer.having(Role.DEAD)]  # indices, though there are none


def test_layers_are_added_above_those_there_are() -> None:
    empty = CausalGraph(3, np.arange(3), np.array([4.0, 5.0, 6.0]), 4, 3, 1e-6)
    graph = empty.with_layer(a_tested_layer()).with_layer(a_layer_without_targets())
    assert [layer.name for layer in graph.layers] == ["conv", "top"]
    assert empty.layers == ()
    assert (graph.target, graph.examined, graph.correct, graph.floor) == (3, 4, 3, 1e-6)
    assert {name: nodes.tolist() for name, nodes in graph.necessary.items()} == {"conv": [0, 2], "top": []}
