"""Model files and masks for the tests of repairs."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, MeanRecord, ReadingRecord, to_json
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.original.original import Original, read_original
from tests.support.networks import mlp
from tests.support.opened import Opened, edit
from tests.support.oracles import Array, run_float64

VERSION = "0.0"
SOME_MEANS = (
    MeanRecord(layer="/gemm_0/Gemm", parents=[3, 5], values=[2.0, -1.0]),
    MeanRecord(layer="/gemm_2/Gemm", parents=[2, 9], values=[4.0, 9.0]),
)
"""Means for the model that is written: of parents that its masks name, of one that they do not, and not of all."""
WHOLE = (Form.MASKED, Form.FOLDED, Form.SWITCHABLE)
"""Forms from which nothing is taken out."""
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


def few_masks(layers: Sequence[Layer], rng: np.random.Generator, beta: float = 0.0) -> list[MaskRecord]:
    """Return masks of paths from a third of the parents of every layer to half of its children: the rest speaks on."""
    return [
        MaskRecord(
            layer=layer.name,
            parents=sorted(rng.choice(layer.parents, -(-layer.parents // 3), replace=False).tolist()),
            children=sorted(rng.choice(layer.children, -(-layer.children // 2), replace=False).tolist()),
            beta=beta,
        )
        for layer in layers
    ]


def some_means(layers: Sequence[Layer], rng: np.random.Generator) -> list[MeanRecord]:
    """Return means of random parents of every layer."""
    chosen = [(layer.name, some(rng, layer.parents)) for layer in layers]
    return [
        MeanRecord(layer=name, parents=parents, values=rng.normal(size=len(parents)).tolist())
        for name, parents in chosen
    ]


def some(rng: np.random.Generator, number: int) -> list[int]:
    chosen = rng.choice(number, rng.integers(1, number + 1), replace=False)
    return sorted(chosen.tolist())


def edited_scores(opened: Opened, entries: Sequence[MaskRecord], x: NDArray[np.float32]) -> Array:
    """Return float64 class scores after editing the weights themselves, an edge at a time."""
    part, tensor = opened.network.proto, opened.network.outcome.tensor
    return np.asarray(run_float64(part, tensor, x, edited_weights(opened, entries))).reshape(len(x), -1)


def edited_weights(opened: Opened, entries: Sequence[MaskRecord]) -> dict[tuple[str, int], Array]:
    """Return float64 weights after editing, by the output of the op and the position of the weight."""
    weights = {}
    for entry in entries:
        layer = opened.layer(entry.layer)
        stored = opened.weight(layer)
        children = np.arange(layer.children) if entry.children is None else np.array(entry.children)
        weights[layer.output, layer.weight_input] = edit(
            layer, stored.astype(np.float64), np.array(entry.parents), children, entry.beta
        )
    return weights


def replaced_scores(
    opened: Opened, entries: Sequence[MaskRecord], means: Sequence[MeanRecord], x: NDArray[np.float32]
) -> Array:
    """Return float64 class scores after editing the weights and adding what means contribute, an edge at a time."""
    edited = edited_weights(opened, entries)
    part = onnx.ModelProto()
    part.CopyFrom(opened.network.proto)
    for entry in means:
        layer = opened.layer(entry.layer)
        key = layer.output, layer.weight_input
        if key not in edited:
            continue
        op = next(op for op in part.graph.node if layer.output in op.output)
        added = np.zeros(layer.children)
        removed = opened.weight(layer).astype(np.float64) - edited[key]
        for parent, value in zip(entry.parents, entry.values, strict=True):
            for child in range(layer.children):
                added[child] += value * edge_sum(layer, removed, parent, child)
        settings = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in op.attribute}
        if layer.op_type == "Gemm":
            added *= settings.get("alpha", 1.0)
        if layer.op_type == "ConvTranspose":
            added /= np.prod(settings.get("strides", [1]))
        _add_after(part.graph, op, _along(layer, added, opened.wiring.trace.shapes[layer.output]))
    scores = run_float64(part, opened.network.outcome.tensor, x, _of_renamed(part, edited))
    return np.asarray(scores).reshape(len(x), -1)


def edge_sum(layer: Layer, weight: Array, parent: int, child: int) -> float:
    """Return the sum of the weights from a parent to a child."""
    before, after = layer.parents // layer.groups, layer.children // layer.groups
    if parent // before != child // after:
        return 0.0
    match layer.op_type:
        case "Conv":
            return float(weight[child, parent % before].sum())
        case "ConvTranspose":
            return float(weight[parent, child % after].sum())
        case _ if layer.weight_child_axis is None:
            return float(weight[parent])
        case _:
            place = [0] * weight.ndim
            place[layer.weight_parent_axis], place[layer.weight_child_axis] = parent, child
            return float(weight[tuple(place)])


def _along(layer: Layer, added: Array, shape: tuple[int, ...]) -> Array:
    """Return numbers of children, shaped to stand along the axis of the children."""
    if layer.child_axis is None:
        return added.reshape(())
    axis = layer.child_axis % len(shape)
    return np.asarray(added.reshape([-1 if number == axis else 1 for number in range(len(shape))]))


def _add_after(graph: onnx.GraphProto, op: onnx.NodeProto, added: Array) -> None:
    """Add something to the output of an op; what it was is called `unshifted/...`."""
    output = op.output[0]
    op.output[0] = f"unshifted/{output}"
    graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(added), f"added/{output}"))
    position = list(graph.node).index(op)
    graph.node.insert(position + 1, onnx.helper.make_node("Add", [op.output[0], f"added/{output}"], [output]))


def _of_renamed(part: onnx.ModelProto, weights: Mapping[tuple[str, int], Array]) -> dict[tuple[str, int], Array]:
    made = {output for op in part.graph.node for output in op.output}
    return {
        (f"unshifted/{output}" if f"unshifted/{output}" in made else output, position): weight
        for (output, position), weight in weights.items()
    }


def without_effect(found: Repaired) -> dict[str, NDArray[Any]]:
    """Return what is fed to a switchable file so that it is the original: ones to masks, zeros to what is added."""
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in found.proto.graph.initializer}
    ones = {name: np.ones_like(stored[name]) for name in found.record.inserted.values()}
    return ones | {name: np.zeros_like(stored[name]) for name in found.record.shifts.values()}


def run(proto: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], *, optimised: bool = True) -> list[NDArray[Any]]:
    """Return the outputs of a model in ONNX Runtime."""
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # it warns of overridable and of unused initializers
    return list(ort.InferenceSession(proto.SerializeToString(), options).run(None, dict(feeds)))


def write_masks(
    path: Path,
    *entries: MaskRecord,
    means: Sequence[MeanRecord] = (),
    output: str | None = None,
    place: Path | None = None,
) -> Path:
    """Write masks of a model file into a folder, beside it by default; of both its layers where none are given."""
    model = load_model(path)
    record = ModelRecord(file=model.name, sha256=model.sha256)
    default = [
        MaskRecord(layer="/gemm_0/Gemm", parents=[3, 5], children=[7], beta=0.5),
        MaskRecord(layer="/gemm_2/Gemm", parents=[1, 2], beta=0.0),
    ]
    reading = ReadingRecord(output=output)
    masks = MasksFile(model=record, reading=reading, masks=list(entries or default), means=list(means))
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


def replaced_by_hand() -> NDArray[Any]:
    """Return what the written model makes of them with those masks and `SOME_MEANS`."""
    first, second = (weight.copy() for weight in WEIGHTS)
    first[7, [3, 5]] *= 0.5
    second[:, [1, 2]] = 0
    hidden = X @ first.T
    hidden[:, 7] += 0.5 * (2.0 * WEIGHTS[0][7, 3] - 1.0 * WEIGHTS[0][7, 5])
    return np.asarray(np.maximum(hidden, 0) @ second.T + 4.0 * WEIGHTS[1][:, 2])


def written_otherwise(path: Path) -> None:
    """Write a model file anew with its fields in another order, which is the same message."""
    proto = onnx.load(path)
    late = onnx.ModelProto(ir_version=proto.ir_version).SerializeToString()
    proto.ClearField("ir_version")
    path.write_bytes(proto.SerializeToString() + late)
