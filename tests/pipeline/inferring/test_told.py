"""What is said of models and data that are not as they should be."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal import analyze
from onnxcausal.causal.significance import Role
from onnxcausal.errors import NothingToAnalyseError
from tests.pipeline.inferring.test_tasks import head, scores
from tests.support.networks import Builder

RNG = np.random.default_rng(11)
X = RNG.normal(size=(150, 6)).astype(np.float32)


def test_a_model_that_fails_on_several_samples_does_not_mix_them(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    z = head(b, 3, b.add("Reshape", ["x", b.integers(1, 6)]))
    proto = b.model(["N", 6], z)
    onnx.save(proto, tmp_path / "model.onnx")
    each = np.concatenate([scores(proto, X[row : row + 1]) for row in range(len(X))])
    analysis = analyze(tmp_path / "model.onnx", (X, each.argmax(axis=1)), samples=10)
    assert any(
        "fails on 3 samples together" in note or "samples together: they are run one" in note for note in analysis.notes
    )
    assert not any("depends on the others" in note for note in analysis.notes)


def test_trees_are_refused_since_they_have_no_neurons(tmp_path: Path) -> None:
    tree = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0],
        class_nodeids=[1, 2],
        class_ids=[0, 1],
        class_weights=[1.0, 1.0],
        classlabels_int64s=[0, 1],
        post_transform="NONE",
    )
    graph = helper.make_graph(
        [tree],
        "tree",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "tree.onnx")
    with pytest.raises(NothingToAnalyseError, match="it decides by trees"):
        analyze(tmp_path / "tree.onnx", (X, (X[:, 0] > 0).astype(int)))


def test_how_right_a_model_is_counts_every_class_alike(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    proto = b.model(["N", 6], head(b, 3))
    onnx.save(proto, tmp_path / "model.onnx")
    decided = scores(proto, X).argmax(axis=1)
    # Right on all that is said to be class 0, and on few of the others, of which more are tried.
    y = np.where(decided == 0, 0, 3 - decided)
    y[np.flatnonzero(decided == 1)[:3]] = 1
    y[np.flatnonzero(decided == 2)[:3]] = 2
    analysis = analyze(tmp_path / "model.onnx", (X, y), samples=5)
    rates = [graph.correct / graph.examined for graph in analysis.graphs]
    rates += [(entry.correct or 0) / (entry.examined or 1) for entry in analysis.skipped]
    mean = float(np.mean(rates))
    assert mean < 0.5
    assert any(f"right on only {mean:.0%} of the samples, the mean over 3 classes" in note for note in analysis.notes)


@pytest.mark.parametrize("rounds", [True, False])
def test_nodes_that_do_less_than_a_step_are_not_said_to_do_nothing(tmp_path: Path, *, rounds: bool) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("Gemm", ["x", b.weight(4, 6)], transB=1)])
    weight = RNG.normal(size=(4, 3)).astype(np.float32)
    weight[2] *= 1e-4
    z = b.add("MatMul", [hidden, b.store(weight)])
    if rounds:
        step, zero = b.store(np.array(0.05, np.float32)), b.store(np.array(0, np.int8))
        z = b.add("DequantizeLinear", [b.add("QuantizeLinear", [z, step, zero]), step, zero])
    proto = b.model(["N", 6], z)
    onnx.save(proto, tmp_path / "model.onnx")
    analysis = analyze(tmp_path / "model.onnx", (X, scores(proto, X).argmax(axis=1)), samples=10)
    dead = [layer.having(Role.DEAD).tolist() for graph in analysis.graphs for layer in graph.layers[:1]]
    assert all((2 in held) is rounds for held in dead)
    assert any("less than half a step" in note for note in analysis.notes) is rounds
