"""Masks multiplied into weights: shared, moved, constant, quantised; what cannot be exact is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord, ReadingRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.networks import Builder
from tests.support.repairs import repaired, run

X = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)


def builder() -> Builder:
    return Builder(np.random.default_rng(0))


def names(proto: onnx.ModelProto) -> list[str]:
    return [layer.name for layer in find_layers(index_graph(proto, 17))]


def alike(proto: onnx.ModelProto, *entries: MaskRecord, atol: float = 1e-6) -> onnx.ModelProto:
    """Return the folded file, which must compute what the masked one does."""
    masked, folded = (repaired(proto, form, *entries).proto for form in (Form.MASKED, Form.FOLDED))
    onnx.checker.check_model(folded, full_check=True)
    # Optimised, ONNX Runtime fuses products with dequantised weights, and rounds what it makes half precision of.
    computed, expected = (run(proto, {"x": X}, optimised=False)[0] for proto in (folded, masked))
    np.testing.assert_allclose(computed, expected, rtol=0, atol=atol)
    return folded


def stored(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def test_a_shared_weight_is_copied_for_the_masked_layer_alone() -> None:
    b = builder()
    weight = b.weight(4, 4)
    proto = b.model(["N", 4], b.add("MatMul", [b.add("Relu", [b.add("MatMul", ["x", weight])]), weight]))
    first, second = names(proto)
    folded = alike(proto, MaskRecord(layer=second, parents=[0, 2], beta=0.0))
    held = stored(folded)
    np.testing.assert_array_equal(held[weight], stored(proto)[weight])
    assert set(held) == {weight, f"{second}.folded_weight"}
    both = alike(
        proto, MaskRecord(layer=first, parents=[1], beta=0.5), MaskRecord(layer=second, parents=[0, 2], beta=0.0)
    )
    assert set(stored(both)) == {weight, f"{first}.folded_weight"}  # the last user has the stored one for itself
    assert not stored(both)[weight][[0, 2]].any()


def test_a_weight_that_is_also_an_output_is_copied() -> None:
    b = builder()
    weight = b.weight(4, 4)
    proto = b.model(["N", 4], b.add("MatMul", ["x", weight]))
    (layer,) = names(proto)
    proto.graph.output.append(helper.make_tensor_value_info(weight, TensorProto.FLOAT, [4, 4]))
    entry = MaskRecord(layer=layer, parents=[1], beta=0.0)
    folded = repaired(proto, Form.FOLDED, entry, reading=ReadingRecord(output="matmul_0")).proto
    product, shown = run(folded, {"x": X})
    np.testing.assert_array_equal(shown, stored(proto)[weight])
    np.testing.assert_allclose(product, np.delete(X, 1, 1) @ np.delete(shown, 1, 0), atol=1e-6)


def test_a_weight_behind_ops_that_move_values_is_changed_where_it_is_stored() -> None:
    b = builder()
    weight = b.weight(2, 3, 2)
    flat = b.add("Reshape", [b.add("Identity", [weight]), b.integers(3, 4)])
    unsqueezed = b.add("Unsqueeze", [b.add("Transpose", [flat], perm=[1, 0]), b.integers(0)])
    proto = b.model(["N", 4], b.add("MatMul", ["x", b.add("Squeeze", [unsqueezed, b.integers(0)])]))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[1, 3], children=[0, 2], beta=0.25))
    assert [op.op_type for op in folded.graph.node] == [op.op_type for op in proto.graph.node]
    assert set(stored(folded)) == set(stored(proto))
    assert (stored(folded)[weight] != stored(proto)[weight]).sum() == 4


def test_a_moved_weight_with_another_user_is_copied_as_it_is_used() -> None:
    b = builder()
    turned = b.add("Transpose", [b.weight(4, 4)], perm=[1, 0])
    hidden = b.add("MatMul", ["x", turned])
    proto = b.model(["N", 4], b.add("Add", [hidden, b.add("ReduceSum", [turned, b.integers(0)], keepdims=0)]))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[1, 3], beta=0.0))
    np.testing.assert_array_equal(stored(folded)[f"{layer}.folded_weight"][[0, 2]], stored(proto)["stored_0"].T[[0, 2]])


def test_a_constant_op_is_changed_in_place() -> None:
    b = builder()
    values = numpy_helper.from_array(np.ones((4, 3), np.float32))
    constant = b.add("Constant", [], value=values)
    proto = b.model(["N", 4], b.add("MatMul", ["x", constant]))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[2], beta=0.5))
    held = numpy_helper.to_array(folded.graph.node[0].attribute[0].t)
    np.testing.assert_array_equal(held[2], [0.5] * 3)
    assert not folded.graph.initializer


def test_a_constant_op_of_another_kind_leaves_its_layer_a_copy() -> None:
    b = builder()
    constant = b.add("Constant", [], value_floats=[1.0, 2.0, 3.0, 4.0])
    matrix = b.add("Reshape", [constant, b.integers(4, 1)])
    proto = b.model(["N", 4], b.add("MatMul", ["x", matrix]))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[2], beta=0.0))
    np.testing.assert_array_equal(stored(folded)[f"{layer}.folded_weight"], [[1], [2], [0], [4]])


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_weights_of_other_float_types_keep_their_type(kind: type[np.floating]) -> None:
    b = builder()
    weight = b.store(np.random.default_rng(1).normal(size=(4, 3)).astype(kind))
    given = b.add("Cast", ["x"], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(kind))))
    product = b.add("MatMul", [given, weight])
    proto = b.model(["N", 4], b.add("Cast", [product], to=TensorProto.FLOAT))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[2, 3], beta=0.3), atol=1e-4)
    assert stored(folded)[weight].dtype == kind
    expected = stored(proto)[weight].copy()
    expected[2:] *= kind(0.3)
    np.testing.assert_array_equal(stored(folded)[weight], expected)


def test_weights_in_typed_fields_are_changed() -> None:
    b = builder()
    weight = b.weight(4, 3)
    proto = b.model(["N", 4], b.add("MatMul", ["x", weight]))
    values = numpy_helper.to_array(proto.graph.initializer[0]).ravel().tolist()
    proto.graph.initializer[0].CopyFrom(helper.make_tensor(weight, TensorProto.FLOAT, [4, 3], values))
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[2, 3], beta=0.3))
    expected = np.array(values, np.float32).reshape(4, 3)
    expected[2:] *= np.float32(0.3)
    np.testing.assert_array_equal(stored(folded)[weight], expected)


def dequantised(*, zero: int | list[int] | None = 3, kind: type = np.int8, beside: bool = False) -> onnx.ModelProto:
    b = builder()
    whole = b.store(np.random.default_rng(2).integers(-9, 9, size=(4, 3)).astype(kind))
    several = isinstance(zero, list)
    scale = b.store(np.array([0.5, 0.25, 0.125] if several else 0.5, np.float32))
    points = [] if zero is None else [b.store(np.array(zero, kind))]
    weight = b.add("DequantizeLinear", [whole, scale, *points], axis=1)
    turned = b.add("Identity", [weight])
    product = b.add("MatMul", ["x", turned])
    if beside:
        product = b.add("Add", [product, b.add("ReduceSum", [weight, b.integers(0)], keepdims=0)])
    return b.model(["N", 4], product)


@pytest.mark.parametrize("zero", [None, 0, 3, [1, -2, 3]])
def test_a_quantised_weight_loses_paths_by_its_zero_point(zero: int | list[int] | None) -> None:
    proto = dequantised(zero=zero)
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[2, 3], children=[0, 2], beta=0.0))
    assert folded.graph.initializer[0].data_type == TensorProto.INT8
    assert [op.op_type for op in folded.graph.node] == ["DequantizeLinear", "Identity", "MatMul"]


def on_whole_numbers(
    *, zero: int | list[int] | None = 3, kind: type = np.int8, left: bool = False, moved: bool = False, uses: int = 1
) -> onnx.ModelProto:
    """Return MatMulInteger on data quantised as it comes, the weight on either side."""
    b = builder()
    names = [f"{part}_0" for part in ("quantised", "scale", "point")]
    shown = b.add("Transpose", ["x"], perm=[1, 0]) if left else "x"
    b.ops.append(helper.make_node("DynamicQuantizeLinear", [shown], names))
    size = (3, 4) if left != moved else (4, 3)
    weight = b.store(np.random.default_rng(2).integers(0, 9, size=size).astype(kind))
    if moved:
        weight = b.add("Transpose", [weight], perm=[1, 0])
    point = "" if zero is None else b.store(np.array(zero, kind))
    sums = []
    for _ in range(uses):
        operands = [weight, names[0], point, names[2]] if left else [names[0], weight, names[2], point]
        whole = b.add("MatMulInteger", operands)
        sums.append(b.add("Mul", [b.add("Cast", [whole], to=TensorProto.FLOAT), names[1]]))
    total = sums[0] if uses == 1 else b.add("Sum", sums)
    return b.model(["N", 4], b.add("Transpose", [total], perm=[1, 0]) if left else total)


def only_layer(proto: onnx.ModelProto) -> str:
    return str(next(op.name for op in proto.graph.node if op.op_type == "MatMulInteger"))


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("zero", [None, 0, 3, [1, 2, 3]])
def test_a_layer_on_whole_numbers_loses_paths_by_its_zero_point(
    zero: int | list[int] | None, kind: type, left: bool, moved: bool
) -> None:
    if left and isinstance(zero, list):
        return  # the analysis leaves such a layer alone: it has a zero point for each row
    proto = on_whole_numbers(zero=zero, kind=kind, left=left, moved=moved)
    entry = MaskRecord(layer=only_layer(proto), parents=[2, 3], children=[0, 2], beta=0.0)
    folded = repaired(proto, Form.FOLDED, entry).proto
    assert folded.graph.node == proto.graph.node
    before, after = (tensors["stored_0"] for tensors in (stored(proto), stored(folded)))
    assert after.dtype == before.dtype
    expected = before.T.copy() if left != moved else before.copy()  # [parents, children]
    points = np.zeros(3, int) if zero is None else np.broadcast_to(zero, 3)
    expected[np.ix_([2, 3], [0, 2])] = points[[0, 2]].astype(kind)
    np.testing.assert_array_equal(after.T if left != moved else after, expected)
    # Nothing of the paths is left: what the parents are makes no difference to those children.
    changed = np.array(X)
    changed[:, 2:] *= 0.5
    changed[:, 0] = 5.0  # the range stays as it is
    other = changed.copy()
    other[:, 2:] *= -0.5
    other[0, 1], changed[0, 1] = -5.0, -5.0
    one, two = (run(folded, {"x": x})[0] for x in (changed, other))
    np.testing.assert_array_equal(one[:, [0, 2]], two[:, [0, 2]])
    assert (one[:, 1] != two[:, 1]).any()


def test_a_weight_of_whole_numbers_with_two_layers_is_copied_for_the_masked_one() -> None:
    proto = on_whole_numbers(uses=2)
    entry = MaskRecord(layer=only_layer(proto), parents=[1], beta=0.0)
    folded = repaired(proto, Form.FOLDED, entry).proto
    held = stored(folded)
    np.testing.assert_array_equal(held["stored_0"], stored(proto)["stored_0"])
    assert held[f"{entry.layer}.folded_weight"].dtype == np.int8
    assert (held[f"{entry.layer}.folded_weight"][1] == 3).all()


def computed(op_type: str) -> onnx.ModelProto:
    b = builder()
    weight = b.add(op_type, [b.weight(4, 3), *([b.weight(4, 3)] if op_type == "Mul" else [])])
    return b.model(["N", 4], b.add("MatMul", ["x", weight]))


def fed(*, shared: bool) -> onnx.ModelProto:
    """Return a model whose weight is an input with a default."""
    b = builder()
    weight = b.weight(4, 3)
    value = helper.make_tensor_value_info(weight, TensorProto.FLOAT, [4, 3])
    product = b.add("MatMul", ["x", weight])
    if shared:
        product = b.add("Add", [product, b.add("ReduceSum", [weight, b.integers(0)], keepdims=0)])
    return b.model(["N", 4], product, beside=[value])


def test_the_default_of_a_weight_that_may_be_fed_is_changed() -> None:
    proto = fed(shared=False)
    (layer,) = names(proto)
    folded = alike(proto, MaskRecord(layer=layer, parents=[1], beta=0.0))
    assert folded.graph.input == proto.graph.input
    weight = np.ones((4, 3), np.float32)
    expected = np.repeat(X.sum(axis=1)[:, None], 3, axis=1)
    np.testing.assert_allclose(run(folded, {"x": X, "stored_0": weight})[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("proto", "beta", "named"),
    [
        (dequantised(), 0.5, "DequantizeLinear), and a factor between 0 and 1 would be rounded"),
        (dequantised(beside=True), 0.0, "DequantizeLinear), and something else uses it too"),
        (dequantised(kind=np.int32, zero=None), 0.0, "DequantizeLinear), and its whole numbers are not of 8 bits"),
        (computed("Mul"), 0.0, "made by op /mul_0/Mul (Mul)"),
        (computed("Abs"), 0.0, "made by op /abs_0/Abs (Abs)"),
        (fed(shared=True), 0.0, "stored_0 is an input with a default, and something else uses it too"),
    ],
)
def test_what_would_not_be_exact_is_refused_by_name(proto: onnx.ModelProto, beta: float, named: str) -> None:
    (layer,) = names(proto)
    entry = MaskRecord(layer=layer, parents=[1], beta=beta)
    with pytest.raises(ModelError, match="cannot be multiplied into the weight") as caught:
        repaired(proto, Form.FOLDED, entry)
    assert named in caught.value.why
    assert "--form masked" in caught.value.remedy
    repaired(proto, Form.MASKED, entry)
