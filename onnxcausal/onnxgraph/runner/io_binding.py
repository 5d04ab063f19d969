"""A session whose inputs stay on its device."""

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from onnxcausal.onnxgraph.runner.deadline import ending
from onnxcausal.onnxgraph.runner.provider import CUDA, Provider
from onnxcausal.onnxgraph.runner.sessions import failing, open_session, out_of_memory


class BoundSession:
    """A session whose inputs stay on its device between runs (IO binding).

    Attributes:
        providers: the execution providers the session really has.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        name: str,
        provider: Provider | None = None,
        *,
        spins: bool = False,
    ) -> None:
        """Open a session.

        Args:
            proto: the model; its outputs are bound in the order they are listed.
            name: its name, for errors.
            provider: default: CUDA where it runs, else CPU.
            spins: let threads that wait for work spin.

        Raises:
            ModelError: ONNX Runtime refuses the model.
            ConfigError: the provider is not to be had.
        """
        self._name = name
        self._session = open_session(proto, name, provider, spins=spins)
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
            raise out_of_memory(error) or failing(self._name, error) from error
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
            ModelError: the model fails while it runs, or takes too long.
        """
        for name in self._outputs:
            self._binding.bind_output(name)
        try:
            with ending(self._name) as options:
                self._session.run_with_iobinding(self._binding, options)
            results: list[NDArray[np.floating]] = self._binding.copy_outputs_to_cpu()
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise out_of_memory(error) or failing(self._name, error) from error
        return results
