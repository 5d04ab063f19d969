"""What of the machine a run may use."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from onnxcausal.onnxgraph.runner.memory import parse_size
from onnxcausal.onnxgraph.runner.provider import CUDA, Provider
from onnxcausal.pipeline.preparing.opening import CAREFUL, Caution, caution_of


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the machine a run may use; none of it changes the numbers beyond float noise.

    Attributes:
        provider: execution provider; default: CUDA where it runs, else CPU.
        memory: bound on memory in bytes; default: a share of what is free.
        devices: devices of the provider that share the work; empty: one.
        caution: how far the model file is trusted.
    """

    provider: Provider | None = None
    memory: int | None = None
    devices: tuple[int, ...] = ()
    caution: Caution = CAREFUL

    @classmethod
    def of(
        cls,
        *,
        provider: str | None = None,
        memory: str | None = None,
        devices: Sequence[int] = (),
        limits: str | None = None,
        follow_links: bool = False,
    ) -> "Machine":
        """Return what of the machine may be used, as a user writes it.

        Args:
            provider: execution provider, as `NAME` or `NAME:key=value`; default: CUDA where it runs, else CPU.
            memory: bound on memory, like `2GiB`; default: 60 % of what is free.
            devices: numbers of the provider's devices that share the work; default: one.
            limits: what opening a model file may take, like `time=60,memory=2GiB`; `none` opens it without a check.
            follow_links: read weights behind links, as model stores lay them out.

        Raises:
            ConfigError: one of them cannot be read.
        """
        return cls(
            provider=Provider.parse(provider) if provider else None,
            memory=parse_size(memory) if memory else None,
            devices=tuple(devices),
            caution=caution_of(limits, follow_links=follow_links),
        )

    def on_first_device(self) -> "Machine":
        """Return the machine with its provider on the first of the devices that share the work."""
        if not self.devices or (self.provider is not None and self.provider.name != CUDA):
            return self
        options = {} if self.provider is None else self.provider.options
        return replace(self, provider=Provider(CUDA, {**options, "device_id": str(self.devices[0])}))


HERE = Machine()
"""The machine as it is found."""
