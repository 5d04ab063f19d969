"""Gradient-based explanation methods, from Captum on the model converted to PyTorch."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from captum import attr
from numpy.typing import NDArray
from onnx2torch import convert

from onnxcausal.evaluation.maps import Explain, Floats

AGREES = 1e-3
"""Largest difference of scores between the two forms, relative to the largest score."""
IG_STEPS = 50
SHAP_SAMPLES = 5
TOGETHER = 64
"""Inputs explained at once."""

warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
warnings.filterwarnings("ignore", message="Using a non-tuple sequence for multidimensional indexing")


def gradient_methods(
    path: Path, scores: Callable[[NDArray[np.float32]], NDArray[np.floating]], x: NDArray[np.float32]
) -> Mapping[str, Callable[[int], Explain]]:
    """Return what explains a class, by method.

    Args:
        path: the model.
        scores: class scores as ONNX Runtime computes them.
        x: inputs on which the two forms are compared first.

    Raises:
        SystemExit: they do not agree.
    """
    model = convert(_convertible(onnx.load(path))).eval()
    with torch.no_grad():
        converted = model(torch.from_numpy(x)).numpy()
    expected = scores(x)
    worst = float(np.abs(converted - expected).max() / np.abs(expected).max())
    if worst > AGREES:
        raise SystemExit(f"{path.name}: the converted model differs by {worst:.1e} of the largest score")
    print(f"{path.name}: the converted model differs by {worst:.1e} of the largest score at most")
    baseline = torch.zeros(1, *x.shape[1:])
    made = {
        "saliency": (attr.Saliency(model), {}),
        "input x gradient": (attr.InputXGradient(model), {}),
        "integrated gradients": (attr.IntegratedGradients(model), {"n_steps": IG_STEPS, "internal_batch_size": 256}),
        "gradient SHAP": (attr.GradientShap(model), {"baselines": baseline, "n_samples": SHAP_SAMPLES}),
        "deconvolution": (attr.Deconvolution(model), {}),
        "guided backprop": (attr.GuidedBackprop(model), {}),
    }

    def explaining(name: str) -> Callable[[int], Explain]:
        method, settings = made[name]

        def of_class(target: int) -> Explain:
            def explain(inputs: NDArray[np.float32]) -> Floats:
                parts = []
                for start in range(0, len(inputs), TOGETHER):
                    torch.manual_seed(start)
                    some = torch.from_numpy(np.ascontiguousarray(inputs[start : start + TOGETHER])).requires_grad_()
                    found = method.attribute(some, target=target, **settings).detach().numpy()
                    parts.append(found.sum(axis=1).astype(np.float64))
                return np.concatenate(parts)

            return explain

        return of_class

    return {name: explaining(name) for name in made}


def _convertible(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without an attribute that the converter does not know; whether it matters is checked after."""
    for op in proto.graph.node:
        kept = [entry for entry in op.attribute if not (op.op_type == "Reshape" and entry.name == "allowzero")]
        del op.attribute[:]
        op.attribute.extend(kept)
    return proto
