"""Sequences of any length, whose tables of positions have places for some."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from onnxcausal import apply
from onnxcausal.onnxgraph.file.model import load_model, opset_of
from onnxcausal.onnxgraph.flow.shape_inference import known_of
from onnxcausal.onnxgraph.graph.index import index_graph
from tests.support.networks import Builder


def with_positions(kind: str, places: int) -> onnx.ModelProto:
    """Return a model of `[N, T, 6]` that adds a table of positions, and a layer of 12 above one of 3."""
    b = Builder(np.random.default_rng(0))
    length = b.add("Slice", [b.add("Shape", ["x"]), b.integers(1), b.integers(2)])
    if kind == "slice":
        table = b.add("Slice", [b.weight(1, places, 6), b.integers(0), length, b.integers(1)])
    elif kind == "gather":
        steps = b.add("Range", [b.store(np.array(0)), b.add("Squeeze", [length]), b.store(np.array(1))])
        table = b.add("Gather", [b.weight(places, 6), steps], axis=0)
    else:  # a bias of each pair of places
        square = b.add("Concat", [length, length], axis=0)
        bias = b.add("Slice", [b.weight(places, places), b.integers(0, 0), square, b.integers(0, 1)])
        table = b.add("MatMul", [b.add("Softmax", [bias]), "x"])
    hidden = b.add("Relu", [b.add("MatMul", [b.add("Add", ["x", table]), b.weight(6, 12)])])
    scores = b.add("ReduceMean", [b.add("MatMul", [hidden, b.weight(12, 3)])], axes=[1], keepdims=0)
    return b.model(["N", "T", 6], scores)


@pytest.mark.parametrize("kind", ["slice", "gather", "pairs"])
@pytest.mark.parametrize("places", [40, 16, 5])
def test_shapes_follow_at_a_length_that_the_table_has_places_for(kind: str, places: int) -> None:
    proto = with_positions(kind, places)
    known = known_of(proto)
    index = index_graph(proto, opset_of(proto))
    above, below = [op for op in index.ops if op.op_type == "MatMul"][-2:]
    assert known.shapes[above.output[0]][-1] == 12
    assert known.shapes[below.output[0]][-1] == 3


@pytest.mark.parametrize("kind", ["slice", "gather", "pairs"])
def test_channels_below_a_table_go(tmp_path: Path, kind: str) -> None:
    onnx.save(with_positions(kind, 7), tmp_path / "model.onnx")
    held = load_model(tmp_path / "model.onnx")
    layer = [op.name for op in held.proto.graph.node if op.op_type == "MatMul"][-1]
    content = {
        "format": "onnxcausal-masks/1",
        "model": {"file": held.name, "sha256": held.sha256},
        "masks": [{"layer": layer, "nodes": [0, 5], "beta": 0.0}],
    }
    (tmp_path / "masks.json").write_text(json.dumps(content))
    smaller = apply(tmp_path / "model.onnx", tmp_path / "masks.json", tmp_path / "pruned.onnx", form="pruned").smaller
    assert smaller is not None
    assert smaller.difference is not None
    assert [len(lost.children) for lost in smaller.lost] == [2, 0]
    apply(tmp_path / "model.onnx", tmp_path / "masks.json", tmp_path / "folded.onnx", form="folded")
    x = np.random.default_rng(1).normal(size=(3, 6, 6)).astype(np.float32)
    pruned, folded = (
        ort.InferenceSession(tmp_path / f"{form}.onnx").run(None, {"x": x})[0] for form in ("pruned", "folded")
    )
    np.testing.assert_allclose(pruned, folded, atol=1e-6)
