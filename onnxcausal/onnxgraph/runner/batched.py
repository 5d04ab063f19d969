"""A session on one model, run on samples in batches."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.graph.trace import Trace, rows_of
from onnxcausal.onnxgraph.runner.deadline import StoppedError, ending
from onnxcausal.onnxgraph.runner.memory import LARGEST_BATCH
from onnxcausal.onnxgraph.runner.provider import CUDA, Provider
from onnxcausal.onnxgraph.runner.sessions import HELD_TYPES, failing, numpy_type, open_session, provider_missing
from onnxcausal.samples.source import Inputs, InputSpec

RECORDED_VALUES = 4096
"""Integer tensors up to this many values are recorded in a trace (shapes, indices)."""
LARGE_SAMPLE = 5 * 2**18
"""Values of a sample beyond which memory matters more than the time to get it."""
BYTES_OF_TWO = 8
"""Bytes of a value of two samples."""
HELD_AT_ONCE = 2**29
"""Bytes of tensors of two samples that are held at once where only their shapes are asked for."""


class Runner:
    """A session on one model.

    Attributes:
        providers: the execution providers the session really has.
        batch: batch size the model is fixed to, None where it takes any.
        dtype: type of its input.
        longest: seconds that a run may take; None for any time.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        spec: InputSpec,
        name: str,
        provider: Provider | None = None,
    ) -> None:
        """Open a session.

        Args:
            proto: the model.
            spec: the input that takes the samples.
            name: the model's name, for errors.
            provider: default: CUDA where it runs, else CPU.

        Raises:
            ModelError: ONNX Runtime refuses the model.
            ConfigError: the provider is not to be had.
        """
        self.spec = spec
        self.batch = spec.shape[0] if spec.shape else None
        self._name = name
        large = prod(size or 1 for size in spec.shape[1:]) > LARGE_SAMPLE
        self._session = open_session(proto, name, provider, varies=True, large=large)
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self.dtype = numpy_type(next(i.type for i in self._session.get_inputs() if i.name == spec.name))
        if provider is not None and provider.name not in self.providers:
            raise provider_missing(provider, f"ONNX Runtime runs on {', '.join(self.providers)} in its place")

    @property
    def output_shape(self) -> tuple[int | None, ...] | None:
        """Shape of the first output as ONNX Runtime infers it, None for open sizes; None where nothing is known."""
        shape = self._session.get_outputs()[0].shape
        return tuple(size if isinstance(size, int) else None for size in shape) if shape else None

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
            ModelError: the model fails while it runs, takes too long, or its outputs do not follow the batch.
        """
        size = self.batch or batch
        parts = [self._run_batch(x[start : start + size], outputs, feeds or {}) for start in range(0, len(x), size)]
        return [np.concatenate([part[number] for part in parts]) for number in range(len(outputs))]

    def tensors(self, x: Inputs, names: Sequence[str]) -> list[NDArray[np.floating]]:
        """Return outputs of any shape for one batch, filled up to the model's batch size where that is fixed."""
        return self._call(self._fitted(x), names, {})

    def grouped(self, tensors: Sequence[str], sample: Inputs) -> list[list[str]]:
        """Return outputs in groups, each small enough to be held at once: all together, unless they are large.

        Args:
            tensors: outputs of the session.
            sample: one input, `[1, ...]`; outputs whose size is not known count as much as two of it.
        """
        sizes = {output.name: output.shape for output in self._session.get_outputs()}
        groups: list[list[str]] = [[]]
        held = 0
        for name in tensors:
            known = [size if isinstance(size, int) else 1 for size in sizes[name] or ()]
            taken = BYTES_OF_TWO * (prod(known) if known else sample.size)
            if groups[-1] and held + taken > HELD_AT_ONCE:
                groups.append([])
                held = 0
            groups[-1].append(name)
            held += taken
        return groups

    def trace(self, x: Inputs, tensors: Sequence[str]) -> Trace:
        """Return shapes and types of tensors, values of small integer ones, and where samples stand in them.

        Runs the first sample of `x`, and a batch of two where the model leaves the batch open.

        Args:
            x: inputs, at least one.
            tensors: outputs of the session.
        """
        batch = self.batch or 1
        arrays = self._held(self._fitted(x[:batch]), tensors)
        small = {
            name: value for name, value in arrays.items() if value.dtype.kind in "iu" and value.size <= RECORDED_VALUES
        }
        shapes = {name: value.shape for name, value in arrays.items()}
        types = {name: value.dtype for name, value in arrays.items()}
        del arrays  # before more are made
        doubled = None if self.batch else self._shapes(np.repeat(x[:1], 2, axis=0), tensors)
        found = {
            name: rows_of(shape, None if doubled is None else doubled.get(name, ()), batch)
            for name, shape in shapes.items()
        }
        rows = {name: place for name, place in found.items() if place is not None}
        return Trace(shapes, small, types, rows, batch)

    def _shapes(self, x: Inputs, tensors: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return shapes in one more run; none where the model does not take this batch."""
        try:
            return {name: value.shape for name, value in self._held(x, tensors).items()}
        except StoppedError:
            raise
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
        given = {self.spec.name: x.astype(self.dtype, copy=False), **feeds}
        try:
            with ending(self._name) as options:
                results: list[NDArray[np.floating]] = self._session.run(list(outputs), given, options)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise failing(self._name, error) from error
        return results
