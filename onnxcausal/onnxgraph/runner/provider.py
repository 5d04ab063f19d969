"""Execution providers: what they are called, and how they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnxcausal.errors import ConfigError, ModelError

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
NVIDIA = frozenset([CUDA, "TensorrtExecutionProvider"])
"""Providers that ONNX Runtime claims to have where there is no device for them."""
EXACT_CUDA = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
"""TF32 has a mantissa of 10 bits, too coarse for effects; it is ONNX Runtime's default."""


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


class DeviceMemoryError(ModelError):
    """The device, or the machine, has no memory left for a run."""

    def __init__(self, why: str) -> None:
        """Take what ONNX Runtime said."""
        super().__init__(
            "memory runs out",
            where="ONNX Runtime",
            why=why.strip().splitlines()[0][:300] if why.strip() else "no message",
            remedy="use a machine or a device with more memory, or a smaller --memory",
        )
