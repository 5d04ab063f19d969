"""Pruned files for tests, each held to the folded one as it is made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.pruning import Group
from tests.support.networks import Builder
from tests.support.opened import TOLERANCE
from tests.support.repairs import repaired, run

MAPS: list[int | str] = ["N", 3, 6, 6]
"""Shape of the input of small networks over images."""


def builder(seed: int = 0) -> Builder:
    return Builder(np.random.default_rng(seed))


def conv(b: Builder, x: str, out: int, into: int, *, kernel: int = 3, group: int = 1, bias: bool = True) -> str:
    """Append a convolution that keeps the size of maps."""
    weights = [b.weight(out, into // group, kernel, kernel), *([b.weight(out)] if bias else [])]
    return b.add("Conv", [x, *weights], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, group=group)


def gemm(b: Builder, x: str, into: int, out: int) -> str:
    return b.add("Gemm", [x, b.weight(into, out), b.weight(out)])


def head(b: Builder, x: str, into: int, out: int = 3) -> str:
    """Append an average over the maps and a layer of scores."""
    return gemm(b, b.add("Flatten", [b.add("GlobalAveragePool", [x])]), into, out)


def batchnorm(b: Builder, x: str, size: int) -> str:
    scale, variance = (b.store(b.rng.uniform(0.5, 1.5, size).astype(np.float32)) for _ in range(2))
    return b.add("BatchNormalization", [x, scale, b.weight(size), b.weight(size), variance])


def chain() -> onnx.ModelProto:
    """Return two convolutions, the first normalised, and a layer of scores."""
    b = builder()
    first = b.add("Relu", [batchnorm(b, conv(b, "x", 5, 3), 5)])
    return b.model(MAPS, head(b, b.add("Relu", [conv(b, first, 4, 5)]), 4))


def residual() -> onnx.ModelProto:
    """Return a stream with a branch of two convolutions, and a layer of scores."""
    b = builder()
    stem = b.add("Relu", [conv(b, "x", 4, 3)])
    branch = conv(b, b.add("Relu", [conv(b, stem, 5, 4)]), 4, 5)
    return b.model(MAPS, head(b, b.add("Relu", [b.add("Add", [branch, stem])]), 4))


def quantised(b: Builder, values: np.ndarray, axis: int | None, *, zero: bool = True) -> str:
    """Store a quantised tensor and append the op that makes it float again."""
    others = tuple(number for number in range(values.ndim) if number != axis)
    scale = np.asarray(np.abs(values).max(axis=others if axis is not None else None) / 100, np.float32)
    by = scale if axis is None else scale.reshape([-1 if number == axis else 1 for number in range(values.ndim)])
    stored_values = b.store(np.rint(values / by).astype(np.int8))
    inputs = [stored_values, b.store(scale), *([b.store(np.zeros(scale.shape, np.int8))] if zero else [])]
    return b.add("DequantizeLinear", inputs, **({} if axis is None else {"axis": axis}))


def layers_of(proto: onnx.ModelProto) -> tuple[Layer, ...]:
    return find_layers(index_graph(proto, opset_of(proto)))


def layer_at(proto: onnx.ModelProto, position: int) -> str:
    """Return the name of a layer by its place among the layers."""
    return layers_of(proto)[position].name


def masked(layer: str, *parents: int, children: Sequence[int] | None = None, beta: float = 0.0) -> MaskRecord:
    return MaskRecord(layer=layer, parents=list(parents), children=children, beta=beta)  # type: ignore[arg-type]


def masks_for(groups: Sequence[Group]) -> list[MaskRecord]:
    """Return the masks that let groups go."""
    return [masked(layer, *nodes) for group in groups for layer, nodes in group.parents]


def stored(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def lost(found: Repaired) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the parents and children that layers lost, by the layers' names."""
    return {removed.layer: (removed.parents, removed.children) for removed in found.removed}


def prune(
    proto: onnx.ModelProto,
    *entries: MaskRecord,
    feeds: Mapping[str, NDArray[Any]] | None = None,
    optimised: bool = True,
    **settings: Any,
) -> Repaired:
    """Return the pruned file, which passes the checks, runs, and computes what the folded one does."""
    found = repaired(proto, Form.PRUNED, *entries, **settings)
    onnx.checker.check_model(found.proto, full_check=True)
    assert found.proto.graph.output == proto.graph.output
    folded = repaired(proto, Form.FOLDED, *entries, **settings).proto
    given = feeds or {"x": samples(proto)}
    expected, computed = (run(one, given, optimised=optimised) for one in (folded, found.proto))
    for one, other in zip(expected, computed, strict=True):
        scale = max(1.0, float(np.abs(one).max(initial=0)))
        np.testing.assert_allclose(other, one, rtol=0, atol=TOLERANCE * scale)
    return found


def samples(proto: onnx.ModelProto, count: int = 3) -> NDArray[np.float32]:
    """Return random inputs of a model."""
    value = next(value for value in proto.graph.input if value.name == "x")
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
    return np.random.default_rng(7).normal(size=[sizes[0] or count, *sizes[1:]]).astype(np.float32)
