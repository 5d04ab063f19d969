"""ONNX Runtime: sessions, providers, batches. The only module that imports it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.model import serialise
from onnxcausal.onnxgraph.trace import Trace
from onnxcausal.samples.source import Inputs, InputSpec

LARGEST_BATCH = 64
"""Samples run at once where the model leaves the batch open: bounds memory."""
RECORDED_VALUES = 4096
"""Integer tensors up to this many values are recorded in a trace (shapes, indices)."""
HELD_TYPES = frozenset(
    f"tensor({name})"
    for name in [
        "float",
        "double",
        "float16",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
        "string",
    ]
)
"""Types of outputs that numpy can hold."""
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
NVIDIA = frozenset([CUDA, "TensorrtExecutionProvider"])
"""Providers that ONNX Runtime claims to have where there is no device for them."""
EXACT_CUDA = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
"""TF32 has a mantissa of 10 bits, too coarse for effects; it is ONNX Runtime's default."""
OLDEST_OP_IR = 8
"""IR version of the small models of one op; any version ONNX Runtime takes would do."""
ERRORS_ONLY = 3
"""Severity from which ONNX Runtime logs."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider asked for by name, with its options."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Provider":
        """Return the provider written as `NAME` or `NAME:key=value,key=value`; `cpu` and `cuda` are short names.

        Raises:
            ConfigError: an option is not written as key=value.
        """
        name, _, listed = text.partition(":")
        options = dict(pair.partition("=")[::2] for pair in listed.split(",") if pair)
        if not all(options.values()):
            raise ConfigError(
                "the provider's options cannot be read",
                where=f"--provider {text}",
                why="an option has no value",
                remedy="write NAME:key=value,key=value",
            )
        return cls({"cpu": CPU, "cuda": CUDA}.get(name.lower(), name), options)


class Runner:
    """A session on one model.

    Attributes:
        providers: the execution providers the session really has.
        batch: batch size the model is fixed to, None where it takes any.
    """

    def __init__(self, proto: onnx.ModelProto, spec: InputSpec, name: str, provider: Provider | None = None) -> None:
        """Open a session.

        Args:
            proto: the model.
            spec: the input that takes the samples.
            name: the model's name, for errors.
            provider: default: CUDA where there is a device, else CPU.

        Raises:
            ModelError: ONNX Runtime refuses the model.
            ConfigError: the provider is not to be had.
        """
        self.spec = spec
        self.batch = spec.shape[0] if spec.shape else None
        self._name = name
        self._session = _open(serialise(proto, name), name, provider)
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self._dtype = _numpy_type(next(i.type for i in self._session.get_inputs() if i.name == spec.name))
        if provider is not None and provider.name not in self.providers:
            raise _provider_missing(provider, self.providers)

    def run(
        self,
        x: Inputs,
        outputs: Sequence[str],
        feeds: Mapping[str, NDArray[np.floating]] | None = None,
        batch: int = LARGEST_BATCH,
    ) -> list[NDArray[np.floating]]:
        """Return outputs for all samples, run in batches that depend on their number alone.

        Args:
            x: inputs, `[samples, ...]`.
            outputs: names of outputs.
            feeds: further inputs, the same for every batch (masks).
            batch: samples at once; ignored where the model fixes it.

        Raises:
            ModelError: the model fails while it runs, or its outputs do not follow the batch.
        """
        size = self.batch or batch
        parts = [self._run_batch(x[start : start + size], outputs, feeds or {}) for start in range(0, len(x), size)]
        return [np.concatenate([part[number] for part in parts]) for number in range(len(outputs))]

    def trace(self, x: Inputs, tensors: Sequence[str]) -> Trace:
        """Return shapes of tensors, and values of small integer ones, in a run on the first samples of `x`.

        Args:
            x: inputs, at least one.
            tensors: outputs of the session.
        """
        types = {output.name: output.type for output in self._session.get_outputs()}
        # Python cannot hold bfloat16 and narrower floats; their shapes stay unknown.
        held = [name for name in tensors if types[name] in HELD_TYPES]
        values = zip(held, self._call(self._fitted(x[: self.batch or 1]), held, {}), strict=True)
        arrays = {name: value for name, value in values if isinstance(value, np.ndarray)}  # a sparse constant is none
        small = {
            name: value for name, value in arrays.items() if value.dtype.kind in "iu" and value.size <= RECORDED_VALUES
        }
        return Trace({name: value.shape for name, value in arrays.items()}, small)

    def _run_batch(
        self, x: Inputs, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.floating]]
    ) -> list[NDArray[np.floating]]:
        full = self._fitted(x)
        results = self._call(full, outputs, feeds)
        for name, result in zip(outputs, results, strict=True):
            if result.ndim == 0 or len(result) != len(full):
                raise ModelError(
                    "the model's output does not have one row per sample",
                    where=f"{self._name}, tensor {name}",
                    why=f"{len(full)} samples gave {list(result.shape)}",
                    remedy="export the model so that the first axis of its input and output is the batch",
                )
        return [result[: len(x)] for result in results]

    def _fitted(self, x: Inputs) -> Inputs:
        """Return the batch filled up to a fixed size by repeating its last sample."""
        missing = (self.batch or len(x)) - len(x)
        return np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x

    def _call(
        self, x: Inputs, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.floating]]
    ) -> list[NDArray[np.floating]]:
        try:
            results: list[NDArray[np.floating]] = self._session.run(
                list(outputs), {self.spec.name: x.astype(self._dtype, copy=False), **feeds}
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise _failing(self._name, error) from error
        return results


def run_op(op: onnx.NodeProto, inputs: Sequence[NDArray[np.generic] | None], opset: int) -> list[NDArray[np.generic]]:
    """Return the named outputs of one op on given inputs, computed on the CPU.

    Args:
        op: the op.
        inputs: its inputs in order; None for optional ones left out.
        opset: version of the default operator set.

    Raises:
        ModelError: ONNX Runtime does not run the op, or not on these inputs.
    """
    feeds = {name: value for name, value in zip(op.input, inputs, strict=True) if name and value is not None}
    types = tuple((name, helper.np_dtype_to_tensor_dtype(value.dtype)) for name, value in feeds.items())
    session = _session_of_op(op.SerializeToString(deterministic=True), types, opset)
    try:
        results: list[NDArray[np.generic]] = session.run(None, feeds)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise _failing(f"op {op.name or op.op_type}", error) from error
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
    return _open(proto.SerializeToString(), f"op {op.name or op.op_type}", Provider(CPU), threads=1)


def version() -> str:
    """Return ONNX Runtime's version."""
    return str(ort.__version__)


def _open(content: bytes, name: str, provider: Provider | None, threads: int = 0) -> ort.InferenceSession:
    """Open a session; 0 threads are as many as ONNX Runtime finds right."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    known = ort.get_available_providers()
    devices = {device.ep_name for device in ort.get_ep_devices()}
    if provider is not None and provider.name not in known:
        raise _provider_missing(provider, known)
    if provider is not None and provider.name in NVIDIA and provider.name not in devices:
        raise _provider_missing(provider, sorted(devices))  # asking for it would log noise and run on the CPU
    try:
        return ort.InferenceSession(content, options, providers=_wanted(provider, devices))
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(
            "ONNX Runtime refuses the model",
            where=name,
            why=str(error).strip().splitlines()[0][:300],
            remedy="check that the file is complete, and that onnxruntime is new enough for its operators",
        ) from error


def _failing(where: str, error: Exception) -> ModelError:
    return ModelError(
        "the model fails while it runs",
        where=where,
        why=str(error).strip().splitlines()[0][:300],
        remedy="check the data's shape and type against the model's input",
    )


def _wanted(provider: Provider | None, devices: Container[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the providers to ask for, CPU last; asking for CUDA without a device logs noise on every session."""
    if provider is None:
        provider = Provider(CUDA if CUDA in devices else CPU)
    defaults = EXACT_CUDA if provider.name == CUDA else {}
    wanted: list[tuple[str, dict[str, str]]] = [(provider.name, {**defaults, **provider.options})]
    return wanted if provider.name == CPU else [*wanted, (CPU, {})]


def _provider_missing(provider: Provider, present: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"the provider {provider.name} is not to be had",
        where=f"--provider {provider.name}",
        why=f"ONNX Runtime offers {', '.join(present)} here",
        remedy="leave --provider out to use what there is, or install the provider's libraries",
    )


def _numpy_type(name: str) -> np.dtype[np.generic]:
    """Return the numpy type of an ONNX Runtime type such as `tensor(float)`."""
    inner = name.removeprefix("tensor(").removesuffix(")")
    try:
        return np.dtype({"float": "float32", "double": "float64"}.get(inner, inner))
    except TypeError as error:
        raise ModelError(
            "the model's input is not a tensor of numbers",
            where=f"input of type {name}",
            why="samples are arrays of numbers",
            remedy="export the model with a tensor input",
        ) from error
