"""Opening sessions: options, providers, what goes wrong."""

import numpy as np
import onnx
import onnxruntime as ort

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.external import array_of, is_external
from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.runner.available import FATAL_ONLY, why_not
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.onnxgraph.runner.provider import CPU, CUDA, EXACT_CUDA, NVIDIA, DeviceMemoryError, Provider
from onnxcausal.onnxgraph.runner.system_bound import room_for_threads

HELD_TYPES = frozenset(
    f"tensor({name})"
    for name in (
        *("float", "double", "float16", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "bool", "string"),
    )
)
"""Types of tensors that numpy can hold."""
OUT_OF_MEMORY = (
    "failed to allocate",
    "cannot allocate memory",  # not even a thread could be started
    "out of memory",
    "bad_alloc",
    "alloc_failed",
    "bad allocation",
)
"""What ONNX Runtime's message says when memory runs out."""
INEXACT = ["ConvMulFusion", "MatMulScaleFusion"]
"""Optimisations that put a factor into the weights: products of whole numbers would be exact no longer. Quantised ops
are left as they stand for the same reason."""


def version() -> str:
    """Return ONNX Runtime's version."""
    return str(ort.__version__)


def open_session(
    proto: onnx.ModelProto,
    name: str,
    provider: Provider | None,
    *,
    threads: int = 0,
    spins: bool = False,
    varies: bool = False,
    large: bool = False,
) -> ort.InferenceSession:
    """Open a session.

    Args:
        proto: the model.
        name: its name, for errors.
        provider: default: CUDA where it runs, else CPU.
        threads: of one run; 0: as many as ONNX Runtime finds right.
        spins: whether they wait for work without sleeping.
        varies: whether the runs differ in their batch. Otherwise ONNX Runtime lays the tensors of a run into one block
            from the second run of a shape on, which would be held beside what the first one took, for every shape.
        large: whether samples are so large that what a run took is handed back after it, not kept for the next one.

    Raises:
        ModelError: ONNX Runtime refuses the model.
        ConfigError: the provider is not to be had.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = FATAL_ONLY
    options.use_deterministic_compute = True
    options.enable_mem_pattern = not varies
    options.enable_cpu_mem_arena = not large
    if provider is not None and (provider.name in NVIDIA or provider.name not in ort.get_available_providers()):
        # Asking for what does not run would log noise and run on the CPU.
        device = provider.options.get("device_id", "0")
        reason = why_not(provider.name, int(device) if device.isdecimal() else 0)
        if reason:
            raise provider_missing(provider, reason)
    mapped = [tensor for tensor in proto.graph.initializer if is_external(tensor)]
    held = [ort.OrtValue.ortvalue_from_numpy(array_of(tensor)) for tensor in mapped]
    try:
        if mapped:
            options.add_external_initializers([tensor.name for tensor in mapped], held)
            for tensor, value in zip(mapped, held, strict=True):
                options.add_initializer(tensor.name, value)  # without it the weights would be copied
            options.add_session_config_entry("session.disable_prepacking", "1")  # it would copy them too
        with room_for_threads():
            session = ort.InferenceSession(
                serialise(proto, name),
                options,
                providers=_wanted(provider),
                disabled_optimizers=INEXACT,
                enable_fallback=0,  # a device that fails must not become a CPU in silence
            )
        session.mapped = held  # they must live as long as the session
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise out_of_memory(error) or ModelError(
            "ONNX Runtime refuses the model",
            where=name,
            why=_first_line(error) or "no message",
            remedy="check that the file is complete, and that onnxruntime is new enough for its operators",
        ) from error
    return session


class FilledMemoryError(ModelError):
    """A run of the model took more memory than it may."""


def out_of_memory(error: Exception) -> DeviceMemoryError | None:
    """Return the error as one of memory, if it is one."""
    signs = any(sign in str(error).lower() for sign in OUT_OF_MEMORY) or isinstance(error, MemoryError)
    return DeviceMemoryError(str(error)) if signs else None


def failing(where: str, error: Exception) -> ModelError:
    """Return the error for a model that fails while it runs."""
    if isinstance(error, StoppedError):
        return error
    if out_of_memory(error) is not None:
        return filling_memory(where, error)
    return ModelError(
        "the model fails while it runs",
        where=where,
        why=_first_line(error) or "no message",
        remedy="check the data's shape and type against the model's input",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]


def filling_memory(where: str, error: Exception) -> FilledMemoryError:
    """Return the error for a model that memory does not suffice for."""
    return FilledMemoryError(
        "the model takes more memory than it may",
        where=where,
        why=_first_line(error) or "an allocation failed",
        remedy="if you trust the file, give it more: --memory SIZE, and --limits memory=SIZE",
    )


def _wanted(provider: Provider | None) -> list[tuple[str, dict[str, str]]]:
    """Return the providers to ask for, CPU last; by default CUDA where it runs."""
    if provider is None:
        provider = Provider(CPU if why_not(CUDA) else CUDA)
    defaults = EXACT_CUDA if provider.name == CUDA else {}
    wanted: list[tuple[str, dict[str, str]]] = [(provider.name, {**defaults, **provider.options})]
    return wanted if provider.name == CPU else [*wanted, (CPU, {})]


def provider_missing(provider: Provider, why: str) -> ConfigError:
    """Return the error for a provider that is not there, and why it is not."""
    libraries = "pip install 'onnxruntime-gpu[cuda,cudnn]'" if provider.name == CUDA else "install its libraries"
    return ConfigError(
        f"the provider {provider.name} is not to be had",
        where=f"--provider {provider.name}",
        why=why,
        remedy=f"leave --provider out to use what there is, or {libraries}",
    )


def numpy_type(name: str) -> np.dtype[np.generic]:
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
