"""Weights in files beside the model: links, places, models that do not fit into one message."""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal import analyze
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.interface import Observation
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.reference import ReferenceEngine
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.file import external, weight_file
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.pipeline.preparing.opening import Caution, open_model
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


def map_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "INLINE_LIMIT", 0)
    monkeypatch.setattr(external, "SMALL", 0)


def load_labels(path: Path) -> NDArray[np.int64]:
    """Return the classes that the model gives the samples: all are right."""
    return np.asarray(open_network(load_model(path)).scores(X).argmax(axis=1), np.int64)


def own_memory() -> int:
    """Return the bytes of memory that are no mapped files."""
    used = psutil.Process().memory_info()
    return int(used.rss - used.shared)


def effects(network: Network) -> list[NDArray[np.float64]]:
    wiring = find_wiring(network, X[:1])
    engine, nodes = SuffixEngine(network, wiring), wiring.flow.nodes
    probes = [PathProbe(layer, nodes[layer.name], np.arange(layer.children)) for layer in wiring.flow.layers]
    return [engine.effects(probe, X, lambda scores: outcome_of(scores, 1)) for probe in probes]


def test_mapped_weights_give_the_effects_of_inline_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [numpy_helper.from_array(values, f"w{number}") for number, values in enumerate(WEIGHTS)]
    inline = effects(open_network(load_model(write(tmp_path / "inline", tensors))))
    map_everything(monkeypatch)
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


@pytest.mark.parametrize("mapped", [False, True])
def test_the_hash_is_that_of_the_file_and_of_what_stands_beside_it(
    mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mapped:
        map_everything(monkeypatch)
    path = write_outside(tmp_path)
    wanted = path.read_bytes() + b"weights.bin" + (tmp_path / "weights.bin").read_bytes()
    assert load_model(path).sha256 == hashlib.sha256(wanted).hexdigest()


def other_file(file: Path) -> None:
    (file.parent / "other").write_bytes(bytes(file.stat().st_size))
    (file.parent / "other").replace(file)


def written_to(file: Path) -> None:
    """Write into the file and set its time back."""
    before = file.stat()
    with file.open("r+b") as content:
        content.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def link(file: Path) -> None:
    (file.parent.parent / "secret").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(file.parent.parent / "secret")


def linked_folder(file: Path) -> None:
    file.parent.rename(file.parent.parent / "elsewhere")
    file.parent.symlink_to(file.parent.parent / "elsewhere")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


CHANGES: Sequence[Callable[[Path], None]] = (other_file, written_to, link, linked_folder, pipe)
NEEDS_POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes, and folders opened by name")


@NEEDS_POSIX
@pytest.mark.parametrize("change", [change for change in CHANGES if change is not linked_folder])
def test_mapped_weights_that_were_exchanged_after_the_check_are_refused(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_everything(monkeypatch)
    model = load_model(write_outside(tmp_path / "model"))
    assert open_network(model).scores(X).shape == (6, 5)
    change(tmp_path / "model" / "weights.bin")
    with pytest.raises(ModelError, match="changed while they were in use") as raised:
        open_network(model)
    assert raised.value.exit_code == 3


def test_weights_that_are_written_to_during_an_analysis_spoil_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_everything(monkeypatch)
    path = write_outside(tmp_path / "model")
    data, real = (X, load_labels(path)), ReferenceEngine.observe
    assert analyze(path, data, engine="reference", out=tmp_path / "whole").graphs

    def observe(*given: Any) -> Observation:
        seen = real(*given)
        written_to(path.parent / "weights.bin")
        return seen

    monkeypatch.setattr(ReferenceEngine, "observe", observe)
    with pytest.raises(ModelError, match="changed while they were in use"):
        analyze(path, data, engine="reference", out=tmp_path / "spoilt")
    assert not (tmp_path / "spoilt" / "analysis.json").exists()


@NEEDS_POSIX
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_exchanged_between_check_and_opening_is_not_read(
    change: Callable[[Path], None], mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mapped:
        map_everything(monkeypatch)
    path = write_outside(tmp_path / "model", "data/weights.bin")
    (path.parent / "data").mkdir()
    file = (path.parent / "weights.bin").rename(path.parent / "data" / "weights.bin")
    pending = [change]

    def late(*given: Any, **how: Any) -> AbstractContextManager[BinaryIO]:
        while pending:
            pending.pop()(file)
        return weight_file.opened(*given, **how)

    monkeypatch.setattr(external, "opened", late)
    with pytest.raises(ModelError, match=r"changed while they were in use|cannot be used"):
        load_model(path)
    assert not pending


def test_a_file_that_is_written_to_while_it_is_hashed_is_refused(tmp_path: Path) -> None:
    path = write_outside(tmp_path)
    taken: list[bytes] = []

    def take(content: bytes) -> None:
        taken.append(content)
        written_to(tmp_path / "weights.bin")

    with pytest.raises(ModelError, match="changed while they were in use"):
        external.load_external(onnx.load(path, load_external_data=False), tmp_path, take, follow_links=False)
    assert taken[0] == b"weights.bin"


@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="counts descriptors")
def test_weights_in_very_many_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    count, held = 1500, psutil.Process().num_fds()
    path = write(tmp_path, [outside(f"w{number}", (2, 2), f"w{number}.bin", 0) for number in range(count)])
    for number in range(count):
        (tmp_path / f"w{number}.bin").write_bytes(np.eye(2, dtype=np.float32).tobytes())
    model = load_model(path)
    assert len(model.external) == count
    assert psutil.Process().num_fds() <= held


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
    probe = PathProbe(layer, wiring.flow.nodes[layer.name], np.arange(layer.children)).of(np.arange(5))
    te = SuffixEngine(network, wiring).effects(probe, x, lambda scores: outcome_of(scores, 1))
    for node in range(5):
        removed = -(hidden[:, node : node + 1] @ corners[1][node : node + 1] @ last[:corner])[:, 1]
        np.testing.assert_allclose(te[node], removed, rtol=0, atol=1e-4)
