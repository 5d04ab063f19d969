"""Groups of channels that can go together: known ones, and what each saves."""

import onnx
import pytest

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from onnxcausal.onnxgraph.pruning import Group, removable_groups
from tests.support.networks import classifier
from tests.support.pruned import MAPS, builder, chain, conv, gemm, head, layer_at, lost, masks_for, prune
from tests.support.repairs import in_code, repaired


def found(proto: onnx.ModelProto) -> tuple[Group, ...]:
    return removable_groups(in_code(proto))


def test_in_a_chain_each_channel_is_a_group() -> None:
    proto = chain()
    one, two, three = (layer_at(proto, number) for number in range(3))
    of_first = 3 * 9 + 1 + 4 + 4 * 9  # its weights and bias, four numbers of the normalisation, the next layer's column
    of_second = 5 * 9 + 1 + 3
    assert found(proto) == (
        *(Group(((two, (c,)),), ((one, (c,)),), of_first) for c in range(5)),
        *(Group(((three, (c,)),), ((two, (c,)),), of_second) for c in range(4)),
    )


def test_a_channel_of_a_residual_stage_is_one_group_of_all_that_make_and_read_it() -> None:
    b = builder()
    stream = conv(b, "x", 4, 3)
    for _ in range(2):
        stream = b.add("Add", [conv(b, b.add("Relu", [conv(b, stream, 2, 4)]), 4, 2), stream])
    proto = b.model(MAPS, head(b, stream, 4))
    stem, in_1, out_1, in_2, out_2, last = (layer_at(proto, number) for number in range(6))
    groups = found(proto)
    assert len(groups) == 8
    for channel, group in enumerate(groups[:4]):
        assert group.parents == ((in_1, (channel,)), (in_2, (channel,)), (last, (channel,)))
        assert group.children == ((stem, (channel,)), (out_1, (channel,)), (out_2, (channel,)))
    assert [group.parents for group in groups[4:]] == [((name, (c,)),) for name in (out_1, out_2) for c in range(2)]


def test_a_depthwise_parent_and_its_children_are_one_group_which_its_readers_decide() -> None:
    b = builder()
    wide = conv(b, conv(b, "x", 3, 3), 6, 3, group=3)
    proto = b.model(MAPS, head(b, wide, 6))
    point, depth, last = (layer_at(proto, number) for number in range(3))
    for channel, group in enumerate(found(proto)):
        pair = (2 * channel, 2 * channel + 1)
        assert group.parents == ((last, pair),)
        assert group.children == ((point, (channel,)), (depth, pair))
        assert group.parameters == 3 * 9 + 1 + 2 * (9 + 1) + 2 * 3


def test_of_a_layer_in_groups_the_same_place_of_each_goes() -> None:
    b = builder()
    proto = b.model(MAPS, head(b, conv(b, conv(b, "x", 4, 3), 6, 4, group=2), 6))
    one, two, three = (layer_at(proto, number) for number in range(3))
    groups = found(proto)
    assert [group.parents for group in groups[:2]] == [((two, (0, 2)),), ((two, (1, 3)),)]
    assert [group.children for group in groups[:2]] == [((one, (0, 2)),), ((one, (1, 3)),)]
    assert [group.parents for group in groups[2:]] == [((three, (c, c + 3)),) for c in range(3)]


def test_of_shuffled_channels_a_row_is_a_group() -> None:
    b = builder()
    split = b.add("Reshape", [conv(b, "x", 6, 3), b.integers(0, 2, 3, 6, 6)])
    turned = b.add("Transpose", [split], perm=[0, 2, 1, 3, 4])
    proto = b.model(MAPS, head(b, b.add("Reshape", [turned, b.integers(0, 6, 6, 6)]), 6))
    one, two = (layer_at(proto, number) for number in range(2))
    assert [(group.parents, group.children) for group in found(proto)] == [
        (((two, (2 * c, 2 * c + 1)),), ((one, (c, c + 3)),)) for c in range(3)
    ]


def test_a_flattened_channel_is_a_group_of_all_its_features() -> None:
    b = builder()
    flat = b.add("Flatten", [conv(b, "x", 2, 3)])
    proto = b.model(MAPS, gemm(b, flat, 72, 3))
    assert [group.parents for group in found(proto)] == [
        ((layer_at(proto, 1), tuple(range(36))),),
        ((layer_at(proto, 1), tuple(range(36, 72))),),
    ]


def test_what_cannot_go_is_in_no_group() -> None:
    b = builder()
    stream = b.add("Add", [conv(b, "x", 3, 3), "x"])  # the input's channels stay
    normal = b.add("LRN", [conv(b, stream, 4, 3)], size=3)
    proto = b.model(MAPS, head(b, b.add("Relu", [conv(b, normal, 1, 4)]), 1))
    assert found(proto) == ()


def test_a_shape_that_cannot_be_followed_leaves_its_channels_out() -> None:
    b = builder()
    maps = conv(b, conv(b, "x", 2, 3), 4, 2)
    features = b.add("Mul", [b.add("Gather", [b.add("Shape", ["x"]), b.integers(2)], axis=0), b.integers(24)])
    shape = b.add("Concat", [b.integers(-1), features], axis=0)
    proto = b.model(MAPS, gemm(b, b.add("Reshape", [maps, shape]), 144, 3))
    assert [group.parents for group in found(proto)] == [((layer_at(proto, 1), (c,)),) for c in range(2)]


@pytest.mark.parametrize("block", ["batchnorm", "residual", "concat", "shuffle", "nhwc", "pad", "split", "depthwise"])
def test_a_group_saves_what_it_says(block: str) -> None:
    proto = classifier(["strided", block, "conv"], "gemm_trans_a", 0)
    for group in found(proto):
        pruned = repaired(proto, Form.PRUNED, *masks_for([group])).proto
        assert count_parameters(proto).number - count_parameters(pruned).number == group.parameters


def test_all_groups_at_once_leave_one_channel_of_each_tensor() -> None:
    proto = classifier(["conv", "residual", "batchnorm"], "flatten", 0)
    pruned = prune(proto, *masks_for(found(proto)))
    sizes = {layer: len(children) for layer, (_, children) in lost(pruned).items()}
    assert sizes
    assert all("must stay" in kept.reason.why for kept in pruned.kept)
