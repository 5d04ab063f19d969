"""Quantised and fused layers: effects are those of the file itself, its weights edited."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.causal.outcome import outcome_of
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.networks import Builder
from tests.support.opened import Opened, edit, open_proto
from tests.support.oracles import Array
from tests.support.support import AGREES, open_specimen
from tests.support.zoo import PARENTS, ZOO, Kind, Specimen

QUANTISED = [specimen for specimen in ZOO if specimen.kind is Kind.QUANTISED]
NAMES = [specimen.name for specimen in QUANTISED]


@cache
def session_options() -> ort.SessionOptions:
    """Return options under which every op is run as it stands, its sums without overflow."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 4
    return options


def scores_of_file(proto: onnx.ModelProto, inputs: Mapping[str, NDArray[np.generic]]) -> Array:
    """Return the first output, sample by sample."""
    session = ort.InferenceSession(proto.SerializeToString(), session_options())
    count = len(next(iter(inputs.values())))
    rows = [session.run(None, {name: x[i : i + 1] for name, x in inputs.items()})[0] for i in range(count)]
    return np.concatenate(rows).reshape(count, -1).astype(np.float64)


def with_paths_at_zero(
    opened: Opened, layer: Layer, features: NDArray[np.int64], targets: NDArray[np.int64]
) -> onnx.ModelProto:
    """Return the file with the quantised weights of some paths set to their zero points."""
    changed = onnx.ModelProto()
    changed.CopyFrom(opened.proto)
    index = index_graph(opened.network.proto, opened.network.model.opset)
    used = value_of(index, opened.network.proto.graph.node[layer.op].input[layer.weight_input])
    assert used is not None
    stored = next(tensor for tensor in changed.graph.initializer if tensor.name == layer.weight)
    values = numpy_helper.to_array(stored)
    centred = used.astype(np.float64)
    zero = values.astype(np.float64) - centred
    edited = edit(layer, centred, features, targets, 0.0) + zero
    stored.CopyFrom(numpy_helper.from_array(edited.astype(values.dtype), stored.name))
    return changed


def effects(opened: Opened, layer: Layer, x: NDArray[np.float32], nodes: NDArray[np.int64], chosen: int) -> Array:
    every = opened.wiring.flow.nodes[layer.name]
    probe = PathProbe(layer, every, np.arange(0, layer.children, 2)).of(nodes)
    return opened.engine().effects(probe, x, lambda scores: outcome_of(scores, chosen))


@pytest.mark.parametrize("specimen", QUANTISED, ids=NAMES)
def test_effects_are_those_of_the_file_with_its_quantised_weights_at_their_zero_point(specimen: Specimen) -> None:
    opened, x = open_specimen(specimen)
    inputs = specimen.inputs()
    plain = scores_of_file(opened.proto, inputs)
    chosen = 1
    compared = 0
    for layer in opened.layers:
        nodes = np.arange(len(opened.wiring.flow.nodes[layer.name]))[:3]
        found = effects(opened, layer, x, nodes, chosen)
        for node, te in zip(nodes, found, strict=True):
            features = opened.wiring.flow.nodes[layer.name][node]
            file = with_paths_at_zero(opened, layer, features, np.arange(0, layer.children, 2))
            edited = scores_of_file(file, inputs)
            scale = max(np.abs(plain).max(), np.abs(edited).max())
            difference = np.abs(te - (edited - plain)[:, chosen]).max()
            assert difference <= opened.within(AGREES) * scale, (layer.name, node, difference / scale)
            compared += 1
    assert compared


def with_wider_steps(proto: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """Return a model whose activations have a range so much wider."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    scales = {op.input[1] for op in changed.graph.node if op.op_type == "QuantizeLinear"}
    for tensor in changed.graph.initializer:
        if tensor.name in scales:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    return changed


def deviation_from_parent(opened: Opened, specimen: Specimen, x: NDArray[np.float32]) -> float:
    """Return the root mean square of what all effects differ by from the float parent's, as a share of theirs."""
    parent, _ = open_specimen(Specimen("parent", specimen.kind, PARENTS[specimen.name], specimen.inputs))
    assert len(opened.layers) == len(parent.layers)
    originals = {layer.name: layer for layer in parent.layers}
    errors, sizes = [], []
    for layer, in_order in zip(opened.layers, parent.layers, strict=True):
        original = originals.get(layer.name.removesuffix("_quant"), in_order)
        nodes = np.arange(len(parent.wiring.flow.nodes[original.name]))
        exact = effects(parent, original, x, nodes, 1).ravel()
        errors.append(effects(opened, layer, x, nodes, 1).ravel() - exact)
        sizes.append(exact)
    return float(np.linalg.norm(np.concatenate(errors)) / np.linalg.norm(np.concatenate(sizes)))


@pytest.mark.parametrize("name", [name for name in NAMES if "DynamicQuantize" in name or "ToFloat" in name])
def test_effects_follow_those_of_the_float_parent_within_the_steps_of_eight_bits(name: str) -> None:
    specimen = next(specimen for specimen in QUANTISED if specimen.name == name)
    opened, x = open_specimen(specimen)
    assert deviation_from_parent(opened, specimen, x) <= 0.06


def test_effects_are_those_of_the_float_parent_where_steps_are_fine_and_nothing_is_cut_off() -> None:
    # A range that was calibrated cuts off what interventions push out of it: then the effects of the quantised model
    # really are others. Steps of 16 bits over four times the range leave nothing but the steps of the weights.
    specimen = next(specimen for specimen in QUANTISED if specimen.name == "QDQ, int16 activations")
    cut_off, x = open_specimen(specimen)
    wide = replace(specimen, build=lambda: with_wider_steps(specimen.build(), 4.0))
    opened, _ = open_specimen(wide)
    assert deviation_from_parent(opened, specimen, x) <= 0.01
    assert deviation_from_parent(cut_off, specimen, x) > 0.05


def quantised_in(op_type: str, **settings: Any) -> onnx.ModelProto:
    """Return a model with an op on int8 between two layers."""
    b = Builder(np.random.default_rng(0))
    scale, zeros = b.store(np.array(0.05, np.float32)), b.store(np.array(0, np.int8))
    data = b.add("QuantizeLinear", [b.add("MatMul", ["x", b.weight(6, 5)]), scale, zeros])
    inputs = [data, scale, zeros, b.store(np.array(1 / 128, np.float32)), zeros]
    b.ops.append(helper.make_node(op_type, inputs, ["q"], domain="com.microsoft", **settings))
    values = b.add("DequantizeLinear", ["q", inputs[3], zeros])
    output = b.add("MatMul", [values, b.weight(5, 3)])
    graph = b.graph(["N", 6], output)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize(
    "proto",
    [
        quantised_in("QLinearSigmoid"),
        quantised_in("QLinearLeakyRelu", alpha=0.2),
        quantised_in("QLinearSoftmax", axis=-1, opset=17),
        quantised_in("QLinearSoftmax", axis=1, opset=11),
    ],
    ids=["QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "an older QLinearSoftmax"],
)
def test_quantised_ops_without_weights_give_the_scores_of_the_file_within_a_step(proto: onnx.ModelProto) -> None:
    x = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
    expected = scores_of_file(proto, {"x": x})
    found = open_proto(proto, x).network.scores(x)
    step = 1 / 128 * 1.5 * np.sqrt(5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=step)


def test_a_factor_of_a_fused_product_has_the_type_of_its_weight() -> None:
    b = Builder(np.random.default_rng(0))
    half = b.add("Cast", ["x"], to=TensorProto.FLOAT16)
    weight = b.store(np.random.default_rng(1).normal(size=(6, 3)).astype(np.float16))
    b.ops.append(helper.make_node("FusedMatMul", [half, weight], ["h"], domain="com.microsoft", alpha=0.25))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(
        b.graph(["N", 6], b.add("Cast", ["h"], to=TensorProto.FLOAT)), opset_imports=opsets, ir_version=8
    )
    x = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)
    expected = scores_of_file(proto, {"x": x})
    np.testing.assert_allclose(open_proto(proto, x).network.scores(x), expected, rtol=0, atol=0.01)
