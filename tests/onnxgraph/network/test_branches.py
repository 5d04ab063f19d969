"""If ops that constants or fixed inputs decide are their branches: the same numbers, and layers that are analysed."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal import analyze, apply
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import cut_model, open_network

RNG = np.random.default_rng(6)
X = RNG.normal(size=(80, 6)).astype(np.float32)
NAMES = ("wa", "wb", "wc")
WEIGHTS = {name: RNG.normal(size=(8, 3)).astype(np.float32) for name in NAMES}
FIRST = RNG.normal(size=(6, 8)).astype(np.float32)


def branch(name: str, *, within: list[onnx.NodeProto] | None = None, stored: str | None = None) -> onnx.GraphProto:
    """Return a body that makes scores of `r`, a tensor around it; both branches call their tensors alike."""
    ops = within or [
        helper.make_node("MatMul", ["r", stored or "w"], ["g"], name="fc"),
        helper.make_node("Identity", ["g"], [f"{name}_out"]),
    ]
    held = [] if stored else [numpy_helper.from_array(WEIGHTS[f"w{name[-1]}"], "w")]
    return helper.make_graph(
        ops, name, [], [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)], held
    )


def branched(folder: Path, *, condition: str = "rate", nested: bool = False) -> Path:
    """Return a model of `x [N, 6]` whose head depends on a rate, on a stored number, or on the samples."""
    ops = [
        helper.make_node("MatMul", ["x", "first"], ["h"], name="fc"),
        helper.make_node("Relu", ["h"], ["r"]),
    ]
    match condition:
        case "rate":
            ops.append(helper.make_node("Equal", ["rate", "wanted"], ["c"]))
        case "stored":
            ops.append(helper.make_node("Greater", ["wanted", "least"], ["c"]))
        case _:
            ops += [
                helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
                helper.make_node("Greater", ["m", "level"], ["c"]),
            ]
    other = branch("b")
    if nested:
        inner = [
            helper.make_node("Not", ["c"], ["d"]),
            helper.make_node(
                "If", ["d"], ["b_out"], name="inner", then_branch=branch("c"), else_branch=branch("a", stored="other")
            ),
        ]
        other = branch("b", within=inner, stored="other")
    ops.append(helper.make_node("If", ["c"], ["scores"], name="rates", then_branch=branch("a"), else_branch=other))
    values = {
        "first": FIRST,
        "other": WEIGHTS["wb"],
        "wanted": np.array(16000),
        "least": np.array(8000),
        "level": np.array(0.5, np.float32),
    }
    graph = helper.make_graph(
        ops,
        "branched",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6]),
            helper.make_tensor_value_info("rate", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, folder / "branched.onnx")
    return folder / "branched.onnx"


def straight(folder: Path, head: str) -> Path:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["h"], name="fc"),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "w"], ["scores"], name="rates/fc"),
        ],
        "straight",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(FIRST, "first"), numpy_helper.from_array(WEIGHTS[head], "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, folder / "straight.onnx")
    return folder / "straight.onnx"


def scores(model: Path, rate: int) -> np.ndarray:
    return np.asarray(ort.InferenceSession(model).run(None, {"x": X, "rate": np.array(rate)})[0])


@pytest.mark.parametrize(
    ("condition", "nested", "rate", "head"),
    [
        ("rate", False, 16000, "wa"),
        ("rate", False, 8000, "wb"),
        ("rate", True, 8000, "wc"),
        ("stored", False, 0, "wa"),
    ],
)
def test_the_branch_that_is_taken_is_analysed_as_if_it_stood_alone(
    tmp_path: Path, condition: str, rate: int, head: str, *, nested: bool
) -> None:
    model = branched(tmp_path, condition=condition, nested=nested)
    expected = scores(model, rate)
    y = expected.argmax(axis=1)
    found = analyze(model, (X, y), samples=10, fixed={"rate": float(rate)})
    alone = analyze(straight(tmp_path, head), (X, y), samples=10)
    assert any("branch is always taken" in note for note in found.notes)
    for one, other in zip(found.graphs, alone.graphs, strict=True):
        np.testing.assert_allclose(one.observed, expected[one.samples, one.target], atol=1e-6)
        np.testing.assert_array_equal(one.samples, other.samples)
        for own, same in zip(one.layers, other.layers, strict=True):
            assert (own.effects is None) == (same.effects is None)
            if own.effects is not None and same.effects is not None:
                np.testing.assert_allclose(own.effects.te, same.effects.te, atol=1e-6)
    assert all(graph.layers[0].effects is not None for graph in found.graphs)


def test_a_condition_of_the_samples_or_of_an_open_input_is_not_resolved(tmp_path: Path) -> None:
    by_value = load_model(branched(tmp_path, condition="samples"))
    assert cut_model(by_value, fixed={"rate": 8000.0}).notes == ()
    by_rate = load_model(branched(tmp_path))
    assert cut_model(by_rate).notes == ()
    assert any(op.op_type == "If" for op in cut_model(by_rate).proto.graph.node)


def test_names_within_a_branch_do_not_meet_those_outside(tmp_path: Path) -> None:
    model = load_model(branched(tmp_path))
    network = open_network(model, Reading(fixed={"rate": 16000.0}))
    made = [name for op in network.proto.graph.node for name in op.output]
    assert len(made) == len(set(made))
    named = [op.name for op in network.proto.graph.node if op.op_type == "MatMul"]
    assert named == ["fc", "rates/fc"]
    np.testing.assert_allclose(network.scores(X), scores(tmp_path / "branched.onnx", 16000), atol=1e-6)


def test_a_value_that_the_input_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not take the value"):
        cut_model(load_model(branched(tmp_path)), fixed={"rate": 0.5})


def test_a_branch_with_other_outputs_than_its_if_is_refused(tmp_path: Path) -> None:
    path = branched(tmp_path)
    proto = onnx.load(path)
    (op,) = [op for op in proto.graph.node if op.op_type == "If"]
    del next(entry.g for entry in op.attribute if entry.name == "then_branch").output[:]
    onnx.save(proto, path)
    with pytest.raises(ModelError):
        cut_model(load_model(path), fixed={"rate": 16000.0})


def test_masks_of_a_layer_in_a_branch_are_refused_by_name(tmp_path: Path) -> None:
    model = branched(tmp_path)
    held = load_model(model)
    content = {
        "format": "onnxcausal-masks/1",
        "model": {"file": held.name, "sha256": held.sha256},
        "masks": [{"layer": "rates/fc", "nodes": [0], "beta": 0.0}],
    }
    (tmp_path / "masks.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="rates/fc"):
        apply(model, tmp_path / "masks.json", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
