"""That two forms of a model compute the same: their outputs on the same random inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import spec_of
from onnxcausal.onnxgraph.flow.shape_inference import OPEN_SIZES
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.network.data_dependent import led_by_values
from onnxcausal.onnxgraph.runner import run_feeds
from onnxcausal.onnxgraph.runner.rounding import LARGEST_NOISE, LARGEST_SHARE

COMPARED = 4
"""Random batches that are compared."""
BATCHES = (2, 1)
"""Samples in each, where the model leaves that open; the second where the first does not run."""
LARGEST_INTEGER = 2
"""Random whole numbers lie below this: often enough they are indices."""
MOST_VALUES = 2**24
"""Values of one random input, at most."""
ROUNDING = frozenset(["QuantizeLinear", "DynamicQuantizeLinear"])
"""Ops that make a whole step of what lies beyond the float noise."""


@dataclass(frozen=True, slots=True)
class Sameness:
    """How far two forms of a model agree.

    Attributes:
        difference: the largest difference of their outputs, as a share of the largest output; None where they were not
            compared.
        allowed: what rounding may make of it.
        why: why they were not compared.
    """

    difference: float | None
    allowed: float
    why: str = ""


def compare_outputs(one: onnx.ModelProto, other: onnx.ModelProto, name: str, rng: np.random.Generator) -> Sameness:
    """Return how far the outputs of two forms of a model agree on random inputs, in ONNX Runtime on the CPU.

    Args:
        one: a model with all its weights.
        other: another form of it, with the same inputs and outputs.
        name: its name, for errors.
        rng: draws the inputs.

    Raises:
        ModelError: one of the two runs and the other does not.
    """
    allowed = _allowed(one)
    led = led_by_values(inlined(one))
    if led:
        return Sameness(None, allowed, f"what {', '.join(sorted(led))} does is decided by the inputs")
    why = ""
    # Some files with an open batch take one sample only, and some with an open length no more than a table has places.
    for batch, open_size in product(BATCHES, OPEN_SIZES if _is_open(one) else OPEN_SIZES[:1]):
        drawn = [drawn_feed(one, rng, batch, open_size) for _ in range(COMPARED)]
        feeds = [feed for feed in drawn if feed is not None]
        if not feeds:
            return Sameness(None, allowed, "its inputs are not all numbers of a known shape")
        try:
            expected = run_feeds(one, name, feeds)
        except ModelError as error:
            why = f"it does not run on random inputs: {error.why}"
            continue
        found = run_feeds(other, name, feeds)
        pairs = [pair for outputs in zip(expected, found, strict=True) for pair in zip(*outputs, strict=True)]
        return Sameness(max((_difference(first, second) for first, second in pairs), default=0.0), allowed)
    return Sameness(None, allowed, why)


def _allowed(proto: onnx.ModelProto) -> float:
    """Return what rounding may make of the difference of two forms, as a share of the largest output."""
    if any(op.op_type in ROUNDING for op in proto.graph.node):
        return LARGEST_SHARE
    kinds = {tensor.data_type for tensor in proto.graph.initializer} | {
        value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)
    }
    if TensorProto.BFLOAT16 in kinds:
        return LARGEST_SHARE
    coarsest = np.float16 if TensorProto.FLOAT16 in kinds else np.float32
    return min(LARGEST_NOISE * float(np.finfo(coarsest).eps), LARGEST_SHARE)


def _is_open(proto: onnx.ModelProto) -> bool:
    """Whether an input has an open axis beside that of the samples."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    return any(None in spec_of(value).shape[1:] for value in proto.graph.input if value.name not in stored)


def drawn_feed(
    proto: onnx.ModelProto, rng: np.random.Generator, batch: int, open_size: int = OPEN_SIZES[0]
) -> Mapping[str, NDArray[np.generic]] | None:
    """Return random values for all inputs without a default; None where there can be none.

    Args:
        proto: a model with all its weights.
        rng: draws them.
        batch: samples, where the model leaves that open.
        open_size: size of any other axis that it leaves open.
    """
    stored = {tensor.name for tensor in proto.graph.initializer}
    feed: dict[str, NDArray[np.generic]] = {}
    for value in proto.graph.input:
        if value.name in stored:
            continue
        shape = [size or (open_size if axis else batch) for axis, size in enumerate(spec_of(value).shape)]
        kind = value.type.tensor_type.elem_type
        if kind in (TensorProto.UNDEFINED, TensorProto.STRING) or np.prod(shape, dtype=np.float64) > MOST_VALUES:
            return None
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        drawn = rng.normal(size=shape) if dtype.kind == "f" else rng.integers(0, LARGEST_INTEGER, shape)
        feed[value.name] = drawn.astype(dtype)
    return feed


def _difference(one: object, other: object) -> float:
    """Return the largest difference of two outputs as a share of the first one's largest; else infinite."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return 0.0
    if one.shape != other.shape or one.dtype != other.dtype:
        return float("inf")
    if one.dtype.kind != "f":
        return 0.0  # labels: a tie may fall either way
    first, second = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return float("inf")
    largest = float(np.abs(first[finite]).max(initial=0.0))
    apart = float(np.abs(first[finite] - second[finite]).max(initial=0.0))
    return apart / largest if largest else apart
