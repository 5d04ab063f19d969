"""Layers fitted anew: known answers, a slow solution over explicit patches, and what is left alone."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from onnxcausal.analysis.formats.refit_metadata import REFIT_KEY
from onnxcausal.analysis.formats.repair_metadata import KEY, Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.original.original import record_of
from onnxcausal.onnxgraph.refitting.im2col import as_matrix, from_matrix, rows_of
from onnxcausal.onnxgraph.refitting.refit import Lossy, Refitted, Unfit, refit
from onnxcausal.onnxgraph.refitting.refitted_file import not_in_file, with_refitted
from tests.support.networks import Builder
from tests.support.pruned import builder, conv, gemm, head, layer_at, layers_of, masked, samples, stored
from tests.support.repairs import from_file, in_code, masks_of, repaired, run

Array = NDArray[np.floating]


def fitted(
    proto: onnx.ModelProto, layer: int, *parents: int, count: int = 400
) -> tuple[Repaired, list[Refitted], list[Unfit], Array]:
    """Return the pruned file without parents of a layer, what was fitted on random samples, and the samples."""
    name = layer_at(proto, layer)
    found = repaired(proto, Form.PRUNED, masked(name, *parents))
    outputs = {one.name: one.output for one in layers_of(proto)}
    lossy = [
        Lossy(lost.layer, outputs[lost.layer], tuple(np.setdiff1d(range(lost.of_children), lost.children).tolist()))
        for lost in found.removed
        if lost.parents
    ]
    x = samples(proto, count)
    networks = (open_network(in_code(proto).model), open_network(in_code(found.proto).model))
    return found, *refit(networks, lossy, lambda: [x], len(x), seed=0), x


def written(found: Repaired, proto: onnx.ModelProto, layers: list[Refitted]) -> onnx.ModelProto:
    original = in_code(proto)
    return with_refitted(found, original, layers, masks_of(original, []), {}).proto


def linear(b: Builder, *, bias: bool = True) -> onnx.ModelProto:
    """Return two layers without an activation between; features 4 and 5 of the hidden ones repeat others."""
    first = b.rng.normal(size=(4, 6)).astype(np.float32)
    first[:, 4], first[:, 5] = first[:, 0], first[:, 1] + first[:, 2]
    hidden = b.add("MatMul", ["x", b.store(first)])
    if not bias:
        return b.model(["N", 4], b.add("MatMul", [hidden, b.weight(6, 3)]))
    return b.model(["N", 4], gemm(b, hidden, 6, 3))


@pytest.mark.parametrize("bias", [False, True])
def test_what_features_that_repeat_others_did_is_made_up_for(bias: bool) -> None:
    proto = linear(builder(), bias=bias)
    found, layers, unfit, x = fitted(proto, 1, 4, 5)
    assert not unfit
    assert [layer.left < 1e-9 for layer in layers] == [True]
    file = written(found, proto, layers)
    onnx.checker.check_model(file, full_check=True)
    before, pruned, after = (run(one, {"x": x})[0] for one in (proto, found.proto, file))
    assert np.abs(pruned - before).max() > 0.1
    np.testing.assert_allclose(after, before, atol=2e-5)


def test_a_constant_that_was_removed_goes_to_the_bias() -> None:
    b = builder()
    alone = b.add("MatMul", ["x", b.store(np.eye(3, 4, dtype=np.float32))])
    hidden = b.add("Add", [alone, b.store(np.array([0, 0, 0, 2.5], np.float32))])
    proto = b.model(["N", 3], gemm(b, hidden, 4, 3))
    found, layers, _, x = fitted(proto, 1, 3)
    before, after = (run(one, {"x": x})[0] for one in (proto, written(found, proto, layers)))
    np.testing.assert_allclose(after, before, atol=2e-5)


CONVOLUTIONS: list[dict[str, Any]] = [
    {"pads": [1, 1, 1, 1]},
    {"pads": [0, 1, 2, 1], "strides": [2, 1]},
    {"pads": [2, 2, 2, 2], "dilations": [2, 2]},
    {"strides": [2, 3]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "VALID"},
]


@pytest.mark.parametrize("attributes", CONVOLUTIONS, ids=str)
def test_rows_times_the_weight_are_what_the_convolution_makes(attributes: dict[str, Any]) -> None:
    b = builder()
    weight = b.weight(5, 3, 3, 2)
    proto = b.model(["N", 3, 8, 7], b.add("Conv", ["x", weight], kernel_shape=[3, 2], **attributes), output_rank=4)
    (layer,) = layers_of(proto)
    x = samples(proto)
    output = run(proto, {"x": x}, optimised=False)[0]
    rows, wanted = rows_of(layer, proto.graph.node[0], x, output, most=10**6, rng=np.random.default_rng(0))
    assert len(rows) == output.size / 5
    matrix = as_matrix(layer, stored(proto)[weight])
    np.testing.assert_allclose(rows @ matrix, wanted, atol=1e-5)
    np.testing.assert_array_equal(from_matrix(layer, matrix), stored(proto)[weight])
    some, of_them = rows_of(layer, proto.graph.node[0], x, output, most=9, rng=np.random.default_rng(0))
    assert len(some) == 9
    np.testing.assert_allclose(some @ matrix, of_them, atol=1e-5)


def test_a_convolution_is_fitted_as_a_slow_solution_over_explicit_patches_is() -> None:
    b = builder(3)
    first = b.add("Relu", [conv(b, "x", 5, 3)])
    proto = b.model(["N", 3, 5, 5], head(b, b.add("Relu", [conv(b, first, 4, 5)]), 4))
    found, layers, _, x = fitted(proto, 1, 1, 3, count=40)
    (layer,) = layers
    inputs = tensor_of(found.proto, layers_of(found.proto)[1].data, x)
    wanted = tensor_of(proto, layers_of(proto)[1].output, x)
    place = layers_of(found.proto)[1]
    op = found.proto.graph.node[place.op]
    weight, bias = (stored(found.proto)[op.input[number]].astype(np.float64) for number in (1, 2))
    expected, constant = slowly(inputs, wanted, weight, bias, layer.ridge)
    for name, slow in ((op.input[1], expected), (op.input[2], constant)):
        np.testing.assert_allclose(np.asarray(layer.values[name], np.float64), np.asarray(slow, np.float64), atol=2e-5)


def slowly(inputs: Array, wanted: Array, weight: Array, bias: Array, ridge: float) -> tuple[Array, Array]:
    """Return weight and bias by least squares over patches cut out one by one."""
    padded = np.pad(inputs.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    count, children, height, width = wanted.shape
    patches, targets = [], []
    for n, row, column in product(range(count), range(height), range(width)):
        patches.append(padded[n, :, row : row + 3, column : column + 3].ravel())
        targets.append(wanted[n, :, row, column])
    x, y = np.array(patches), np.array(targets, np.float64)
    flat = weight.reshape(children, -1).T
    features = x.shape[1]
    size = ridge * float(((x - x.mean(axis=0)) ** 2).sum(axis=0).mean())
    design = np.block([[x, np.ones((len(x), 1))], [np.sqrt(size) * np.eye(features), np.zeros((features, 1))]])
    residuals = np.vstack([y - x @ flat - bias, np.zeros((features, children))])
    found = np.linalg.lstsq(design, residuals, rcond=None)[0]
    return (flat + found[:-1]).T.reshape(weight.shape), bias + found[-1]


def tensor_of(proto: onnx.ModelProto, tensor: str, x: Array) -> Array:
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    shown.graph.output.append(onnx.ValueInfoProto(name=tensor))
    return np.asarray(run(shown, {"x": x}, optimised=False)[-1])


def test_layers_are_fitted_on_what_fitted_layers_before_them_make() -> None:
    b = builder(1)
    first = b.add("Relu", [conv(b, "x", 6, 3)])
    proto = b.model(["N", 3, 5, 5], head(b, b.add("Relu", [conv(b, first, 6, 6)]), 6))
    second, last = layer_at(proto, 1), layer_at(proto, 2)
    found = repaired(proto, Form.PRUNED, masked(second, 0, 1), masked(last, 2, 3))
    outputs = {one.name: one.output for one in layers_of(proto)}
    lossy = [Lossy(second, outputs[second], (0, 1, 4, 5)), Lossy(last, outputs[last], (0, 1, 2))]
    networks = (open_network(in_code(proto).model), open_network(in_code(found.proto).model))
    x = samples(proto, 300)
    layers, _ = refit(networks, lossy, lambda: [x], len(x), seed=0)
    file = written(found, proto, layers)
    before, pruned, after = (run(one, {"x": x})[0] for one in (proto, found.proto, file))
    assert ((after - before) ** 2).sum() < 0.2 * ((pruned - before) ** 2).sum()
    first_fitted = open_network(in_code(written(found, proto, layers[:1])).model)
    only_last, _ = refit((networks[0], first_fitted), lossy[1:], lambda: [x], len(x), seed=0)
    assert only_last[0].left == pytest.approx(layers[1].left, rel=1e-3)


def test_the_file_says_that_it_is_more_than_masks() -> None:
    proto = linear(builder())
    found, layers, _, _ = fitted(proto, 1, 4, 5)
    file = written(found, proto, layers)
    held = {entry.key: entry.value for entry in file.metadata_props}
    assert KEY not in held
    assert '"refit":true' in held[REFIT_KEY]
    with pytest.raises(ModelError, match="no repaired file") as caught:
        record_of(in_code(file))
    assert "fitted to samples" in str(caught.value)


def test_layers_that_cannot_be_fitted_are_left_and_named() -> None:
    b = builder()
    proto = b.model(["N", 3, 5, 5], head(b, conv(b, conv(b, "x", 4, 3), 6, 4, group=2), 6))
    found, layers, unfit, _ = fitted(proto, 1, 0, 2)
    assert not layers
    assert unfit == [Unfit(layer_at(proto, 1), "it is in groups")]
    assert stored(written(found, proto, layers)).keys() == stored(found.proto).keys()


def test_a_shared_weight_is_left() -> None:
    b = builder()
    weight = b.weight(4, 4)
    first = b.add("MatMul", [b.add("MatMul", ["x", b.weight(4, 4)]), weight])
    proto = b.model(["N", 4], b.add("MatMul", [b.add("MatMul", [first, weight]), b.weight(4, 3)]))
    network = open_network(in_code(proto).model)
    layer = layers_of(proto)[1]
    lossy = [Lossy(layer.name, layer.output, (0, 1, 2, 3))]
    found, unfit = refit((network, network), lossy, lambda: [samples(proto)], 3, seed=0)
    assert not found
    assert unfit == [Unfit(layer.name, "something else uses its weight too")]


def test_only_the_fitted_tensors_change() -> None:
    proto = linear(builder())
    found, layers, _, _ = fitted(proto, 1, 4, 5)
    weight, bias = (entry for layer in layers for entry in layer.values)
    before, after = stored(found.proto), stored(written(found, proto, layers))
    differing = {name for name in before if not np.array_equal(before[name], after[name])}
    assert weight in differing
    assert differing <= {weight, bias}  # nothing is left for the bias to make up for
    assert {name: value.dtype for name, value in before.items()} == {name: value.dtype for name, value in after.items()}


def test_a_weight_that_another_output_of_the_file_uses_is_left() -> None:
    b = builder()
    hidden = b.add("MatMul", ["x", b.weight(4, 6)])
    last = b.weight(6, 3)
    proto = b.model(["N", 4], b.add("MatMul", [hidden, last]))
    found, layers, _, _ = fitted(proto, 1, 4, 5)
    assert not_in_file(found, layers[0]) is None
    shown = replace(found, proto=onnx.ModelProto())
    shown.proto.CopyFrom(found.proto)
    shown.proto.graph.output.append(onnx.ValueInfoProto(name=last))
    assert not_in_file(shown, layers[0]) == Unfit(layers[0].name, "something else in the file uses its weight too")


def test_weights_in_other_files_stay_in_other_files(tmp_path: Path) -> None:
    proto = linear(builder())
    inline = linear(builder())  # saving moves the weights of the message too
    onnx.save(inline, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    original = from_file(tmp_path / "m.onnx")
    name = layer_at(proto, 1)
    masks = masks_of(original, [masked(name, 4, 5)])
    found = repair(original, masks, Form.PRUNED, "0.0")
    _, layers, _, x = fitted(proto, 1, 4, 5)
    file = with_refitted(found, original, layers, masks, {})
    assert not any(tensor.raw_data for tensor in file.proto.graph.initializer if tensor.name in layers[0].values)
    for location, content in file.data.items():
        (tmp_path / location).write_bytes(content)
    onnx.save(file.proto, tmp_path / "s.onnx")
    expected = run(written(fitted(proto, 1, 4, 5)[0], proto, layers), {"x": x})[0]
    computed = ort.InferenceSession(tmp_path / "s.onnx").run(None, {"x": x})[0]
    np.testing.assert_array_equal(np.asarray(computed), expected)
