"""What of the machine a run may use."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from errno import ENOMEM
from functools import wraps
from typing import ParamSpec, TypeVar

from onnxcausal.onnxgraph.runner.available import why_not
from onnxcausal.onnxgraph.runner.deadline import Watch, watched
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.memory import FREE_SHARE, free_memory, parse_size
from onnxcausal.onnxgraph.runner.provider import CUDA, NVIDIA, Provider
from onnxcausal.onnxgraph.runner.sessions import filling_memory
from onnxcausal.onnxgraph.runner.system_bound import memory_bound
from onnxcausal.pipeline.preparing.opening import CAREFUL, Caution, caution_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the machine a run may use; none of it changes the numbers beyond float noise.

    Attributes:
        provider: execution provider; default: CUDA where it runs, else CPU.
        memory: bound on memory in bytes; default: a share of what is free.
        devices: devices of the provider that share the work; empty: one.
        caution: how far the model file is trusted.
        own_process: this process does nothing else: it is ended where an op of the model does not end in time.
    """

    provider: Provider | None = None
    memory: int | None = None
    devices: tuple[int, ...] = ()
    caution: Caution = CAREFUL
    own_process: bool = False

    @classmethod
    def of(
        cls,
        *,
        provider: str | None = None,
        memory: str | None = None,
        devices: Sequence[int] = (),
        limits: str | None = None,
        follow_links: bool = False,
        own_process: bool = False,
    ) -> "Machine":
        """Return what of the machine may be used, as a user writes it.

        Args:
            provider: execution provider, as `NAME` or `NAME:key=value`; default: CUDA where it runs, else CPU.
            memory: bound on memory, like `2GiB`; default: 60 % of what is free.
            devices: numbers of the provider's devices that share the work; default: one.
            limits: what opening a model file may take, like `time=60,memory=2GiB`; `none` opens it without a check.
            follow_links: read weights behind links, as model stores lay them out.
            own_process: this process does nothing else, and may be ended where an op of the model does not end in time.

        Raises:
            ConfigError: one of them cannot be read.
        """
        return cls(
            provider=Provider.parse(provider) if provider else None,
            memory=parse_size(memory) if memory else None,
            devices=tuple(devices),
            caution=caution_of(limits, follow_links=follow_links),
            own_process=own_process,
        )

    @property
    def first_run(self) -> Limits | None:
        """What a first run on samples may take in a process of its own: no less memory than the runs after it."""
        limits = self.caution.limits
        if limits is None:
            return None
        return replace(limits, memory=max(limits.bytes, self.memory or int(FREE_SHARE * free_memory())))

    @contextmanager
    def bounds(self) -> Iterator[None]:
        """Bound what this process takes inside, where the file is not trusted: its memory, and the time of each run.

        Memory is bounded by the operating system: to what was asked for, else to what is free. That counts address
        space, of which CUDA takes far more than it uses: where a device is used, it is not bounded so.

        Raises:
            ModelError: memory does not suffice for what is done inside.
        """
        limits = self.caution.limits
        if limits is None:
            yield
            return
        free = free_memory()
        allowed = None if self._uses_device() else self.memory or free
        with memory_bound(allowed, free), watched(Watch(limits.seconds, ends_process=self.own_process)):
            try:
                yield
            except MemoryError as error:
                raise filling_memory("the run", error) from error
            except OSError as error:
                if error.errno == ENOMEM:
                    raise filling_memory("the run", error) from error
                raise

    def _uses_device(self) -> bool:
        return bool(self.devices) or (not why_not(CUDA) if self.provider is None else self.provider.name in NVIDIA)

    def on_first_device(self) -> "Machine":
        """Return the machine with its provider on the first of the devices that share the work."""
        if not self.devices or (self.provider is not None and self.provider.name != CUDA):
            return self
        options = {} if self.provider is None else self.provider.options
        return replace(self, provider=Provider(CUDA, {**options, "device_id": str(self.devices[0])}))


HERE = Machine()
"""The machine as it is found."""


def bounded(job: Callable[P, T]) -> Callable[P, T]:
    """Return a job that runs within the bounds of the machine it is given; without one, of the machine as it is."""

    @wraps(job)
    def run(*given: P.args, **settings: P.kwargs) -> T:
        machine = next((value for value in (*given, *settings.values()) if isinstance(value, Machine)), HERE)
        with machine.bounds():
            return job(*given, **settings)

    return run
