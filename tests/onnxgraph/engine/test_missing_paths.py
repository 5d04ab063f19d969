"""Weights of zero and nodes of several sizes: what is not there must be told apart from what is."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from onnxcausal.analysis.result.settings import EngineKind
from tests.onnxgraph.engine.test_suffix_engine import PLENTY, first_class, images, whole_probe
from tests.support.networks import BLOCKS, Builder, classifier
from tests.support.opened import assert_suffix_equals_reference, open_proto


def with_zeros(model: onnx.ModelProto, seed: int, share: float = 0.4) -> onnx.ModelProto:
    """Return a model some of whose weights are 0: single ones within kernels, and all of some kernels."""
    rng = np.random.default_rng(seed)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for stored in changed.graph.initializer:
        weight = numpy_helper.to_array(stored)
        if weight.ndim > 1 and weight.dtype == np.float32:
            kept = (rng.random(weight.shape) > share) & (
                rng.random((*weight.shape[:2], *[1] * (weight.ndim - 2))) > 0.2
            )
            stored.CopyFrom(numpy_helper.from_array(weight * kept, stored.name))
    return changed


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("head", ["flatten", "gemm_trans_a", "left_matmul"])
def test_weights_of_zero_anywhere_in_a_kernel_change_nothing(block: str, head: str) -> None:
    x = images(23)
    opened = open_proto(with_zeros(classifier([block, "conv"], head, 23), 23), x)
    assert_suffix_equals_reference(opened, x, 23, memory=PLENTY)


def test_a_kernel_with_a_single_zero_is_no_missing_edge() -> None:
    x = images(24)
    model = classifier(["conv"], "average", 24)
    for stored in model.graph.initializer:
        weight = numpy_helper.to_array(stored).copy()
        if weight.ndim == 4:
            weight[:, :, 0, 0] = 0
            stored.CopyFrom(numpy_helper.from_array(weight, stored.name))
    opened = open_proto(model, x)
    fast, slow = (opened.engine(kind).effects(whole_probe(opened, 0), x, first_class) for kind in EngineKind)
    assert slow.any(axis=1).all()
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(6, 4), (4, 6), (2, 5), (6, 1)])
@pytest.mark.parametrize("weight_on", ["right", "left"])
def test_nodes_of_two_sizes_of_one_layer_are_told_apart(sizes: tuple[int, int], weight_on: str) -> None:
    """Maps of two sizes are flattened and joined: a node is a channel's block of one size or of the other."""
    x = images(25)
    b = Builder(np.random.default_rng(25))
    parts = []
    for channels, size in zip((3, 2), sizes, strict=True):
        kernel = 7 - size
        conv = b.add("Conv", ["x", b.weight(channels, 4, kernel, kernel), b.weight(channels)])
        parts.append(b.add("Flatten", [b.add("Relu", [conv])]))
    flat, features = b.add("Concat", parts, axis=1), 3 * sizes[0] ** 2 + 2 * sizes[1] ** 2
    if weight_on == "right":
        hidden = b.add("Gemm", [flat, b.weight(5, features), b.weight(5)], transB=1)
    else:
        turned = b.add("Gemm", [b.weight(5, features), flat], transB=1)
        hidden = b.add("Transpose", [turned], perm=[1, 0])
    model = b.model(["N", 4, 6, 6], b.add("Gemm", [b.add("Relu", [hidden]), b.weight(5, 3)]))
    opened = open_proto(model, x)
    counts = {len(node) for nodes in opened.wiring.flow.nodes.values() for node in nodes}
    assert counts == {1, sizes[0] ** 2, sizes[1] ** 2}
    for seed in range(3):
        assert not assert_suffix_equals_reference(opened, x, seed, memory=PLENTY).notes
        tight = replace(PLENTY, run=2000)
        assert_suffix_equals_reference(opened, x, seed, memory=tight)
