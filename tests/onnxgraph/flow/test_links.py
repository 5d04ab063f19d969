"""Links between nodes and targets, counted by hand on small models."""

import numpy as np
import pytest

from onnxcausal.causal.graph import FlowKind
from tests.onnxgraph.flow.test_flow import images
from tests.support.networks import Builder
from tests.support.opened import Opened, open_proto


def branching() -> Opened:
    """Return a model whose first layer flows into a Gemm by blocks, into a convolution, and into the outcome."""
    b = Builder(np.random.default_rng(0))
    first = b.add("Conv", ["x", b.weight(3, 4, 1, 1)])
    by_blocks = b.add("Gemm", [b.add("Flatten", [b.add("Relu", [first])]), b.weight(108, 3)])
    second = b.add("Conv", [b.add("Tanh", [first]), b.weight(3, 3, 1, 1)])
    both = b.add("ReduceMean", [b.add("Add", [second, first])], axes=[2, 3], keepdims=0)
    return open_proto(b.model(["N", 4, 6, 6], b.add("Add", [both, by_blocks])), images(0))


def test_children_are_linked_to_nodes_which_may_be_blocks_of_features() -> None:
    opened = branching()
    by_op = {layer.op_type: layer for layer in opened.layers[1:]}
    dense, conv = by_op["Gemm"], by_op["Conv"]
    assert len(opened.wiring.flow.nodes[dense.name]) == 3
    found = list(opened.wiring.flow.node_links(opened.layers[0]))
    assert sorted(found) == sorted([(layer.name, child, child) for layer in (dense, conv) for child in range(3)])
    assert {type(index) for link in found for index in link[1:]} == {int}
    assert {link.consumer for link in opened.wiring.flow.links[opened.layers[0].name]} == {dense.name, conv.name, None}
    assert list(opened.wiring.flow.node_links(dense)) == []


def test_targets_are_gathered_over_all_ways_down() -> None:
    opened = branching()
    flow, top = opened.wiring.flow, opened.layers[0]
    dense, conv = (next(layer for layer in opened.layers[1:] if layer.op_type == kind) for kind in ("Gemm", "Conv"))
    for necessary, classes, children, to_outcome in (
        ({conv.name: [2]}, [], [2], []),
        ({dense.name: [1]}, [], [1], []),
        ({}, [0, 1], [0, 1], [0, 1]),
        ({conv.name: [2], dense.name: []}, [0], [0, 2], [0]),
        ({conv.name: [1], dense.name: [2]}, [1], [1, 2], [1]),
        ({}, [], [], []),
    ):
        named = {name: np.array(nodes, np.int64) for name, nodes in necessary.items()}
        targets = flow.targets(top, named, np.array(classes, np.int64))
        assert targets.children.tolist() == children
        assert targets.to_outcome.tolist() == to_outcome
        assert targets.kind is FlowKind.TRACKED
        assert targets.children.dtype == targets.to_outcome.dtype == np.int64  # indices, though there are none


@pytest.mark.parametrize("shape", [(0, 3, 1, 1), (0, 1, 3), (0, 1, 1, 3), (0, 1, 3, 1)])
def test_classes_stand_along_the_one_axis_that_is_long(shape: tuple[int, ...]) -> None:
    b = Builder(np.random.default_rng(0))
    first = b.add("Conv", ["x", b.weight(4, 4, 3, 3)])
    pooled = b.add("ReduceMean", [b.add("Relu", [first])], axes=[2, 3], keepdims=0)
    dense = b.add("Gemm", [pooled, b.weight(4, 3)])
    output = b.add("Reshape", [b.add("Neg", [dense]), b.integers(*shape)])
    opened = open_proto(b.model(["N", 4, 6, 6], output, output_rank=len(shape)), images(0))
    flow, last = opened.wiring.flow, opened.layers[-1]
    (link,) = flow.links[last.name]
    assert (link.consumer, link.kind) == (None, FlowKind.TRACKED)
    assert (link.features.tolist(), link.children.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert flow.targets(last, {}, np.array([2])).to_outcome.tolist() == [2]


def test_a_single_score_is_the_one_class_there_is() -> None:
    b = Builder(np.random.default_rng(0))
    dense = b.add("Gemm", [b.add("Flatten", ["x"]), b.weight(144, 1)])
    opened = open_proto(b.model(["N", 4, 6, 6], b.add("Neg", [dense])), images(0))
    (link,) = opened.wiring.flow.links[opened.layers[0].name]
    assert (link.features.tolist(), link.children.tolist()) == ([0], [0])


def test_features_that_carry_the_same_pixel_of_the_input_are_one_node() -> None:
    b = Builder(np.random.default_rng(0))
    flat = b.add("Flatten", ["x"])
    twice = b.add("Concat", [flat, b.add("Relu", [flat])], axis=1)
    opened = open_proto(b.model(["N", 4, 6, 6], b.add("Gemm", [twice, b.weight(288, 3)])), images(0))
    nodes = opened.wiring.flow.nodes[opened.layers[0].name]
    assert sorted(node.tolist() for node in nodes) == [[pixel, pixel + 144] for pixel in range(144)]
