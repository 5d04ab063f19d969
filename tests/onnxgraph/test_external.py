"""Weights in files beside the model: links, places, models that do not fit into one message."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.causal.intervention import Intervention
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph import external
from onnxcausal.onnxgraph.engine import Probe
from onnxcausal.onnxgraph.model import load_model
from onnxcausal.onnxgraph.network import Network, find_wiring, open_network
from onnxcausal.onnxgraph.suffixengine import SuffixEngine
from onnxcausal.pipeline.opening import Caution, open_model
from onnxcausal.samples.source import Inputs

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(0, 0.2, size=shape).astype(np.float32) for shape in [(64, 256), (256, 5)]]
X: Inputs = RNG.normal(size=(6, 64)).astype(np.float32)


def outside(name: str, shape: Sequence[int], location: str, offset: int) -> onnx.TensorProto:
    """Return a float32 tensor that stands in another file."""
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", 4 * int(np.prod(shape)))):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write(folder: Path, tensors: Sequence[onnx.TensorProto]) -> Path:
    """Write a chain of products with these weights."""
    ops, last = [], "x"
    for number, tensor in enumerate(tensors):
        ops.append(helper.make_node("MatMul", [last, tensor.name], [f"y{number}"], name=f"product{number}"))
        last = f"y{number}"
        if not number:
            ops.append(helper.make_node("Relu", [last], ["r"]))
            last = "r"
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", tensors[0].dims[0]])
    output = helper.make_tensor_value_info(last, TensorProto.FLOAT, ["N", tensors[-1].dims[1]])
    graph = helper.make_graph(ops, "g", [given], [output], tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def write_outside(folder: Path, location: str = "weights.bin") -> Path:
    """Write a model whose weights stand in one file."""
    offsets = [0, WEIGHTS[0].nbytes]
    path = write(folder, [outside(f"w{i}", WEIGHTS[i].shape, location, offset) for i, offset in enumerate(offsets)])
    (folder / "weights.bin").write_bytes(b"".join(values.tobytes() for values in WEIGHTS))
    return path


def own_memory() -> int:
    """Return the bytes of memory that are no mapped files."""
    used = psutil.Process().memory_info()
    return int(used.rss - used.shared)


def effects(network: Network) -> list[NDArray[np.float64]]:
    wiring = find_wiring(network, X[:1])
    engine, nodes = SuffixEngine(network, wiring), wiring.flow.nodes
    probes = [
        Probe(layer, nodes[layer.name], np.arange(layer.children), Intervention()) for layer in wiring.flow.layers
    ]
    return [engine.effects(probe, X, lambda scores: outcome_of(scores, 1)) for probe in probes]


def test_mapped_weights_give_the_effects_of_inline_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [numpy_helper.from_array(values, f"w{number}") for number, values in enumerate(WEIGHTS)]
    inline = effects(open_network(load_model(write(tmp_path / "inline", tensors))))
    monkeypatch.setattr(external, "INLINE_LIMIT", 0)
    monkeypatch.setattr(external, "SMALL", 0)
    model = load_model(write_outside(tmp_path / "mapped"))
    assert all(external.is_external(tensor) and not tensor.raw_data for tensor in model.proto.graph.initializer)
    for found, expected in zip(effects(open_network(model)), inline, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        assert np.abs(expected).max() > 0.1


def test_a_symbolic_link_is_followed_only_when_asked(tmp_path: Path) -> None:
    path = write_outside(tmp_path / "snapshot")
    blob = tmp_path / "blobs" / "4f2a"
    blob.parent.mkdir()
    (path.parent / "weights.bin").rename(blob)
    (path.parent / "weights.bin").symlink_to(blob)
    with pytest.raises(ModelError, match="cannot be used") as raised:
        load_model(path)
    assert "symbolic link" in raised.value.why
    assert "--follow-links" in raised.value.remedy
    assert open_network(load_model(path, follow_links=True)).scores(X).shape == (6, 5)
    assert open_model(path, Caution(follow_links=True)).sha256 == load_model(path, follow_links=True).sha256


def test_a_hard_link_is_followed_only_when_asked(tmp_path: Path) -> None:
    path = write_outside(tmp_path / "model")
    os.link(path.parent / "weights.bin", tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="cannot be used") as raised:
        load_model(path)
    assert "hard link" in raised.value.why
    assert load_model(path, follow_links=True).proto.graph.initializer[0].raw_data


def test_a_linked_folder_on_the_way_is_a_link_too(tmp_path: Path) -> None:
    path = write_outside(tmp_path / "model", "data/weights.bin")
    (tmp_path / "other").mkdir()
    (path.parent / "weights.bin").rename(tmp_path / "other" / "weights.bin")
    (path.parent / "data").symlink_to(tmp_path / "other")
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(path)


@pytest.mark.slow
def test_a_model_beyond_what_one_message_holds_is_analysed_without_a_copy(tmp_path: Path) -> None:
    # Two weights of 1.2 GB in a file with holes: only a corner of each is written.
    shapes, corner = [(18_000, 15_000), (15_000, 18_000)], 64
    size = 4 * shapes[0][0] * shapes[0][1]
    rng = np.random.default_rng(0)
    corners = [rng.normal(0, 0.2, (corner, corner)).astype(np.float32) for _ in shapes]
    with (tmp_path / "weights.bin").open("wb") as file:
        for number, block in enumerate(corners):
            for row in range(corner):
                file.seek(number * size + row * shapes[number][1] * 4)
                file.write(block[row].tobytes())
        file.truncate(2 * size)
    last = rng.normal(0, 0.2, (18_000, 3)).astype(np.float32)
    tensors = [outside(f"w{i}", shape, "weights.bin", i * size) for i, shape in enumerate(shapes)]
    path = write(tmp_path, [*tensors, numpy_helper.from_array(last, "w2")])
    before = own_memory()
    network = open_network(load_model(path))
    x = np.zeros((3, 18_000), np.float32)
    x[:, :corner] = rng.normal(size=(3, corner))
    hidden = np.maximum(x[:, :corner].astype(np.float64) @ corners[0], 0)
    expected = hidden @ corners[1] @ last[:corner]
    np.testing.assert_allclose(network.scores(x), expected, rtol=0, atol=1e-4)
    assert own_memory() - before < 2**28  # what is mapped is the system's, which may take it back
    wiring = find_wiring(network, x[:1])
    layer = wiring.flow.layers[1]
    probe = Probe(layer, wiring.flow.nodes[layer.name], np.arange(layer.children), Intervention()).of(np.arange(5))
    te = SuffixEngine(network, wiring).effects(probe, x, lambda scores: outcome_of(scores, 1))
    for node in range(5):
        removed = -(hidden[:, node : node + 1] @ corners[1][node : node + 1] @ last[:corner])[:, 1]
        np.testing.assert_allclose(te[node], removed, rtol=0, atol=1e-4)
