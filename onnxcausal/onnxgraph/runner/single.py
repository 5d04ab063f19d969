"""Models and ops that are run once."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.runner.deadline import StoppedError, ending
from onnxcausal.onnxgraph.runner.provider import CPU, DeviceMemoryError, Provider
from onnxcausal.onnxgraph.runner.sessions import (
    HELD_TYPES,
    failing,
    filling_memory,
    numpy_type,
    open_session,
    out_of_memory,
)
from onnxcausal.samples.source import Inputs

OPEN_SIZE = 32
"""Size of an open axis of a made-up input."""
MOST_MADE_UP = 2**28
"""Values of a made-up input, at most."""
OLDEST_OP_IR = 8
"""IR version of the small models of one op; any version ONNX Runtime takes would do."""


def half_precision(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that computes in half precision; its inputs and outputs keep their types."""
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415  # seldom needed, slow to load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of each weight too small or too large for half precision
        converted: onnx.ModelProto = convert_float_to_float16(proto, keep_io_types=True, disable_shape_infer=True)
    return converted


def run_op(op: onnx.NodeProto, inputs: Sequence[NDArray[np.generic] | None], opset: int) -> list[NDArray[np.generic]]:
    """Return the named outputs of one op on given inputs, computed on the CPU.

    Args:
        op: the op.
        inputs: its inputs in order; None for optional ones left out.
        opset: version of the default operator set.

    Raises:
        ModelError: ONNX Runtime does not run the op, or not on these inputs.
    """
    # Under other names the same op is the same session.
    named = onnx.NodeProto()
    named.CopyFrom(op)
    named.name, named.doc_string = "", ""
    named.input[:] = [f"given_{number}" if name else "" for number, name in enumerate(op.input)]
    named.output[:] = [f"made_{number}" if name else "" for number, name in enumerate(op.output)]
    feeds = {name: value for name, value in zip(named.input, inputs, strict=True) if name and value is not None}
    types = tuple((name, helper.np_dtype_to_tensor_dtype(value.dtype)) for name, value in feeds.items())
    session = _session_of_op(named.SerializeToString(deterministic=True), types, opset)
    try:
        with ending(f"op {op.name or op.op_type}") as options:
            results: list[NDArray[np.generic]] = session.run(None, feeds, options)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise failing(f"op {op.name or op.op_type}", error) from error
    return results


@lru_cache(maxsize=256)
def _session_of_op(content: bytes, types: tuple[tuple[str, int], ...], opset: int) -> ort.InferenceSession:
    """Open a session on one op with inputs of any shape."""
    op = onnx.NodeProto.FromString(content)
    graph = helper.make_graph(
        [op],
        "op",
        [helper.make_tensor_value_info(name, element_type, None) for name, element_type in types],
        [onnx.ValueInfoProto(name=name) for name in op.output if name],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=OLDEST_OP_IR)
    # Threads of its own would cost such a session more than its work does.
    return open_session(proto, f"op {op.name or op.op_type}", Provider(CPU), threads=1)


def run_once(proto: onnx.ModelProto, name: str, *, refused: bool = False) -> None:
    """Open a model on the CPU and run it once on made-up inputs, to see that it ends.

    What it answers does not matter: made-up inputs may not fit.

    Args:
        proto: the model.
        name: its name, for errors.
        refused: whether ONNX Runtime may refuse it, which is told where it is used.

    Raises:
        ModelError: ONNX Runtime refuses the model, or memory ran out.
    """
    try:
        session = _opened(proto, name)
    except ModelError as error:
        if refused and not isinstance(error.__cause__, DeviceMemoryError):
            return
        raise
    feeds = {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else (OPEN_SIZE if axis else 1) for axis, size in enumerate(given.shape)]
        if given.type not in HELD_TYPES or int(np.prod(shape, dtype=np.float64)) > MOST_MADE_UP:
            return
        feeds[given.name] = np.full(shape, "" if given.type == "tensor(string)" else 1, dtype=numpy_type(given.type))
    _run(session, feeds, name)


def run_feeds(
    proto: onnx.ModelProto, name: str, feeds: Sequence[Mapping[str, NDArray[np.generic]]]
) -> list[list[NDArray[np.generic]]]:
    """Return all outputs of a model on the CPU, for each of several feeds.

    Args:
        proto: the model.
        name: its name, for errors.
        feeds: what its inputs are given, by name.

    Raises:
        ModelError: ONNX Runtime refuses the model, or it fails while it runs.
    """
    session = _opened(proto, name)
    found = []
    for given in feeds:
        try:
            with ending(name) as options:
                found.append(list(session.run(None, dict(given), options)))
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise failing(name, error) from error
    return found


def run_samples(proto: onnx.ModelProto, name: str, given: str, parts: Iterable[Inputs]) -> None:
    """Open a model on the CPU and run it on samples, to see that it ends.

    What it answers does not matter, nor that it fails: that is told where the answer is used.

    Args:
        proto: the model.
        name: its name, for errors.
        given: the input that takes the samples.
        parts: samples that are run together, `[samples, ...]` each.

    Raises:
        ModelError: ONNX Runtime refuses the model, or memory ran out.
    """
    session = _opened(proto, name)
    kind = numpy_type(next(entry.type for entry in session.get_inputs() if entry.name == given))
    for part in parts:
        _run(session, {given: part.astype(kind, copy=False)}, name)


def _opened(proto: onnx.ModelProto, name: str) -> ort.InferenceSession:
    try:
        return open_session(proto, name, Provider(CPU))
    except DeviceMemoryError as error:
        raise filling_memory(name, error) from error


def _run(session: ort.InferenceSession, feeds: Mapping[str, NDArray[np.generic]], name: str) -> None:
    try:
        with ending(name) as options:
            session.run(None, feeds, options)
    except StoppedError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        if out_of_memory(error) is not None:
            raise filling_memory(name, error) from error
