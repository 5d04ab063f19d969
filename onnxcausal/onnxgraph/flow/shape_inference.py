"""What a run of a model would show, as far as that follows from the file alone."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, index_graph
from onnxcausal.onnxgraph.graph.op_traits import FUSED_DOMAIN, FUSED_POINTWISE, SKIPPING
from onnxcausal.onnxgraph.graph.trace import Rows, Trace, rows_of
from onnxcausal.samples.source import InputSpec

RECORDED_VALUES = 4096
"""Tensors up to this many values are computed: shapes, indices."""
MOST_ROUNDS = 8
"""How often values are computed from shapes and shapes from values; real models take two or three."""
ANY_VERSION = 1
"""Version given to a domain that a file uses but does not import."""
OPEN_SIZES = (32, 16, 8, 4, 2)
"""Sizes tried for open axes of inputs that are not the samples': the first with which all shapes follow. Tables of
positions, windows and strides bound what fits."""
ML_DOMAIN = "ai.onnx.ml"
OF_SAME_SHAPE = frozenset(["GroupNormalization"])
"""Ops that are inferred by a body written out, which takes shapes that are all known."""
TO_FLOAT = frozenset(["Normalizer", "Scaler"])
"""Ops of classical preprocessing that give floats of the same shape."""

Shape = tuple[int, ...]


def static_trace(proto: onnx.ModelProto, spec: InputSpec) -> Trace:
    """Return shapes, types and small values of tensors on the smallest batch, without a run.

    Tensors whose shape does not follow from the file are absent, as are those whose values numpy cannot hold.

    Args:
        proto: the model, cut at its class scores, with one input.
        spec: that input.
    """
    fixed = spec.shape[0] if spec.shape else None
    batch = fixed or 1
    smallest = _known_for(proto, spec, batch)
    doubled = None if fixed else _known_for(proto, spec, 2).shapes
    found = {
        name: rows_of(shape, None if doubled is None else doubled.get(name, ()), batch)
        for name, shape in smallest.shapes.items()
        if name != spec.name
    }
    rows = {name: place for name, place in found.items() if place is not None}
    if spec.name in smallest.shapes:
        rows[spec.name] = Rows(0, 1)
    numbers = {name: value for name, value in smallest.values.items() if value.dtype.kind in "iu"}
    return Trace(smallest.shapes, numbers, smallest.types, rows, batch)


def open_shape(trace: Trace, tensor: str, spec: InputSpec) -> tuple[int | None, ...] | None:
    """Return the sizes of a tensor, None where the number of samples is open; None where they do not follow.

    Args:
        trace: shapes of the smallest batch.
        tensor: the tensor.
        spec: the input.
    """
    shape = trace.shapes.get(tensor)
    if shape is None:
        return None
    open_batch = spec.shape[:1] == (None,) and shape[:1] == (trace.batch,)
    return (None, *shape[1:]) if open_batch else shape


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of the inputs and of what ops make, for one number of samples.

    Attributes:
        types: numpy type of tensors, by name.
        shapes: their shapes.
        values: what small tensors hold that follow from stored ones and from shapes alone.
        open_size: size taken for open axes of inputs.
    """

    types: dict[str, np.dtype[np.generic]]
    shapes: dict[str, Shape]
    values: dict[str, NDArray[np.generic]]
    open_size: int = OPEN_SIZES[0]

    def value(self, index: GraphIndex, name: str) -> NDArray[np.generic] | None:
        """Return what a small tensor holds that is stored or follows from shapes; None for any other."""
        return _known(name, index, self.values)


def known_of(proto: onnx.ModelProto) -> Known:
    """Return what is known of a file's tensors for one sample, whatever its inputs.

    Args:
        proto: a file; open sizes of its inputs are taken as 1 along the first axis, else as one of `OPEN_SIZES`.
    """
    best, is_open = _known_at(proto, OPEN_SIZES[0])
    wanted = sum(len(op.output) for op in proto.graph.node)
    if not is_open or len(best.shapes) >= wanted:
        return best
    # Where the smallest size shows no more, none of those between does.
    least, _ = _known_at(proto, OPEN_SIZES[-1])
    for open_size in OPEN_SIZES[1:-1] if len(least.shapes) > len(best.shapes) else ():
        found, _ = _known_at(proto, open_size)
        if len(found.shapes) > len(best.shapes):
            best = found
        if len(best.shapes) >= wanted:
            break
    return least if len(least.shapes) > len(best.shapes) else best


def _known_at(proto: onnx.ModelProto, open_size: int) -> tuple[Known, bool]:
    """Return what is known where open axes have a size, and whether any but the samples' is open."""
    light, fed, is_open = _with_sizes(proto, open_size)
    return replace(_settled(proto, light, fed), open_size=open_size), is_open


def _with_sizes(proto: onnx.ModelProto, open_size: int) -> tuple[onnx.ModelProto, set[str], bool]:
    """Return a light model whose inputs have sizes, their names, and whether any size but of samples was open."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    light = _light(proto)
    named: dict[str, int] = {}
    is_open = False
    fed = [value for value in light.graph.input if value.name in {given.name for given in proto.graph.input} - stored]
    for value in fed:
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if size.dim_value <= 0:
                own = open_size if axis else 1
                is_open = is_open or axis > 0
                size.dim_value = named.setdefault(size.dim_param, own) if size.dim_param else own
    return light, {value.name for value in fed}, is_open


def without_shape(proto: onnx.ModelProto, trace: Trace) -> tuple[str, ...]:
    """Return the tensors that depend on the samples, are used, and have no shape in a trace, in the graph's order."""
    index = index_graph(proto, opset_of(proto))
    used = index.uses.keys() | {value.name for value in proto.graph.output}
    named = [*(value.name for value in proto.graph.input), *(name for op in index.ops for name in op.output if name)]
    return tuple(name for name in named if name in used and name not in trace.shapes and name not in index.leaves)


def _known_for(proto: onnx.ModelProto, spec: InputSpec, batch: int) -> Known:
    """Return what is known for a number of samples: shapes tell values, which tell more shapes."""
    light = _light(proto)
    for value in light.graph.input:
        sizes = value.type.tensor_type.shape.dim
        if value.name == spec.name and len(sizes):
            sizes[0].Clear()
            sizes[0].dim_value = batch
    return _settled(proto, light, {spec.name})


def _settled(proto: onnx.ModelProto, light: onnx.ModelProto, fed: set[str]) -> Known:
    """Return all that follows from the shapes of the inputs, which `light` holds."""
    index = index_graph(proto, opset_of(proto))
    made = {name for op in proto.graph.node for name in op.output if name} | fed
    known = Known({}, {}, {})
    for _ in range(MOST_ROUNDS):
        types, shapes = _inferred(_with_values(light, known.values), made)
        types |= {name: value.dtype for name, value in known.values.items()}
        shapes |= {name: value.shape for name, value in known.values.items()}
        values = _values(index, shapes)
        settled = len(values) == len(known.values) or len(shapes) == len(made)
        known = Known(types, shapes, values)
        if settled:
            break
    return known


def _inferred(light: onnx.ModelProto, made: Container[str]) -> tuple[dict[str, np.dtype[np.generic]], dict[str, Shape]]:
    """Return types and shapes of tensors, as far as they follow from those of the inputs."""
    try:
        shown = onnx.shape_inference.infer_shapes(light, data_prop=True, strict_mode=False)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        shown = light  # a graph that contradicts itself: only the input is known
    types: dict[str, np.dtype[np.generic]] = {}
    shapes: dict[str, Shape] = {}
    for value in (*shown.graph.input, *shown.graph.value_info, *shown.graph.output):
        dtype, shape = _type_of(value), _shape_of(value)
        if value.name in made and dtype is not None and shape is not None:
            types[value.name], shapes[value.name] = dtype, shape
    return types, shapes


def _with_values(light: onnx.ModelProto, values: Mapping[str, NDArray[np.generic]]) -> onnx.ModelProto:
    """Return a model in which what is known is stored."""
    if not values:
        return light
    folded = onnx.ModelProto()
    folded.CopyFrom(light)
    ops = [op for op in light.graph.node if values.keys().isdisjoint(op.output)]
    del folded.graph.node[:]
    folded.graph.node.extend(ops)
    folded.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    return folded


def _light(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of the same shapes without large weights, every op of which has a known domain."""
    light = onnx.ModelProto(ir_version=proto.ir_version)
    light.opset_import.extend(proto.opset_import)
    light.functions.extend(proto.functions)
    light.graph.name = proto.graph.name
    light.graph.input.extend(proto.graph.input)
    light.graph.output.extend(proto.graph.output)
    for tensor in proto.graph.initializer:
        if np.prod(tensor.dims, dtype=np.int64) <= RECORDED_VALUES:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    light.graph.node.extend(_with_known_shape(op) for op in proto.graph.node)
    imported = {entry.domain for entry in light.opset_import}
    missing = sorted({op.domain for op in light.graph.node} - imported - {""})
    light.opset_import.extend(helper.make_opsetid(domain, ANY_VERSION) for domain in missing)
    return light


def _with_known_shape(op: onnx.NodeProto) -> onnx.NodeProto:
    """Return a standard op in place of another domain's whose result has the shape of its first input."""
    if op.domain == FUSED_DOMAIN and op.op_type in FUSED_POINTWISE | SKIPPING:
        return helper.make_node("Identity", op.input[:1], op.output[:1])
    if op.op_type in OF_SAME_SHAPE and op.domain in ("", "ai.onnx"):
        return helper.make_node("Identity", op.input[:1], op.output[:1])
    if op.domain == ML_DOMAIN and op.op_type in TO_FLOAT:
        return helper.make_node("Cast", op.input[:1], op.output[:1], to=onnx.TensorProto.FLOAT)
    return op


def _type_of(value: onnx.ValueInfoProto) -> np.dtype[np.generic] | None:
    kind = value.type.tensor_type.elem_type
    if not value.type.HasField("tensor_type") or kind == onnx.TensorProto.UNDEFINED:
        return None
    try:
        return helper.tensor_dtype_to_np_dtype(kind)
    except KeyError:
        return None


def _shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """Return the shape of a tensor, None where any of its sizes is open."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
    return None if any(size < 0 for size in sizes) else tuple(sizes)


def _values(index: GraphIndex, shapes: Mapping[str, Shape]) -> dict[str, NDArray[np.generic]]:
    """Return what small tensors hold that follow from stored tensors and from shapes alone."""
    values: dict[str, NDArray[np.generic]] = {}
    for op in index.ops:
        names = [name for name in op.output if name]
        small = all(name in shapes and np.prod(shapes[name]) <= RECORDED_VALUES for name in names)
        if not small or op.op_type == "Constant" or not index.steady.issuperset(names):
            continue
        results = _results(op, index, shapes, values)
        if results is not None:
            values |= dict(zip(names, results, strict=False))
    return values


def _results(
    op: onnx.NodeProto, index: GraphIndex, shapes: Mapping[str, Shape], values: Mapping[str, NDArray[np.generic]]
) -> Sequence[NDArray[np.generic]] | None:
    """Return what an op gives that follows from shapes; None where that is not known."""
    if op.op_type in ("Shape", "Size"):
        shape = _shape(op.input[0], index, shapes)
        if shape is None:
            return None
        if op.op_type == "Size":
            return [np.array(np.prod(shape), np.int64)]
        return [np.array(shape[attribute(op, "start", 0) : attribute(op, "end", len(shape))], np.int64)]
    given = [_known(name, index, values) for name in op.input]
    if any(value is None and name for value, name in zip(given, op.input, strict=True)):
        return None
    from onnxcausal.onnxgraph.runner import run_op  # noqa: PLC0415  # seldom needed, and slow to load

    try:
        return run_op(op, given, index.opset)
    except ModelError:
        return None


def _known(name: str, index: GraphIndex, values: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic] | None:
    """Return a small value that is stored or was computed before."""
    if not name or name in values:
        return values.get(name)
    stored, op = index.initializers.get(name), index.producing(name)
    if stored is None:
        return value_of(index, name) if op is not None and op.op_type == "Constant" else None
    small = np.prod(stored.dims, dtype=np.int64) <= RECORDED_VALUES
    return numpy_helper.to_array(stored) if small else None


def _shape(name: str, index: GraphIndex, shapes: Mapping[str, Shape]) -> Shape | None:
    stored = index.initializers.get(name)
    return shapes.get(name) if stored is None else tuple(stored.dims)
