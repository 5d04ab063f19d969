"""Means added to biases: shared, broadcast, multiplied, missing; what cannot be exact is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord, ReadingRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.masked_file import repair
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.networks import Builder
from tests.support.repairs import VERSION, from_file, masks_of, repaired, run

X = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)
MEANS = [0.5, -1.0, 2.0, 3.0]


def builder() -> Builder:
    return Builder(np.random.default_rng(0))


def names(proto: onnx.ModelProto) -> list[str]:
    return [layer.name for layer in find_layers(index_graph(proto, 17))]


def asked(*layers: str) -> tuple[list[MaskRecord], list[MeanRecord]]:
    """Return masks of two parents of each layer, and the means of all."""
    masks = [MaskRecord(layer=layer, parents=[1, 3], beta=0.25) for layer in layers]
    return masks, [MeanRecord(layer=layer, parents=[0, 1, 2, 3], values=MEANS) for layer in layers]


def alike(proto: onnx.ModelProto, *layers: str, output: str | None = None) -> onnx.ModelProto:
    """Return the folded file, which must compute what the masked one does."""
    masks, means = asked(*layers)
    reading = ReadingRecord(output=output)
    masked, folded = (
        repaired(proto, form, *masks, means=means, reading=reading).proto for form in (Form.MASKED, Form.FOLDED)
    )
    onnx.checker.check_model(folded, full_check=True)
    shape = [dim.dim_value or len(X) for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    feeds = {"x": np.resize(X, shape)}
    for found, expected in zip(run(folded, feeds), run(masked, feeds), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    return folded


def stored(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def gemm(b: Builder, x: str, *bias: str, **settings: object) -> str:
    return b.add("Gemm", [x, b.weight(4, 4), *bias], **settings)


def types(proto: onnx.ModelProto) -> list[str]:
    return [op.op_type for op in proto.graph.node]


def test_a_bias_of_its_own_is_changed_where_it_is_stored() -> None:
    b = builder()
    bias = b.weight(4)
    proto = b.model(["N", 4], gemm(b, "x", bias, alpha=0.5, beta=2.0))
    folded = alike(proto, *names(proto))
    assert folded.graph.node == proto.graph.node
    assert set(stored(folded)) == set(stored(proto))
    weight = stored(proto)["stored_1"].astype(np.float64)
    expected = stored(proto)[bias] + 0.5 / 2.0 * 0.75 * (np.array(MEANS)[[1, 3]] @ weight[[1, 3]])
    np.testing.assert_allclose(stored(folded)[bias], expected, atol=1e-6)


@pytest.mark.parametrize("of", ["gemm", "conv", "transposed", "empty"])
def test_a_layer_without_a_bias_gets_one(of: str) -> None:
    b = builder()
    if of == "conv":
        output = b.add("GlobalAveragePool", [b.add("Conv", ["x", b.weight(4, 2, 1, 1)], group=2)])
    elif of == "transposed":
        output = b.add("GlobalAveragePool", [b.add("ConvTranspose", ["x", b.weight(4, 2, 2, 2)], strides=[2, 2])])
    else:
        output = gemm(b, "x", *([""] if of == "empty" else []))
    shape: list[int | str] = ["N", 4, 3, 3] if of in ("conv", "transposed") else ["N", 4]
    end = b.add("Flatten", [output]) if len(shape) > 2 else output
    proto = b.model(shape, end)
    (layer,) = names(proto)
    folded = alike(proto, layer)
    assert types(folded) == types(proto)
    assert set(stored(folded)) - set(stored(proto)) == {f"{layer}.folded_bias"}


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (6, 1), (1, 4), (6, 4)])
def test_a_bias_that_is_broadcast_becomes_as_large_as_it_must(shape: tuple[int, ...]) -> None:
    b = builder()
    bias = b.store(np.random.default_rng(1).normal(size=shape).astype(np.float32))
    proto = b.model([6, 4], gemm(b, "x", bias, beta=-1.5))
    folded = alike(proto, *names(proto))
    assert types(folded) == types(proto)
    is_own = shape in ((1, 4), (6, 4))
    assert (f"{names(proto)[0]}.folded_bias" in stored(folded)) != is_own


def test_a_weight_on_the_left_gets_a_bias_along_its_rows() -> None:
    b = builder()
    turned = b.add("Transpose", ["x"], perm=[1, 0])
    product = b.add("Gemm", [b.weight(4, 4), turned, b.weight(4, 1)], transA=1)
    proto = b.model(["N", 4], b.add("Transpose", [product], perm=[1, 0]))
    folded = alike(proto, *names(proto))
    assert set(stored(folded)) == set(stored(proto))


def test_a_shared_bias_is_copied_for_all_but_the_last_layer() -> None:
    b = builder()
    bias = b.weight(4)
    proto = b.model(["N", 4], gemm(b, b.add("Relu", [gemm(b, "x", bias)]), bias))
    first, second = names(proto)
    alone = alike(proto, first)
    np.testing.assert_array_equal(stored(alone)[bias], stored(proto)[bias])
    assert set(stored(alone)) - set(stored(proto)) == {f"{first}.folded_bias"}
    both = alike(proto, first, second)
    assert set(stored(both)) - set(stored(proto)) == {f"{first}.folded_bias"}
    assert (stored(both)[bias] != stored(proto)[bias]).all()


def test_a_bias_that_is_also_an_output_or_moved_is_copied() -> None:
    b = builder()
    bias = b.weight(1, 4)
    moved = b.add("Squeeze", [bias, b.integers(0)])
    proto = b.model(["N", 4], gemm(b, b.add("Relu", [gemm(b, "x", bias)]), moved))
    proto.graph.output.append(helper.make_tensor_value_info(bias, TensorProto.FLOAT, [1, 4]))
    folded = alike(proto, *names(proto), output=proto.graph.output[0].name)
    assert len(stored(folded)) == len(stored(proto)) + 2
    np.testing.assert_array_equal(stored(folded)[bias], stored(proto)[bias])


def test_a_bias_in_a_constant_op_is_changed_in_place() -> None:
    b = builder()
    constant = b.add("Constant", [], value=numpy_helper.from_array(np.ones(4, np.float32)))
    proto = b.model(["N", 4], gemm(b, "x", constant))
    folded = alike(proto, *names(proto))
    assert set(stored(folded)) == set(stored(proto))


def test_a_matmul_gets_an_add_the_only_op_that_folding_adds() -> None:
    b = builder()
    proto = b.model(["N", 4], b.add("Relu", [b.add("MatMul", ["x", b.weight(4, 4)])]))
    (layer,) = names(proto)
    folded = alike(proto, layer)
    assert types(folded) == ["MatMul", "Add", "Relu"]
    assert folded.graph.node[-1] == proto.graph.node[-1]
    masks, means = asked(layer)
    found = repaired(proto, Form.FOLDED, *masks, means=means)
    assert (found.record.inserted, found.record.shifts) == ({}, {layer: f"{layer}.shift"})


def test_a_bias_of_its_own_file_stays_in_a_file_of_its_own(tmp_path: Path) -> None:
    b = builder()
    hidden = b.add("Relu", [gemm(b, "x", b.weight(4))])
    proto = b.model(["N", 4], b.add("MatMul", [hidden, b.weight(4, 4)]))
    path = tmp_path / "model.onnx"
    split = onnx.ModelProto.FromString(proto.SerializeToString())
    onnx.save(split, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    original = from_file(path)
    masks, means = asked(*names(proto))
    found = repair(original, masks_of(original, masks, means=means), Form.FOLDED, VERSION)
    held = {tensor.name: tensor for tensor in found.proto.graph.initializer}
    (data,) = found.data
    assert all(held[name].external_data[0].value == data for name in ("stored_0", "stored_1", "stored_2"))
    (tmp_path / data).write_bytes(found.data[data])
    (tmp_path / "out.onnx").write_bytes(found.proto.SerializeToString())
    whole = onnx.load(tmp_path / "out.onnx")
    expected = repaired(proto, Form.MASKED, *masks, means=means).proto
    np.testing.assert_allclose(run(whole, {"x": X})[0], run(expected, {"x": X})[0], atol=1e-5)


def test_ir_3_lists_the_new_bias_as_an_input() -> None:
    b = builder()
    proto = b.model(["N", 4], b.add("MatMul", [gemm(b, "x"), b.weight(4, 4)]))
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    folded = alike(proto, *names(proto))
    assert {value.name for value in folded.graph.input} == {"x", *stored(folded)}


def fed(*, shared: bool) -> onnx.ModelProto:
    """Return a model whose bias is an input with a default."""
    b = builder()
    bias = b.weight(4)
    product = gemm(b, "x", bias)
    if shared:
        product = b.add("Add", [product, bias])
    return b.model(["N", 4], product, beside=[helper.make_tensor_value_info(bias, TensorProto.FLOAT, [4])])


def test_the_default_of_a_bias_that_may_be_fed_is_changed() -> None:
    proto = fed(shared=False)
    folded = alike(proto, *names(proto))
    assert folded.graph.input == proto.graph.input
    assert set(stored(folded)) == set(stored(proto))


def without_bias() -> onnx.ModelProto:
    b = builder()
    return b.model(["N", 4], gemm(b, "x", b.weight(4), beta=0.0))


def computed() -> onnx.ModelProto:
    b = builder()
    return b.model(["N", 4], gemm(b, "x", b.add("ReduceMean", ["x"], axes=[0], keepdims=0)))


def quantised(bias: str = "", *, uses: int = 1, kind: type = np.int32) -> onnx.ModelProto:
    """Return a Gemm with a quantised weight, and a bias in float, in whole numbers, or none."""
    b = builder()
    steps = b.store(np.array([0.5, 0.25, 0.125, 1.0], np.float32))
    weight = b.add("DequantizeLinear", [b.store(np.full((4, 4), 3, np.int8)), steps], axis=1)
    given = []
    if bias == "float":
        given = [b.weight(4)]
    elif bias == "whole":
        given = [b.add("DequantizeLinear", [b.store(np.array([5, -7, 0, 2], kind)), steps], axis=0)]
    product = b.add("Gemm", ["x", weight, *given])
    if uses > 1:
        product = b.add("Add", [product, given[0]])
    return b.model(["N", 4], product)


def test_a_bias_of_whole_numbers_takes_whole_steps() -> None:
    proto = quantised("whole")
    (layer,) = names(proto)
    entry = MaskRecord(layer=layer, parents=[1, 3], beta=0.0)
    mean = MeanRecord(layer=layer, parents=[1, 3], values=[-1.0, 3.1])
    folded = repaired(proto, Form.FOLDED, entry, means=[mean]).proto
    assert folded.graph.node == proto.graph.node
    held = stored(folded)["stored_2"]
    assert held.dtype == np.int32
    np.testing.assert_array_equal(held, np.array([5, -7, 0, 2]) + 6)  # 3 steps of a weight times a sum of 2.1


def test_a_bias_in_float_of_a_quantised_weight_is_added_to_exactly() -> None:
    proto = quantised("float")
    (layer,) = names(proto)
    entry = MaskRecord(layer=layer, parents=[1, 3], beta=0.0)
    _, means = asked(layer)
    folded, masked = (repaired(proto, form, entry, means=means).proto for form in (Form.FOLDED, Form.MASKED))
    assert folded.graph.node == proto.graph.node
    computed, expected = (run(found, {"x": X}, optimised=False)[0] for found in (folded, masked))
    np.testing.assert_allclose(computed, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "beta", "told"),
    [
        (without_bias, 0.0, "multiplies its bias by 0"),
        (computed, 0.0, "computed while the model runs"),
        (quantised, 0.0, "it is quantised, and has no bias"),
        (lambda: quantised("whole", uses=2), 0.0, "not for it alone"),
        (lambda: quantised("whole", kind=np.int8), 0.0, "not for it alone"),
        (lambda: fed(shared=True), 0.0, "is an input with a default"),
    ],
)
def test_what_would_not_be_exact_is_refused(make: Callable[[], onnx.ModelProto], beta: float, told: str) -> None:
    proto = make()
    (layer,) = names(proto)
    entry = MaskRecord(layer=layer, parents=[1, 3], beta=beta)
    mean = MeanRecord(layer=layer, parents=[1], values=[2.0])
    with pytest.raises(ModelError, match="cannot be added to the bias") as caught:
        repaired(proto, Form.FOLDED, entry, means=[mean])
    assert told in caught.value.why
    assert "--form masked" in caught.value.remedy
    repaired(proto, Form.MASKED, entry, means=[mean])
    repaired(proto, Form.FOLDED, entry)
