"""ONNX Runtime: sessions, providers, batches. The only module that imports it."""

import warnings
from collections.abc import Container, Mapping, Sequence
from functools import lru_cache

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.memory import LARGEST_BATCH
from onnxcausal.onnxgraph.model import serialise
from onnxcausal.onnxgraph.provider import CPU, CUDA, EXACT_CUDA, NVIDIA, DeviceMemoryError, Provider
from onnxcausal.onnxgraph.trace import Trace, rows_of
from onnxcausal.samples.source import Inputs, InputSpec

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
OUT_OF_MEMORY = ("failed to allocate", "out of memory", "bad_alloc", "alloc_failed")
"""What ONNX Runtime's message says when memory runs out."""
OLDEST_OP_IR = 8
"""IR version of the small models of one op; any version ONNX Runtime takes would do."""
ERRORS_ONLY, NOTHING = 3, 4
"""Severities from which ONNX Runtime logs."""


class Runner:
    """A session on one model.

    Attributes:
        providers: the execution providers the session really has.
        batch: batch size the model is fixed to, None where it takes any.
        dtype: type of its input.
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
        self.dtype = _numpy_type(next(i.type for i in self._session.get_inputs() if i.name == spec.name))
        if provider is not None and provider.name not in self.providers:
            raise _provider_missing(provider, self.providers)

    @property
    def options(self) -> dict[str, str]:
        """Options of the provider in use that may change numbers; where it runs and what it may take do not."""
        found = self._session.get_provider_options().get(self.providers[0], {})
        return {name: value for name, value in found.items() if name not in ("device_id", "gpu_mem_limit")}

    @property
    def device(self) -> int | None:
        """Number of the NVIDIA device in use; None where there is none."""
        if CUDA not in self.providers:
            return None
        return int(self._session.get_provider_options()[CUDA].get("device_id", 0))

    def on_device(self, device: int, provider: Provider | None) -> Provider:
        """Return the session's provider on another device.

        Args:
            device: its number.
            provider: the provider that was asked for, whose options are kept.

        Raises:
            ConfigError: the session's provider has no devices.
        """
        if CUDA not in self.providers:
            raise ConfigError(
                "there are no devices to share the work",
                where="--devices",
                why=f"the model runs on {self.providers[0]}",
                remedy="leave --devices out, or install what CUDA needs",
            )
        options = dict(provider.options) if provider is not None and provider.name == CUDA else {}
        return Provider(CUDA, {**options, "device_id": str(device)})

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

    def tensors(self, x: Inputs, names: Sequence[str]) -> list[NDArray[np.floating]]:
        """Return outputs of any shape for one batch, filled up to the model's batch size where that is fixed."""
        return self._call(self._fitted(x), names, {})

    def trace(self, x: Inputs, tensors: Sequence[str]) -> Trace:
        """Return shapes and types of tensors, values of small integer ones, and where samples stand in them.

        Runs the first sample of `x`, and a batch of two where the model leaves the batch open.

        Args:
            x: inputs, at least one.
            tensors: outputs of the session.
        """
        batch = self.batch or 1
        arrays = self._held(self._fitted(x[:batch]), tensors)
        doubled = None if self.batch else self._shapes(np.repeat(x[:1], 2, axis=0), tensors)
        small = {
            name: value for name, value in arrays.items() if value.dtype.kind in "iu" and value.size <= RECORDED_VALUES
        }
        shapes = {name: value.shape for name, value in arrays.items()}
        found = {
            name: rows_of(shape, None if doubled is None else doubled.get(name, ()), batch)
            for name, shape in shapes.items()
        }
        rows = {name: place for name, place in found.items() if place is not None}
        return Trace(shapes, small, {name: value.dtype for name, value in arrays.items()}, rows, batch)

    def _shapes(self, x: Inputs, tensors: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return shapes in one more run; none where the model does not take this batch."""
        try:
            return {name: value.shape for name, value in self._held(x, tensors).items()}
        except ModelError:
            return {}

    def _held(self, x: Inputs, tensors: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """Return the tensors that numpy can hold."""
        types = {output.name: output.type for output in self._session.get_outputs()}
        # Python cannot hold bfloat16 and narrower floats; their shapes stay unknown.
        held = [name for name in tensors if types[name] in HELD_TYPES]
        values = zip(held, self._call(x, held, {}), strict=True)
        return {name: value for name, value in values if isinstance(value, np.ndarray)}  # a sparse constant is none

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
                list(outputs), {self.spec.name: x.astype(self.dtype, copy=False), **feeds}
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise _failing(self._name, error) from error
        return results


class BoundSession:
    """A session whose inputs stay on its device between runs (IO binding).

    Attributes:
        providers: the execution providers the session really has.
    """

    def __init__(
        self, proto: onnx.ModelProto, name: str, provider: Provider | None = None, *, spins: bool = False
    ) -> None:
        """Open a session.

        Args:
            proto: the model; its outputs are bound in the order they are listed.
            name: its name, for errors.
            provider: default: CUDA where there is a device, else CPU.
            spins: let threads that wait for work spin.

        Raises:
            ModelError: ONNX Runtime refuses the model.
            ConfigError: the provider is not to be had.
        """
        self._name = name
        # What goes wrong is raised, and need not be logged: some graphs are only tried.
        self._session = _open(serialise(proto, name), name, provider, spins=spins, log=NOTHING)
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        options = self._session.get_provider_options().get(CUDA, {})
        self._device = ("cuda", int(options.get("device_id", 0))) if CUDA in self.providers else ("cpu", 0)
        self._binding = self._session.io_binding()
        self._held: dict[str, ort.OrtValue] = {}
        self._outputs = [output.name for output in self._session.get_outputs()]

    def put(self, name: str, value: NDArray[np.generic]) -> None:
        """Bind an input to an array, which the caller leaves unchanged; on the CPU nothing is copied."""
        try:
            held = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), *self._device)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise _out_of_memory(error) or _failing(self._name, error) from error
        self._held[name] = held
        self._binding.bind_ortvalue_input(name, held)

    def release(self) -> None:
        """Let go of everything that is bound."""
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()
        self._held.clear()

    def run(self) -> list[NDArray[np.floating]]:
        """Return the outputs for the bound inputs.

        Raises:
            DeviceMemoryError: memory ran out.
            ModelError: the model fails while it runs.
        """
        for name in self._outputs:
            self._binding.bind_output(name)
        try:
            self._session.run_with_iobinding(self._binding)
            results: list[NDArray[np.floating]] = self._binding.copy_outputs_to_cpu()
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise _out_of_memory(error) or _failing(self._name, error) from error
        return results


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


def _open(
    content: bytes,
    name: str,
    provider: Provider | None,
    *,
    threads: int = 0,
    spins: bool = False,
    log: int = ERRORS_ONLY,
) -> ort.InferenceSession:
    """Open a session; 0 threads are as many as ONNX Runtime finds right."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    options.log_severity_level = log
    known = ort.get_available_providers()
    devices = {device.ep_name for device in ort.get_ep_devices()}
    if provider is not None and provider.name not in known:
        raise _provider_missing(provider, known)
    if provider is not None and provider.name in NVIDIA and provider.name not in devices:
        raise _provider_missing(provider, sorted(devices))  # asking for it would log noise and run on the CPU
    try:
        return ort.InferenceSession(content, options, providers=_wanted(provider, devices))
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise _out_of_memory(error) or ModelError(
            "ONNX Runtime refuses the model",
            where=name,
            why=str(error).strip().splitlines()[0][:300],
            remedy="check that the file is complete, and that onnxruntime is new enough for its operators",
        ) from error


def _out_of_memory(error: Exception) -> DeviceMemoryError | None:
    """Return the error as one of memory, if it is one."""
    signs = any(sign in str(error).lower() for sign in OUT_OF_MEMORY) or isinstance(error, MemoryError)
    return DeviceMemoryError(str(error)) if signs else None


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
