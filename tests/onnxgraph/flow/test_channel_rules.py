"""What one op hands on, said case by case: which children stand where, and when they cannot be followed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.onnxgraph.flow.channel_rules import (
    MIXED,
    STATISTIC,
    Carried,
    Operand,
    Strand,
    compressed,
    hand_on,
)

OPSET = 17
CHANNELS: Strand = np.array([1, 2, 3], np.int64).reshape(1, 3, 1, 1)
"""Three children, one a channel, of maps."""
MAPS = (1, 3, 4, 4)


def map_of(*children: int) -> Strand:
    return np.array(children, np.int64).reshape(1, -1, 1, 1)


def row_of(*children: int) -> Strand:
    return np.array([children], np.int64)


def maps(*strands: Strand, normalised: bool = False, shape: tuple[int, ...] | None = MAPS) -> Operand:
    return Operand(shape, None, Carried(strands or (CHANNELS,), normalised))


def held(*values: int) -> Operand:
    return Operand((len(values),), np.array(values, np.int64))


FREE = Operand(MAPS)
"""A tensor without children."""
MIXED_MAPS = Operand(MAPS, None, MIXED)
SCALE = Operand((), None, STATISTIC)


def carried(
    op_type: str,
    operands: Sequence[Operand | None],
    *shapes: tuple[int, ...] | None,
    domain: str = "",
    outputs: int = 1,
    opset: int = OPSET,
    **attributes: Any,
) -> tuple[Carried | None, ...]:
    names = [f"in{place}" if operand is not None else "" for place, operand in enumerate(operands)]
    op = helper.make_node(op_type, names, [f"out{place}" for place in range(outputs)], domain=domain, **attributes)
    return hand_on(op, operands, shapes or (MAPS,) * outputs, opset)


def strands(found: Carried | None) -> list[Any]:
    assert found is not None
    assert not found.mixed
    return [strand.tolist() for strand in found.strands]


def one_strand(found: Carried | None) -> NDArray[np.int64]:
    assert found is not None
    (strand,) = found.strands
    return strand


def assert_mixed(found: Sequence[Carried | None], outputs: int = 1) -> None:
    assert [one is not None and (one.mixed, one.statistic, one.strands) for one in found] == [
        (True, False, ())
    ] * outputs


def test_nothing_carried_is_nothing_handed_on() -> None:
    assert carried("Add", [FREE, FREE]) == (None,)
    assert carried("Split", [FREE, held(1, 2)], outputs=2, axis=1) == (None, None)
    assert carried("Conv", [FREE, None]) == (None,)


@pytest.mark.parametrize("op_type", ["Shape", "Size", "ConstantOfShape"])
def test_what_does_not_depend_on_values_carries_nothing(op_type: str) -> None:
    assert carried(op_type, [maps()]) == (None,)
    assert carried(op_type, [MIXED_MAPS]) == (None,)


@pytest.mark.parametrize("normalised", [False, True])
def test_pointwise_ops_leave_children_and_what_was_passed(*, normalised: bool) -> None:
    (found,) = carried("Relu", [maps(normalised=normalised)])
    assert strands(found) == [CHANNELS.tolist()]
    assert found is not None
    assert found.normalised is normalised


def test_an_op_of_another_domain_mixes() -> None:
    assert_mixed(carried("Relu", [maps()], domain="vendor"))
    assert_mixed(carried("Reshape", [maps(), held(1, 48)], (1, 48), domain="vendor"))
    assert strands(carried("Relu", [maps()], domain="ai.onnx")[0]) == [CHANNELS.tolist()]


def test_an_op_without_a_rule_mixes_in_every_output() -> None:
    assert_mixed(carried("TopK", [maps(), held(1)], MAPS, MAPS, outputs=2), 2)
    assert_mixed(carried("MatMul", [maps(), FREE]))


def test_what_is_mixed_stays_mixed() -> None:
    assert_mixed(carried("Relu", [MIXED_MAPS]))
    assert_mixed(carried("Add", [maps(), MIXED_MAPS]))
    assert_mixed(carried("Split", [MIXED_MAPS, held(1, 2)], outputs=2, axis=1), 2)
    assert_mixed(carried("Gelu", [MIXED_MAPS], domain="com.microsoft"))


def test_children_among_the_parameters_mix() -> None:
    assert_mixed(carried("Reshape", [FREE, Operand((2,), None, Carried((np.array([1], np.int64),)))], (1, 48)))
    assert_mixed(carried("BatchNormalization", [maps(), *[Operand((3,), None, Carried((np.array([1, 2, 3]),)))] * 4]))
    # A parameter that was left out is none.
    assert strands(carried("Resize", [maps(), None, held(1)], (1, 3, 8, 8))[0]) == [CHANNELS.tolist()]


def test_sums_keep_the_children_of_both() -> None:
    (found,) = carried("Add", [maps(), maps(map_of(4, 5, 6))])
    assert strands(found) == [map_of(1, 2, 3).tolist(), map_of(4, 5, 6).tolist()]
    # Where they do not meet, one strand holds both.
    (found,) = carried("Add", [maps(map_of(1, 0, 0)), maps(map_of(0, 2, 0))])
    assert strands(found) == [map_of(1, 2, 0).tolist()]
    # And the same children are the same strand.
    (found,) = carried("Add", [maps(map_of(1, 2, 3)), maps(map_of(1, 0, 3))])
    assert strands(found) == [map_of(1, 2, 3).tolist()]


def test_three_that_meet_in_part() -> None:
    (found,) = carried("Sum", [maps(map_of(1, 0, 0)), maps(map_of(2, 0, 3)), maps(map_of(0, 4, 0))])
    assert strands(found) == [map_of(1, 4, 0).tolist(), map_of(2, 0, 3).tolist()]


def test_sums_are_normalised_where_one_of_them_was() -> None:
    (found,) = carried("Add", [maps(), maps(map_of(4, 5, 6), normalised=True)])
    assert found is not None
    assert found.normalised


def test_operands_of_lower_rank_stand_along_the_last_axes() -> None:
    bias = Operand((4,), None, Carried((np.array([7, 8, 9, 9], np.int64),)))
    (found,) = carried("Add", [FREE, bias])
    assert one_strand(found).tolist() == [[[[7, 8, 9, 9]]]]
    # A strand of no more rank than its operand: what is above is given in front.
    (found,) = carried("Mul", [bias, FREE, None])
    assert one_strand(found).shape == (1, 1, 1, 4)


def test_concatenated_channels_follow_each_other() -> None:
    (found,) = carried("Concat", [maps(), FREE, maps(map_of(4, 5, 6))], (1, 9, 4, 4), axis=1)
    assert strands(found) == [map_of(1, 2, 3, 0, 0, 0, 4, 5, 6).tolist()]


def test_concatenation_of_several_strands_keeps_each() -> None:
    both = maps(map_of(1, 2, 3), map_of(4, 5, 6))
    (found,) = carried("Concat", [both, maps(map_of(7, 8, 9), normalised=True)], (1, 6, 4, 4), axis=1)
    assert strands(found) == [map_of(1, 2, 3, 7, 8, 9).tolist(), map_of(4, 5, 6, 0, 0, 0).tolist()]
    assert found is not None
    assert found.normalised


def test_split_hands_each_part_its_own() -> None:
    first, second = carried("Split", [maps(), held(1, 2)], (1, 1, 4, 4), (1, 2, 4, 4), outputs=2, axis=1)
    assert (strands(first), strands(second)) == ([[[[[1]]]]], [map_of(2, 3).tolist()])
    # A part without children carries nothing.
    first, second = carried("Split", [maps(map_of(0, 2, 3)), held(1, 2)], MAPS, MAPS, outputs=2, axis=1)
    assert first is None
    assert strands(second) == [map_of(2, 3).tolist()]


def test_moved_values_take_their_children_along() -> None:
    (found,) = carried("Transpose", [maps()], (1, 4, 4, 3), perm=[0, 2, 3, 1])
    assert one_strand(found).tolist() == [[[[1, 2, 3]]]]
    (found,) = carried("Flatten", [maps()], (1, 48), axis=1)
    assert one_strand(found).tolist() == [[1] * 16 + [2] * 16 + [3] * 16]
    (found,) = carried("Gather", [maps(), held(2, 0)], (1, 2, 4, 4), axis=1)
    assert strands(found) == [map_of(3, 1).tolist()]
    (found,) = carried("Slice", [maps(), held(1), held(3), held(1)], (1, 2, 4, 4))
    assert strands(found) == [map_of(2, 3).tolist()]


def test_numbers_of_children_are_exact_up_to_two_to_the_24() -> None:
    most = 2**24
    (found,) = carried("Transpose", [maps(map_of(most, most - 1, 1))], (1, 4, 4, 3), perm=[0, 2, 3, 1])
    assert one_strand(found).tolist() == [[[[most, most - 1, 1]]]]


def test_a_move_that_cannot_be_run_mixes() -> None:
    assert_mixed(carried("Reshape", [maps(), Operand((2,))], (1, 48)))  # a shape that is not known
    assert_mixed(carried("Reshape", [maps(), held(5, 5)], (5, 5)))  # nor possible
    assert_mixed(carried("Flatten", [maps(shape=None)], (1, 48)))  # of a tensor whose shape is not
    assert_mixed(carried("Split", [maps(), Operand((2,))], MAPS, MAPS, outputs=2, axis=1), 2)
    assert_mixed(carried("Concat", [maps(), Operand(None)], (1, 6, 4, 4), axis=1))


def test_the_border_of_a_map_is_of_the_map() -> None:
    (found,) = carried("Pad", [maps(), held(0, 0, 1, 1, 0, 0, 1, 1)], (1, 3, 6, 6))
    assert strands(found) == [CHANNELS.tolist()]
    # Of any value: that says nothing of a child.
    value = Operand((), np.array(7, np.float32))
    (found,) = carried("Pad", [maps(), held(0, 0, 1, 1, 0, 0, 1, 1), value], (1, 3, 6, 6))
    assert strands(found) == [CHANNELS.tolist()]
    # Channels that are added have no child.
    (found,) = carried("Pad", [maps(), held(0, 1, 0, 0, 0, 2, 0, 0), value], (1, 6, 4, 4))
    assert strands(found) == [map_of(0, 1, 2, 3, 0, 0).tolist()]
    # Of each strand its own axes.
    rows = np.array([1, 2, 3, 4], np.int64).reshape(1, 1, 4, 1)
    (found,) = carried("Pad", [maps(CHANNELS, rows), held(0, 0, 1, 1, 0, 0, 1, 1)], (1, 3, 6, 6))
    assert strands(found) == [CHANNELS.tolist(), np.array([0, 1, 2, 3, 4, 0]).reshape(1, 1, 6, 1).tolist()]


def test_nothing_but_a_pad_has_borders() -> None:
    (found,) = carried("Tile", [maps(), held(1, 2, 1, 1)], (1, 6, 4, 4))
    assert strands(found) == [map_of(1, 2, 3, 1, 2, 3).tolist()]


def test_reductions_keep_what_does_not_vary_along_their_axes() -> None:
    (found,) = carried("ReduceMean", [maps()], (1, 3, 1, 1), axes=[2, 3])
    assert strands(found) == [CHANNELS.tolist()]
    (found,) = carried("ReduceMean", [maps()], (1, 3), axes=[2, 3], keepdims=0)
    assert one_strand(found).tolist() == [[1, 2, 3]]
    # Axes given by an operand, from the end too.
    (found,) = carried("ReduceSum", [maps(), held(-1, -2)], (1, 3), keepdims=0)
    assert one_strand(found).tolist() == [[1, 2, 3]]
    assert_mixed(carried("ReduceMean", [maps()], (1, 1, 4, 4), axes=[1]))
    assert_mixed(carried("ReduceSum", [maps(), Operand((2,))], (1, 3), keepdims=0))  # axes that are not known
    assert_mixed(carried("ReduceSum", [maps(), None], (), keepdims=0))  # over all


def test_of_several_strands_all_must_keep() -> None:
    rows = np.array([1, 2, 3, 4], np.int64).reshape(1, 1, 4, 1)
    assert_mixed(carried("ReduceMean", [maps(CHANNELS, rows)], (1, 3, 1, 1), axes=[2, 3]))
    (found,) = carried("ReduceMean", [maps(CHANNELS, map_of(4, 5, 6))], (1, 3, 1, 1), axes=[2, 3])
    assert strands(found) == [map_of(1, 2, 3).tolist(), map_of(4, 5, 6).tolist()]


def test_pools_mix_rows_and_columns_alone() -> None:
    (found,) = carried("MaxPool", [maps()], (1, 3, 2, 2), kernel_shape=[2, 2])
    assert strands(found) == [CHANNELS.tolist()]
    rows = np.array([1, 2, 3, 4], np.int64).reshape(1, 1, 4, 1)
    assert_mixed(carried("MaxPool", [maps(rows)], (1, 3, 2, 2), kernel_shape=[2, 2]))
    assert_mixed(carried("MaxPool", [maps()], None, kernel_shape=[2, 2]))  # its size is not known
    # Which position was the largest is not of a child.
    first, second = carried("MaxPool", [maps()], (1, 3, 2, 2), None, outputs=2, kernel_shape=[2, 2])
    assert strands(first) == [CHANNELS.tolist()]
    assert second is MIXED


def test_softmax_mixes_along_its_axis() -> None:
    assert_mixed(carried("Softmax", [maps()], axis=1))
    assert strands(carried("Softmax", [maps()], axis=-1)[0]) == [CHANNELS.tolist()]
    # Before opset 13, along all axes from its own on.
    assert strands(carried("Softmax", [maps()], axis=2, opset=12)[0]) == [CHANNELS.tolist()]
    assert_mixed(carried("Softmax", [maps()], axis=0, opset=12))


def test_normalisations_leave_children_and_are_told() -> None:
    parameters = [Operand((3,)), Operand((3,))]
    (found,) = carried("InstanceNormalization", [maps(), *parameters])
    assert strands(found) == [CHANNELS.tolist()]
    assert found is not None
    assert found.normalised
    (found,) = carried("LayerNormalization", [maps(), *parameters], axis=1)
    assert strands(found) == [CHANNELS.tolist()]
    (found,) = carried("BatchNormalization", [maps(), *parameters, *parameters])
    assert found is not None
    assert not found.normalised


def test_without_the_shape_of_the_first_operand_it_mixes() -> None:
    assert_mixed(carried("ReduceMean", [maps(shape=None)], (1, 3, 1, 1), axes=[2, 3]))
    assert_mixed(carried("LayerNormalization", [maps(shape=None), Operand((3,))], axis=1))


def test_a_first_operand_without_children_mixes() -> None:
    assert_mixed(carried("Cast", [None, maps()]))
    assert_mixed(carried("Dropout", [FREE, maps()]))


def test_strands_without_a_child_are_none() -> None:
    (found,) = carried("Relu", [maps(map_of(0, 0, 0), map_of(0, 1, 0))])
    assert strands(found) == [map_of(0, 1, 0).tolist()]


def test_a_statistic_stays_one_through_what_works_point_by_point() -> None:
    for op_type in ("Mul", "Cast", "Reshape", "Squeeze", "Unsqueeze"):
        assert carried(op_type, [SCALE, held(1)], ()) == (STATISTIC,)
    assert carried("Add", [SCALE, SCALE], ()) == (STATISTIC,)
    assert_mixed(carried("Transpose", [SCALE], ()))
    assert_mixed(carried("Mul", [SCALE, SCALE], (), domain="vendor"))
    assert_mixed(carried("Split", [SCALE], (), (), outputs=2), 2)


def test_what_a_statistic_scales_is_normalised() -> None:
    (found,) = carried("Mul", [maps(), SCALE])
    assert strands(found) == [CHANNELS.tolist()]
    assert found is not None
    assert found.normalised
    (found,) = carried("Mul", [SCALE, maps(), None])
    assert strands(found) == [CHANNELS.tolist()]
    assert_mixed(carried("Mul", [MIXED_MAPS, SCALE]))
    assert_mixed(carried("Reshape", [maps(), SCALE], (1, 48)))
    assert_mixed(carried("Mul", [maps(), SCALE], domain="vendor"))


MICROSOFT = "com.microsoft"


@pytest.mark.parametrize("normalised", [False, True])
def test_fused_activations_leave_children(*, normalised: bool) -> None:
    (found,) = carried("FastGelu", [maps(normalised=normalised), FREE], domain=MICROSOFT)
    assert strands(found) == [CHANNELS.tolist()]
    assert found is not None
    assert found.normalised is normalised
    assert_mixed(carried("FusedMatMul", [maps(), FREE], domain=MICROSOFT))
    first, second = carried("BiasGelu", [maps(), maps(map_of(4, 5, 6))], MAPS, MAPS, domain=MICROSOFT, outputs=2)
    assert strands(first) == [map_of(1, 2, 3).tolist(), map_of(4, 5, 6).tolist()]
    assert second is MIXED


@pytest.mark.parametrize("op_type", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
@pytest.mark.parametrize("normalised", [False, True])
def test_a_normalised_sum_is_told_from_the_sum(op_type: str, *, normalised: bool) -> None:
    row = Operand((1, 3), None, Carried((row_of(1, 2, 3),), normalised))
    other = Operand((1, 3), None, Carried((row_of(4, 5, 6),)))
    weight, bias = Operand((3,)), Operand((3,), None, Carried((np.array([7, 8, 9]),)))
    found = carried(op_type, [row, other, weight, weight, bias], domain=MICROSOFT, outputs=4)
    results = [None if one is None else (one.mixed, one.normalised) for one in found]
    assert results == [(False, True), (True, False), (True, False), (False, normalised)]
    for place in (0, 3):
        one = found[place]
        assert one is not None
        assert [strand.tolist() for strand in one.strands] == [[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 9]]]
    assert len(carried(op_type, [row, other, weight], domain=MICROSOFT)) == 1


@pytest.mark.parametrize("place", [2, 3])
def test_children_among_the_parameters_of_a_normalised_sum_mix(place: int) -> None:
    operands: list[Operand | None] = [maps(), maps(map_of(4, 5, 6)), Operand((3,)), None]
    operands[place] = maps()
    assert_mixed(carried("SkipLayerNormalization", operands, domain=MICROSOFT, outputs=2), 2)


def test_compressed_drops_what_does_not_vary() -> None:
    full = np.broadcast_to(CHANNELS, (2, 3, 4, 4)).astype(np.int64)
    assert compressed(full).tolist() == CHANNELS.tolist()
    varying = full.copy()
    varying[1, 2, 3, 3] = 9
    assert compressed(varying).tolist() == varying.tolist()
