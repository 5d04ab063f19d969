"""What PyTorch exports has the scores and effects that PyTorch itself computes, whichever way it is exported."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from tests.support.opened import TOLERANCE, Inputs, open_proto
from tests.support.oracles import Array

torch: Any = pytest.importorskip("torch", reason="needs PyTorch, which the extra `train` brings")
X: Inputs = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
BETA = 0.3

FORMS: dict[str, tuple[bool, dict[str, Any]]] = {
    "legacy, folded": (True, {"dynamo": False}),
    "legacy, kept": (False, {"dynamo": False, "do_constant_folding": False}),
    "legacy, kept for training": (
        False,
        {"dynamo": False, "do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE},
    ),
    "dynamo, folded": (True, {"dynamo": True}),
    "dynamo, kept": (False, {"dynamo": True, "optimize": False}),
}
"""Whether batch normalisation is folded into the convolutions, and what makes the exporter do so."""


class Residual(torch.nn.Module):  # type: ignore[misc]  # torch may be absent: it is any to mypy
    """A grouped residual block between a convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.first_norm = torch.nn.BatchNorm2d(6)
        self.second = torch.nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False)
        self.second_norm = torch.nn.BatchNorm2d(6)
        self.last = torch.nn.Linear(6, 4)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.first_norm(self.first(x)))
        x = torch.relu(x + self.second_norm(self.second(x)))
        return self.last(x.mean((2, 3)))


def residual() -> Any:
    """Return the network in evaluation mode, its weights and running statistics random."""
    rng = np.random.default_rng(1)
    network = Residual().eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if name.endswith(("running_var", "norm.weight")) else -0.6
            tensor.copy_(torch.from_numpy(rng.uniform(low, low + 1.2, tuple(tensor.shape))))
    return network


def exported(network: Any, path: Path, **settings: Any) -> onnx.ModelProto:
    if settings["dynamo"]:
        pytest.importorskip("onnxscript", reason="PyTorch's second exporter needs onnxscript")
        settings |= {"dynamic_shapes": {"x": {0: torch.export.Dim("N")}}, "verbose": False}
    else:
        settings |= {"dynamic_axes": {"x": {0: "N"}}}
    torch.onnx.export(network, (torch.from_numpy(X[:2]),), path, input_names=["x"], **settings)
    return onnx.load(path)


def exact_scores(network: Any) -> Array:
    with torch.no_grad():
        scores: Array = deepcopy(network).double()(torch.from_numpy(X).double()).numpy()
    return scores


def exact_effects(network: Any, layer: str) -> Array:
    """Return TE of every parent on class 1, `[parents, samples]`: the weight itself is edited."""
    groups = getattr(getattr(network, layer), "groups", 1)
    observed, effects = exact_scores(network), []
    children, per_group = getattr(network, layer).weight.shape[:2]
    for parent in range(per_group * groups):
        edited = deepcopy(network).double()
        group = slice(parent // per_group * children // groups, (parent // per_group + 1) * children // groups)
        getattr(edited, layer).weight.data[group, parent % per_group] *= BETA
        effects.append((exact_scores(edited) - observed)[:, 1])
    return np.stack(effects)


@pytest.mark.filterwarnings(
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    "ignore:The feature will be removed. Please remove usage of this function:DeprecationWarning",
)
@pytest.mark.parametrize("form", FORMS)
def test_every_export_has_the_scores_and_effects_of_the_network(form: str, tmp_path: Path) -> None:
    network = residual()
    folded, settings = FORMS[form]
    proto = exported(network, tmp_path / "network.onnx", **settings)
    assert any(op.op_type == "BatchNormalization" for op in proto.graph.node) is not folded
    opened = open_proto(proto, X)
    scores = exact_scores(network)
    tolerance = TOLERANCE * np.abs(scores).max()
    np.testing.assert_allclose(opened.network.scores(X), scores, rtol=0, atol=tolerance)
    assert len(opened.layers) == 3
    for layer, name in zip(opened.layers, ("first", "second", "last"), strict=True):
        probe = PathProbe(layer, opened.wiring.flow.nodes[layer.name], np.arange(layer.children), BETA)
        effects = opened.engine().effects(probe, X, lambda scores: outcome_of(scores, 1))
        expected = exact_effects(network, name)
        np.testing.assert_allclose(effects, expected, rtol=0, atol=tolerance)
        assert np.abs(expected).max(axis=1).min() > 100 * tolerance
