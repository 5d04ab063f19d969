"""Flow between layers, held to what perturbing a child really changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, example, given, settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.causal.graph import FlowKind
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import attribute
from tests.support.networks import BLOCKS, HEADS, Builder, classifier, classifiers
from tests.support.opened import Opened, open_proto, treatment_effects

Values = dict[str, NDArray[np.float32]]
RAISED = 100
"""Beyond every bias and shift that a generated model adds between its layers."""
MIXED = 6
"""Ways in which some layers are raised."""


@dataclass(frozen=True)
class Between:
    """A model with its layers taken out, which maps layer outputs to layer inputs."""

    session: ort.InferenceSession
    given: Values
    wanted: tuple[str, ...]


def images(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def between_layers(opened: Opened, x: np.ndarray, *, unlocked: bool) -> Between:
    proto = onnx.ModelProto()
    proto.CopyFrom(opened.network.proto)
    graph = proto.graph
    removed = {layer.output for layer in opened.layers}
    kept = [op for op in graph.node if op.output[0] not in removed]
    del graph.node[:]
    graph.node.extend(kept)
    for tensor in sorted(removed):
        graph.input.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    made = {output for op in kept for output in op.output}
    wanted = sorted({layer.data for layer in opened.layers} & made | {opened.network.outcome.tensor} & made)
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in wanted)
    if unlocked:
        unlock(graph, opened)
    session = ort.InferenceSession(proto.SerializeToString())
    values = layer_outputs(opened, x) | {"x": x}
    return Between(session, {given.name: values[given.name] for given in session.get_inputs()}, tuple(wanted))


def unlock(graph: onnx.GraphProto, opened: Opened) -> None:
    """Open the ways that no layer's output can: what a gate lets through of zeros is 0, a Softmax over one value is 1.

    Flow tells what the ops let through, whatever a border holds and however long a row is.
    """
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "border"))
    for op in graph.node:
        if op.op_type == "Pad":
            op.input[:] = [*op.input[:2], "border", *op.input[3:]]
        elif op.op_type == "Softmax" and opened.wiring.trace.shapes[op.input[0]][attribute(op, "axis", -1)] == 1:
            op.CopyFrom(helper.make_node("Sigmoid", op.input, op.output))


def layer_outputs(opened: Opened, x: np.ndarray) -> Values:
    proto = onnx.ModelProto()
    proto.CopyFrom(opened.network.proto)
    names = [layer.output for layer in opened.layers]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    values = ort.InferenceSession(proto.SerializeToString()).run(names, {"x": x})
    return dict(zip(names, values, strict=True))


def changed_features(
    opened: Opened, ways: Sequence[Between], layer: Layer, child: int
) -> Iterator[tuple[str | None, set[int]]]:
    """Yield the features of each consumer that change when one child changes and every other layer is held."""
    changed: dict[str, set[int]] = {tensor: set() for between in ways for tensor in between.wanted}
    for between in ways:
        if layer.output not in between.given or not between.wanted:
            continue
        for base, perturbed in perturbations(between.given, layer, child):
            before, after = (between.session.run(between.wanted, values) for values in (base, perturbed))
            for tensor, old, new in zip(between.wanted, before, after, strict=True):
                changed[tensor] |= features_that_differ(opened, tensor, old, new)
    for consumer in opened.layers:
        if consumer.data == layer.output:
            yield consumer.name, {child}
        elif consumer.data in changed:
            yield consumer.name, changed[consumer.data]
    outcome = opened.network.outcome.tensor
    yield None, {child} if outcome == layer.output else changed.get(outcome, set())


def mixed(given: Values, raised: Values, seed: int) -> Values:
    """Return some layer outputs raised, and the others small."""
    drawn = np.random.default_rng(seed).random(len(given)) < 0.5
    return {name: raised[name] if up else 0.05 * given[name] for name, up in zip(sorted(given), drawn, strict=True)}


def perturbations(given: Values, layer: Layer, child: int) -> Iterator[tuple[Values, Values]]:
    """Yield layer outputs, and the same with one child changed."""
    # On raised layers too, where no rectifier of another layer hides what a gate does; and on some raised ones beside
    # small ones, by which no softmax between them is 0 or 1 to the last digit.
    raised = {name: value + RAISED + np.abs(value).max() for name, value in given.items()}
    for base in (given, raised, *(mixed(given, raised, drawn) for drawn in range(MIXED))):
        value = base[layer.output]
        reach = 1 + float(np.abs(value).max())
        for size in (0.7, -0.9, 0.1 * reach, -0.1 * reach, 3 * reach, -4 * reach):  # large ones open every rectifier
            change = np.zeros_like(value)
            position = [slice(None)] * change.ndim
            assert layer.child_axis is not None
            position[layer.child_axis] = child  # type: ignore[call-overload]  # an index in place of a slice
            change[tuple(position)] = size * np.random.default_rng(1).uniform(0.5, 1.5, change[tuple(position)].shape)
            yield base, base | {layer.output: value + change}


def features_that_differ(opened: Opened, tensor: str, old: np.ndarray, new: np.ndarray) -> set[int]:
    axes = {consumer.parent_axis for consumer in opened.layers if consumer.data == tensor} or {1}
    (axis,) = axes
    rows = np.moveaxis(old != new, axis, 0)
    return set(np.flatnonzero(rows.reshape(len(rows), -1).any(axis=1)).tolist())


def assert_links_are_what_perturbation_shows(opened: Opened) -> None:
    # As the model is, for links that are missing; unlocked, for those that nothing else shows.
    ways = [between_layers(opened, images(0), unlocked=unlocked) for unlocked in (False, True)]
    for layer in opened.layers:
        links = {link.consumer: link for link in opened.wiring.flow.links[layer.name]}
        for child in range(layer.children):
            for consumer, features in changed_features(opened, ways, layer, child):
                link = links.get(consumer)
                if link is None:
                    assert not features, (layer.name, child, consumer)
                elif link.kind is FlowKind.TRACKED:
                    found = set(link.features[link.children == child].tolist())
                    assert found == features, (layer.name, child, consumer)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=classifiers())
@example(drawn=(classifier(["pad", "gate"], "flatten", 0), 0)).via("a gate on channels of zeros")
@example(drawn=(classifier(["conv", "maxpool", "maxpool", "softmax_rows"], "average", 0), 0)).via("rows of one value")
@example(drawn=(classifier(["nhwc", "gate"], "flatten", 167), 167)).via("a gate on a channel that its bias closes")
def test_tracked_links_are_exactly_what_perturbing_a_child_changes(drawn: tuple[onnx.ModelProto, int]) -> None:
    model, seed = drawn
    assert_links_are_what_perturbation_shows(open_proto(model, images(seed)))


def test_a_gate_on_a_channel_of_zeros_opens_no_target() -> None:
    x = images(0, count=4)
    opened = open_proto(classifier(["pad", "gate"], "flatten", 0), x)
    gate, dense = opened.layers[2], opened.layers[3]
    te, _ = treatment_effects(opened, dense, np.arange(dense.children), x, 1)
    live = np.flatnonzero(te.any(axis=1))
    assert live.tolist() == [1, 2]
    targets = opened.wiring.flow.targets(gate, {dense.name: live}, np.array([1]))
    assert targets.children.tolist() == [1, 2]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_and_head_is_tracked(block: str, head: str) -> None:
    opened = open_proto(classifier(["conv", block], head, 1), images(1))
    kinds = {link.kind for links in opened.wiring.flow.links.values() for link in links}
    assert kinds <= {FlowKind.TRACKED, FlowKind.NORMALISED}
    assert (FlowKind.NORMALISED in kinds) == (head == "tokens")


def test_a_flattened_channel_is_one_node_with_its_whole_block() -> None:
    opened = open_proto(classifier(["conv"], "flatten", 0), images(0))
    dense = opened.layers[1]
    nodes = opened.wiring.flow.nodes[dense.name]
    assert [node.tolist() for node in nodes] == [list(range(36 * c, 36 * (c + 1))) for c in range(4)]


def test_a_channel_flattened_channels_last_is_every_fourth_feature() -> None:
    opened = open_proto(classifier(["conv"], "matmul", 0), images(0))
    nodes = opened.wiring.flow.nodes[opened.layers[1].name]
    assert [node.tolist() for node in nodes] == [list(range(c, 144, 4)) for c in range(4)]


def test_a_flattened_input_has_one_node_per_feature() -> None:
    builder = Builder(np.random.default_rng(0))
    output = builder.add("Gemm", [builder.add("Flatten", ["x"]), builder.weight(3, 144)], transB=1)
    opened = open_proto(builder.model(["N", 4, 6, 6], output), images(0))
    assert len(opened.wiring.flow.nodes[opened.layers[0].name]) == 144


def test_targets_of_a_residual_branch_are_the_necessary_channels_of_the_sum() -> None:
    opened = open_proto(classifier(["residual", "conv"], "average", 0), images(0))
    first, second, last, dense = opened.layers
    necessary = {dense.name: np.array([0]), last.name: np.array([1, 3])}
    targets = opened.wiring.flow.targets(second, necessary, np.array([2]))
    assert targets.children.tolist() == [1, 3]
    assert targets.kind is FlowKind.TRACKED
    necessary[second.name] = np.array([0, 2])
    assert opened.wiring.flow.targets(first, necessary, np.array([2])).children.tolist() == [0, 2]


def test_a_layer_whose_consumers_have_no_necessary_node_has_no_target() -> None:
    opened = open_proto(classifier(["conv", "conv"], "average", 0), images(0))
    first, second, dense = opened.layers
    necessary = {dense.name: np.array([0, 1]), second.name: np.empty(0, np.int64)}
    assert opened.wiring.flow.targets(first, necessary, np.array([0])).children.tolist() == []


MIXING = {
    "softmax over channels": lambda b, x: b.add("Softmax", [x], axis=1),
    "mean over channels": lambda b, x: b.add("Sub", [x, b.add("ReduceMean", [x], axes=[1])]),
    # A product over rows and columns leaves channels apart, but that is not known here: nothing is guessed.
    "product of maps": lambda b, x: b.add("MatMul", [x, b.add("Transpose", [x], perm=[0, 1, 3, 2])]),
    "cumulative sum": lambda b, x: b.add("CumSum", [x, b.store(np.array(1, np.int64))]),
    "pooling over channels": lambda b, x: b.add(
        "Transpose",
        [b.add("AveragePool", [b.add("Transpose", [x], perm=[0, 2, 1, 3])], kernel_shape=[3, 1], pads=[1, 0, 1, 0])],
        perm=[0, 2, 1, 3],
    ),
}
"""What lies between two convolutions, of which the second mixes channels."""


@pytest.mark.parametrize("what", MIXING)
def test_behind_a_mixing_op_every_child_is_a_target_and_the_result_says_so(what: str) -> None:
    builder = Builder(np.random.default_rng(0))
    first = builder.add("Conv", ["x", builder.weight(4, 4, 3, 3)], pads=[1] * 4)
    second = builder.add("Conv", [MIXING[what](builder, first), builder.weight(3, 4, 3, 3)], pads=[1] * 4)
    output = builder.add("ReduceMean", [second], axes=[2, 3], keepdims=0)
    opened = open_proto(builder.model(["N", 4, 6, 6], output), images(0))
    top, bottom = opened.layers
    targets = opened.wiring.flow.targets(top, {bottom.name: np.array([2])}, np.array([0]))
    assert targets.children.tolist() == [0, 1, 2, 3]
    assert targets.kind is FlowKind.UNTRACKED


@pytest.mark.parametrize("op_type", ["InstanceNormalization", "LRN", "GroupNormalization", "LayerNormalization"])
def test_a_normalisation_keeps_the_channel_and_is_recorded(op_type: str) -> None:
    builder = Builder(np.random.default_rng(0))
    first = builder.add("Conv", ["x", builder.weight(4, 4, 3, 3)], pads=[1] * 4)
    match op_type:
        case "LRN":
            normal = builder.add("LRN", [first], size=3)
        case "InstanceNormalization":
            normal = builder.add(op_type, [first, builder.weight(4), builder.weight(4)])
        case "GroupNormalization":
            normal = builder.add(op_type, [first, builder.weight(4), builder.weight(4)], num_groups=2)
        case _:
            normal = builder.add(op_type, [first, builder.weight(4, 6, 6), builder.weight(4, 6, 6)], axis=1)
    second = builder.add("Conv", [normal, builder.weight(3, 4, 3, 3)])
    output = builder.add("ReduceMax", [second, builder.integers(2, 3)], keepdims=0)
    opened = open_proto(builder.model(["N", 4, 6, 6], output, opset=21), images(0))
    top, bottom = opened.layers
    targets = opened.wiring.flow.targets(top, {bottom.name: np.array([2])}, np.array([0]))
    assert targets.children.tolist() == [2]
    assert targets.kind is FlowKind.NORMALISED


def test_tensors_that_a_body_takes_from_outside_are_mixed() -> None:
    builder = Builder(np.random.default_rng(0))
    first = builder.add("Conv", ["x", builder.weight(4, 4, 3, 3)], pads=[1] * 4)
    bodies = {
        f"{branch}_branch": helper.make_graph(
            [helper.make_node("Relu" if branch == "then" else "Neg", [first], [f"{branch}_out"])],
            branch,
            [],
            [helper.make_tensor_value_info(f"{branch}_out", TensorProto.FLOAT, None)],
        )
        for branch in ("then", "else")
    }
    largest = builder.add("ReduceMax", ["x"], keepdims=0)
    chosen = builder.add("If", [builder.add("Greater", [largest, builder.store(np.array(0, np.float32))])], **bodies)
    second = builder.add("Conv", [chosen, builder.weight(3, 4, 3, 3)])
    opened = open_proto(
        builder.model(["N", 4, 6, 6], builder.add("ReduceMean", [second], axes=[2, 3], keepdims=0)), images(0)
    )
    targets = opened.wiring.flow.targets(opened.layers[0], {opened.layers[1].name: np.array([1])}, np.array([0]))
    assert targets.kind is FlowKind.UNTRACKED


def test_a_child_that_enters_a_layer_by_its_bias_goes_on_beyond_it() -> None:
    """The bias of the second layer is what the first one gives; the layer ends the flow of its data alone."""
    b = Builder(np.random.default_rng(0))
    flat = b.add("Flatten", ["x"])
    first = b.add("Gemm", [flat, b.weight(144, 4)])
    second = b.add("Gemm", [b.add("Relu", [flat]), b.weight(144, 4), first])
    output = b.add("Gemm", [b.add("Relu", [second]), b.weight(4, 3)])
    opened = open_proto(b.model(["N", 4, 6, 6], output), images(0))
    links = opened.wiring.flow.links[opened.layers[0].name]
    assert [(link.consumer, link.kind) for link in links] == [(opened.layers[2].name, FlowKind.UNTRACKED)]
    assert_links_are_what_perturbation_shows(opened)


def added_and_shifted(builder: Builder, tensor: str, channels: int, shifts: Sequence[int]) -> str:
    """Return the sum of a map with its channels moved on by each number of places, in a circle."""
    total = ""
    for shift in shifts:
        moved = builder.add("Gather", [tensor, builder.integers(*np.roll(np.arange(channels), shift).tolist())], axis=1)
        total = builder.add("Add", [total, moved]) if total else moved
    return total


def test_where_channels_are_added_up_no_feature_is_one_node_with_another() -> None:
    """Each feature of two added channels carries both of them, as those of the other do."""
    b = Builder(np.random.default_rng(0))
    conv = b.add("Conv", ["x", b.weight(2, 4, 3, 3)], pads=[1] * 4)
    flat = b.add("Flatten", [added_and_shifted(b, conv, 2, [0, 1])])
    opened = open_proto(b.model(["N", 4, 6, 6], b.add("Gemm", [flat, b.weight(72, 3)])), images(0))
    assert [node.tolist() for node in opened.wiring.flow.nodes[opened.layers[1].name]] == [[n] for n in range(72)]
    assert_links_are_what_perturbation_shows(opened)


@pytest.mark.parametrize(("count", "kind"), [(8, FlowKind.TRACKED), (9, FlowKind.UNTRACKED)])
def test_up_to_eight_children_at_one_place_are_told_apart(count: int, kind: FlowKind) -> None:
    b = Builder(np.random.default_rng(0))
    conv = b.add("Conv", ["x", b.weight(10, 4, 1, 1)])
    shifted = added_and_shifted(b, conv, 10, range(count))
    output = b.add("ReduceMean", [b.add("Conv", [shifted, b.weight(3, 10, 1, 1)])], axes=[2, 3], keepdims=0)
    opened = open_proto(b.model(["N", 4, 6, 6], output), images(0))
    (link,) = opened.wiring.flow.links[opened.layers[0].name]
    assert link.kind is kind
    if kind is FlowKind.TRACKED:
        assert len(link.features) == 10 * count
        assert_links_are_what_perturbation_shows(opened)


def test_a_place_that_depends_on_the_samples_is_not_taken_from_the_traced_ones() -> None:
    b = Builder(np.random.default_rng(0))
    conv = b.add("Conv", ["x", b.weight(4, 4, 3, 3)], pads=[1] * 4)
    strongest = b.add("ArgMax", [b.add("ReduceMean", ["x"], axes=[0, 2, 3], keepdims=0)], axis=0, keepdims=1)
    chosen = b.add("Gather", [conv, strongest], axis=1)  # another channel for other samples
    output = b.add("ReduceMean", [b.add("Conv", [chosen, b.weight(3, 1, 1, 1)])], axes=[2, 3], keepdims=0)
    opened = open_proto(b.model(["N", 4, 6, 6], output), images(0))
    (link,) = opened.wiring.flow.links[opened.layers[0].name]
    assert link.kind is FlowKind.UNTRACKED


def test_a_normalised_way_that_leads_to_no_necessary_node_does_not_count() -> None:
    b = Builder(np.random.default_rng(0))
    first = b.add("Conv", ["x", b.weight(2, 4, 1, 1)])
    normal = b.add("InstanceNormalization", [first, b.weight(2), b.weight(2)])
    beside = b.add("Conv", [b.add("Concat", [normal, "x"], axis=1), b.weight(3, 6, 1, 1)])
    plain = b.add("Conv", [b.add("Relu", [first]), b.weight(3, 2, 1, 1)])
    output = b.add("ReduceMean", [b.add("Add", [beside, plain])], axes=[2, 3], keepdims=0)
    opened = open_proto(b.model(["N", 4, 6, 6], output), images(0))
    top, of_both, of_first = opened.layers
    for node, children, kind in (
        ([3], [1], FlowKind.TRACKED),  # a channel of the input
        ([0, 3], [0, 1], FlowKind.NORMALISED),
    ):
        necessary = {of_both.name: np.array(node), of_first.name: np.array([1])}
        targets = opened.wiring.flow.targets(top, necessary, np.array([0]))
        assert targets.children.tolist() == children
        assert targets.kind is kind
        assert targets.to_outcome.tolist() == []


def test_features_that_carry_nothing_are_nodes_of_their_own() -> None:
    opened = open_proto(classifier(["pad"], "flatten", 0), images(0))
    nodes = opened.wiring.flow.nodes[opened.layers[1].name]
    of_channel = [list(range(36 * channel, 36 * (channel + 1))) for channel in range(4)]
    zeros = [[feature] for channel in (0, 3) for feature in of_channel[channel]]
    assert sorted(node.tolist() for node in nodes) == sorted([*zeros, of_channel[1], of_channel[2]])
