"""Model files and masks for the tests of repairs."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from onnxcausal.analysis.file import ModelRecord
from onnxcausal.analysis.masks import MaskRecord, MasksFile, ReadingRecord, to_json
from onnxcausal.analysis.repair import Form
from onnxcausal.onnxgraph.layers import Layer
from onnxcausal.onnxgraph.model import Model, load_model
from onnxcausal.onnxgraph.original import Original, read_original
from onnxcausal.onnxgraph.repairforms import Repaired, repair
from tests.networks import mlp
from tests.opened import Opened, edit
from tests.oracles import Array, run_float64

VERSION = "0.0"
RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=(40, 64)), RNG.normal(size=(3, 40))]
X = np.random.default_rng(3).normal(size=(5, 64)).astype(np.float32)
"""Samples of the model that is written."""


def in_code(proto: onnx.ModelProto) -> Original:
    """Return a model as if it had been read from a file."""
    digest = hashlib.sha256(proto.SerializeToString()).hexdigest()
    return Original(Path("in_code.onnx"), Model("in_code.onnx", proto, digest, file_sha256=digest), proto)


def from_file(path: Path) -> Original:
    """Return a model file."""
    return read_original(path, load_model(path))


def masks_of(original: Original, entries: Sequence[MaskRecord], **settings: Any) -> MasksFile:
    """Return masks of a model."""
    model = ModelRecord(file=original.model.name, sha256=original.model.sha256)
    return MasksFile(model=model, masks=list(entries), **settings)


def repaired(proto: onnx.ModelProto, form: Form, *entries: MaskRecord, **settings: Any) -> Repaired:
    """Return a model in code with masks."""
    original = in_code(proto)
    return repair(original, masks_of(original, entries, **settings), form, VERSION)


def some_masks(
    layers: Sequence[Layer], rng: np.random.Generator, betas: Sequence[float] = (0.0, 0.5)
) -> list[MaskRecord]:
    """Return masks of random paths of every layer; every other one of all children."""
    return [
        MaskRecord(
            layer=layer.name,
            parents=some(rng, layer.parents),
            children=some(rng, layer.children) if number % 2 else None,
            beta=float(rng.choice(betas)),
        )
        for number, layer in enumerate(layers)
    ]


def some(rng: np.random.Generator, number: int) -> list[int]:
    chosen = rng.choice(number, rng.integers(1, number + 1), replace=False)
    return sorted(chosen.tolist())


def edited_scores(opened: Opened, entries: Sequence[MaskRecord], x: NDArray[np.float32]) -> Array:
    """Return float64 class scores after editing the weights themselves, an edge at a time."""
    weights = {}
    for entry in entries:
        layer = opened.layer(entry.layer)
        stored = opened.weight(layer)
        children = np.arange(layer.children) if entry.children is None else np.array(entry.children)
        weights[layer.output, layer.weight_input] = edit(
            layer, stored.astype(np.float64), np.array(entry.parents), children, entry.beta
        )
    return np.asarray(run_float64(opened.network.part, opened.network.outcome.tensor, x, weights)).reshape(len(x), -1)


def run(proto: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], *, optimised: bool = True) -> list[NDArray[Any]]:
    """Return the outputs of a model in ONNX Runtime."""
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # it warns of overridable and of unused initializers
    return list(ort.InferenceSession(proto.SerializeToString(), options).run(None, dict(feeds)))


def ones_for(found: Repaired) -> dict[str, NDArray[Any]]:
    """Return what is fed to the masks of a switchable file so that it is the original."""
    names = set(found.record.inserted.values())
    stored = {tensor.name: tensor for tensor in found.proto.graph.initializer if tensor.name in names}
    return {name: np.ones_like(onnx.numpy_helper.to_array(tensor)) for name, tensor in stored.items()}


def write_masks(path: Path, *entries: MaskRecord, output: str | None = None, place: Path | None = None) -> Path:
    """Write masks of a model file into a folder, beside it by default; of both its layers where none are given."""
    model = load_model(path)
    record = ModelRecord(file=model.name, sha256=model.sha256)
    default = [
        MaskRecord(layer="/gemm_0/Gemm", parents=[3, 5], children=[7], beta=0.5),
        MaskRecord(layer="/gemm_2/Gemm", parents=[1, 2], beta=0.0),
    ]
    masks = MasksFile(model=record, reading=ReadingRecord(output=output), masks=list(entries or default))
    file = (place or path.parent) / "masks.json"
    file.write_text(to_json(masks))
    return file


def write_model(folder: Path, location: str | None = None) -> Path:
    """Write a model of two layers and masks beside it; its weights into a file of their own where one is named."""
    proto = mlp(WEIGHTS, [np.zeros(40), np.zeros(3)])
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    if location is None:
        path.write_bytes(proto.SerializeToString())
    else:
        onnx.save(proto, path, save_as_external_data=True, location=location, size_threshold=0)
    write_masks(path)
    return path


def scores_of(path: Path) -> NDArray[Any]:
    """Return what a file makes of some samples."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return np.asarray(ort.InferenceSession(str(path), options).run(None, {"x": X})[0])


def edited_by_hand() -> NDArray[Any]:
    """Return what the written model makes of them with those masks."""
    first, second = (weight.copy() for weight in WEIGHTS)
    first[7, [3, 5]] *= 0.5
    second[:, [1, 2]] = 0
    return np.asarray(np.maximum(X @ first.T, 0) @ second.T)


def written_otherwise(path: Path) -> None:
    """Write a model file anew with its fields in another order, which is the same message."""
    proto = onnx.load(path)
    late = onnx.ModelProto(ir_version=proto.ir_version).SerializeToString()
    proto.ClearField("ir_version")
    path.write_bytes(proto.SerializeToString() + late)
