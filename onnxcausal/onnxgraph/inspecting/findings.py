"""What a reader should know before trusting a model file."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from onnxcausal.analysis.result.inspection import Branch, Finding, FindingKind, InputFacts, InputUse, OutputFacts
from onnxcausal.onnxgraph.file.model import Model, opset_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import attribute, bodies, captured
from onnxcausal.onnxgraph.graph.op_traits import FUSED_DOMAIN, OWN_DOMAINS
from onnxcausal.onnxgraph.graph.tensors import bytes_of, every_op, stored_tensors, text_of
from onnxcausal.onnxgraph.network.half_range import LARGEST, Beyond

KNOWN_DOMAINS = frozenset([*OWN_DOMAINS, "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", FUSED_DOMAIN])
"""Domains whose ops the ONNX standard or ONNX Runtime defines."""
DRAWING = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
"""Ops that draw random numbers."""
TRAINING_MODE_OPSET = 14
"""Since this opset a normalisation says by an attribute that it trains; before, by having more outputs than one."""
OVERRIDABLE_IR = 4
"""Since this IR version a stored tensor is listed as an input only to be replaceable."""
WHOLE = frozenset(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
MEANINGLESS = re.compile(
    r"""[0-9]*                                                  # nothing, or a number
    | onnx::[A-Za-z]+_[0-9]+                                    # onnx::Conv_123
    | (Conv|ConvTranspose|Convolution|Gemm|MatMul|Times|Constant|Const|Initializer|Parameter|Tensor|Variable)_?[0-9]*
    | [{]?[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}[}]?  # a UUID
    | (?=.*[0-9])[0-9A-Fa-f]{8,}                                # a hash
    """,
    re.VERBOSE,
)
"""Names that say nothing of what a layer is for."""
PATH = re.compile(
    r"""(?<![\w.:/\\])/(?:Users|builds?|content|data|dev|etc|export|home|media|mnt|nfs|opt|private|root|scratch|srv|tmp
        |usr|var|work|workspace|workspaces)(?:/[^\s"'<>|:;,()\[\]{}]+)+
    | (?<![\w])[A-Za-z]:\\[^\s"'<>|:;,()\[\]{}]+
    | (?<![\w\\])\\\\[\w.$-]+\\[^\s"'<>|:;,()\[\]{}]+""",
    re.VERBOSE,
)
"""Paths of Unix systems that begin with a usual folder, of Windows, and of shared folders."""


def find_findings(
    model: Model,
    inputs: Sequence[InputFacts],
    outputs: Sequence[OutputFacts],
    layers: Sequence[Layer],
    branches: Sequence[Branch],
) -> tuple[Finding, ...]:
    """Return what a reader should know, what matters most first.

    Args:
        model: the model.
        inputs: its inputs.
        outputs: its outputs.
        layers: its layers.
        branches: ways past most of the layers.
    """
    proto = model.proto
    return (
        *_bypasses(branches),
        *_values(proto),
        *_unused(proto),
        *_replaceable(proto, inputs),
        *_ops(proto),
        *_paths(proto),
        *_names(layers),
        *_ends(inputs, outputs),
    )


def beyond_half(found: Sequence[Beyond]) -> tuple[Finding, ...]:
    """Return the finding that float16 tensors left the range of their type in a run, where they did."""
    if not found:
        return ()
    text = f"values pass {LARGEST:.0f} on a probe sample: computed in float16, and not as here, they are infinite"
    return (_many(FindingKind.BEYOND_HALF, list(map(str, found)), text),)


def _bypasses(branches: Sequence[Branch]) -> Iterator[Finding]:
    for branch in branches:
        passed = (
            f"{branch.layers} of the {branch.main} layers" if branch.layers else f"none of the {branch.main} layers"
        )
        text = f"a way from the input passes {passed} of the main path before it joins"
        yield Finding(FindingKind.BYPASS, text, (branch.tensor, *branch.joins))


def _values(proto: onnx.ModelProto) -> Iterator[Finding]:
    """Tell stored tensors that are broken, not finite or zero."""
    broken, infinite, zero = list[str](), list[str](), list[str]()
    for tensor in stored_tensors(proto):
        try:
            values = _floats(tensor)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            broken.append(tensor.name)
            continue
        if values is None or not values.size:
            continue
        if not np.isfinite(values).all():
            infinite.append(tensor.name)
        elif values.ndim > 1 and not values.any():
            zero.append(tensor.name)
    told = (
        (FindingKind.BROKEN_WEIGHT, broken, "stored tensors do not fit their own type and shape"),
        (FindingKind.NOT_FINITE, infinite, "stored tensors hold NaN or infinity"),
        (FindingKind.ALL_ZERO, zero, "stored tensors of two axes or more are zero all over"),
    )
    yield from (_many(kind, names, text) for kind, names, text in told if names)


def _floats(tensor: TensorProto) -> NDArray[np.generic] | None:
    """Return what a tensor of floating-point numbers holds, None for other types."""
    if "FLOAT" not in (name := TensorProto.DataType.Name(tensor.data_type)) and name != "DOUBLE":
        return None
    values = numpy_helper.to_array(tensor)
    return values if values.dtype.kind == "f" else values.astype(np.float32)


def _unused(proto: onnx.ModelProto) -> Iterator[Finding]:
    graph = proto.graph
    used = {name for op in graph.node for name in (*op.input, *captured(op))} | {value.name for value in graph.output}
    stored = [*graph.initializer, *(tensor.values for tensor in graph.sparse_initializer)]
    unused = [tensor for tensor in stored if tensor.name not in used]
    if unused:
        text = f"stored tensors are used by nothing: {sum(map(bytes_of, unused)):,} bytes"
        yield _many(FindingKind.UNUSED_WEIGHT, [tensor.name for tensor in unused], text)


def _replaceable(proto: onnx.ModelProto, inputs: Sequence[InputFacts]) -> Iterator[Finding]:
    names = [given.name for given in inputs if given.use is InputUse.WEIGHT]
    if names and proto.ir_version >= OVERRIDABLE_IR:
        yield _many(
            FindingKind.REPLACEABLE_WEIGHT,
            names,
            "stored tensors are inputs too: whoever runs the model may replace them",
        )


def _ops(proto: onnx.ModelProto) -> Iterator[Finding]:
    local = {(function.domain, function.name) for function in proto.functions}
    custom, drawing, training = dict[str, None](), dict[str, None](), dict[str, None]()
    opset = opset_of(proto)
    for op in every_op(proto):
        if op.domain not in KNOWN_DOMAINS and (op.domain, op.op_type) not in local:
            custom[f"{op.domain}::{op.op_type}"] = None
        elif op.op_type in DRAWING and op.domain in OWN_DOMAINS:
            drawing[f"{op.op_type} {op.name}".strip()] = None
        elif op.op_type == "BatchNormalization" and op.domain in OWN_DOMAINS and _trains(op, opset):
            training[f"{op.op_type} {op.name}".strip()] = None
    if training:
        text = "ops normalise by the batch at hand, as in training: a sample's scores depend on the others in its batch"
        yield _many(FindingKind.TRAINING_MODE, list(training), text)
    if custom:
        yield _many(
            FindingKind.CUSTOM_DOMAIN,
            list(custom),
            "ops are defined neither in the file nor by ONNX Runtime: it cannot run",
        )
    if drawing:
        yield _many(FindingKind.RANDOM, list(drawing), "ops draw random numbers: two runs differ")


def _trains(op: onnx.NodeProto, opset: int) -> bool:
    """Whether a normalisation takes its mean and variance from the batch."""
    return bool(attribute(op, "training_mode", 0)) if opset >= TRAINING_MODE_OPSET else any(op.output[1:])


def _paths(proto: onnx.ModelProto) -> Iterator[Finding]:
    found = dict.fromkeys(match for text in _texts(proto) for match in PATH.findall(text_of(text)))
    if found:
        yield _many(FindingKind.EMBEDDED_PATH, list(found), "paths of the machine the file was made on stand in it")


def _texts(proto: onnx.ModelProto) -> Iterator[str]:
    """Yield doc strings and properties of everything in a file."""
    yield proto.doc_string
    yield from (entry.value for entry in proto.metadata_props)
    for graph in _graphs(proto):
        yield graph.doc_string
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.doc_string
            yield from (entry.value for entry in value.metadata_props)
        yield from (entry.value for entry in graph.metadata_props)
    for function in proto.functions:
        yield function.doc_string
        yield from (entry.value for entry in function.metadata_props)
    for op in every_op(proto):
        yield op.doc_string
        yield from (entry.value for entry in op.metadata_props)
        yield from (entry.doc_string for entry in op.attribute)
    for tensor in stored_tensors(proto):
        yield tensor.doc_string
        yield from (entry.value for entry in tensor.metadata_props)


def _graphs(proto: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    yield proto.graph
    for op in every_op(proto):
        yield from bodies(op)


def _names(layers: Sequence[Layer]) -> Iterator[Finding]:
    """Tell names that say nothing, where most layers have neither a name nor a weight's name that does."""
    nameless = [layer for layer in layers if MEANINGLESS.fullmatch(layer.weight) and _says_nothing(layer)]
    if 2 * len(nameless) > len(layers):
        text = f"{len(nameless)} of {len(layers)} layers have names that carry no meaning: numbers or hashes"
        yield Finding(FindingKind.MEANINGLESS_NAMES, text, tuple(layer.name for layer in nameless))


def _says_nothing(layer: Layer) -> bool:
    """Whether a layer's name is a number, a hash, or made of its type and its output's name."""
    made = f"{layer.op_type}/{layer.output}"
    return MEANINGLESS.fullmatch(layer.output if layer.name == made else layer.name) is not None


def _ends(inputs: Sequence[InputFacts], outputs: Sequence[OutputFacts]) -> Iterator[Finding]:
    unused = [given.name for given in inputs if given.use is InputUse.UNUSED]
    if unused:
        yield _many(FindingKind.UNUSED_INPUT, unused, "inputs do not decide the outcome")
    other = [output.name for output in outputs if not output.from_outcome]
    if other and len(other) < len(outputs):
        yield _many(FindingKind.UNUSED_OUTPUT, other, "outputs do not follow from the outcome: they are not looked at")
    sampled = (InputUse.SAMPLES, InputUse.JOINED, InputUse.UNKNOWN)
    whole = [given.name for given in inputs if given.use in sampled and given.type in WHOLE]
    if whole:
        text = "inputs take whole numbers: no probe inputs can be made up, an analysis needs data"
        yield _many(FindingKind.INTEGER_INPUT, whole, text)


def _many(kind: FindingKind, subjects: Sequence[str], text: str) -> Finding:
    return Finding(kind, text, tuple(subjects))
