"""What later steps take from a causal graph."""

import numpy as np

from onnxcausal.causal.effects import EffectTable
from onnxcausal.causal.graph import CausalGraph, FlowKind, LayerResult
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.route import Step, route_of
from onnxcausal.causal.significance import Role

N, M = Role.NECESSARY, Role.MINOR


def test_nodes_of_a_role_come_strongest_first_and_of_equals_the_first() -> None:
    # Many equals: an unstable sort of more than 16 mixes them.
    ate = np.array([-1.0, 9.0] * 20 + [-2.0, 3.0])
    step = Step("conv", np.array([0]), ate, (N, M) * 20 + (N, N))
    assert step.necessary.tolist() == [41, 40, *range(0, 40, 2)]
    assert step.having(M).tolist() == list(range(1, 40, 2))
    assert step.having(Role.DEAD).tolist() == []


def test_a_route_is_the_tested_layers_of_its_graph() -> None:
    te = np.array([[-3.0, -3.1, -2.9], [0.0, 0.0, 0.0]])
    effects = EffectTable(te, np.array([1.0, 2.0, 3.0]))
    verdicts = assess_paired(effects)
    connected = np.ones((2, 2), bool)
    layers = (
        LayerResult("dense", np.array([1, 4]), FlowKind.TRACKED, connected, effects, verdicts),
        LayerResult("cut off", np.empty(0, np.int64), FlowKind.TRACKED, connected[:, :0], None, None),
        LayerResult("conv", np.array([0]), FlowKind.TRACKED, connected[:, :1], effects, verdicts),
    )
    route = route_of(CausalGraph(7, np.array([5, 3, 8]), effects.observed, 3, 3, 0.0, layers))
    assert route.target == 7
    assert route.samples.tolist() == [5, 3, 8]
    assert [step.layer for step in route.steps] == ["dense", "conv"]
    found = route.step("dense")
    assert found is route.steps[0]
    assert found.targets.tolist() == [1, 4]
    assert found.ate.tolist() == verdicts.ate.tolist()
    assert found.roles == (N, Role.DEAD)
    assert route.step("conv") is route.steps[1]
    assert route.step("cut off") is None
