"""What the unmodified model computes on the samples: run once, kept while memory allows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxcausal.onnxgraph.graph.trace import Trace
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.memory import Memory, batch_within
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import Inputs

CAPTURE_BYTES = 64 * 2**20
"""What all tensors of one run of the unmodified model should take."""
Tensors = dict[str, NDArray[np.generic]]
"""Tensors by name, as the model holds them."""


@dataclass(slots=True, eq=False)
class Block:
    """What the model computes on some consecutive samples.

    Attributes:
        start: position of the first of them.
        stop: position after the last.
        tensors: tensors by name.
        centred: data of layers less their mean over reference samples, by the layer's name, once they were asked for.
        alive: on which samples features of layers are not 0 all over, by the layer's name, once they were asked for.
    """

    start: int
    stop: int
    tensors: Tensors
    centred: Tensors = field(default_factory=dict)
    alive: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


class Activations:
    """Runs the part of the model before some layers, once for samples that are asked about again.

    Where the tensors of all layers fit into memory for all samples, one run of one session gives them, and they
    serve every layer; else each layer has a session on what is before it; else the samples are taken in parts.
    """

    def __init__(
        self,
        network: Network,
        trace: Trace,
        needed: Mapping[str, Sequence[str]],
        *,
        memory: Memory,
        provider: Provider | None,
    ) -> None:
        """Open no session yet.

        Args:
            network: the model.
            trace: shapes and types of one run.
            needed: tensors that each layer needs, by its name.
            memory: how much may be kept, and taken by a run.
            provider: execution provider.
        """
        self._network = network
        self._trace = trace
        self._needed = {layer: sorted(set(tensors)) for layer, tensors in needed.items()}
        self._all = sorted({name for tensors in self._needed.values() for name in tensors})
        self._twice: dict[str, str] = {}
        self._bytes_of: dict[tuple[str, ...], int] = {}
        self._bytes_kept = memory.kept
        everything = sum(map(trace.of_sample, trace.rows))
        within = replace(memory, run=min(CAPTURE_BYTES, memory.run))
        self._batch = network.plain.batch or batch_within(within, everything)
        self._provider = provider
        self._runners: dict[tuple[str, ...], Runner] = {}
        self._samples: Inputs | None = None
        self._kept: dict[tuple[str, ...], Block] = {}

    def count_twice(self, tensors: Mapping[str, str]) -> None:
        """Count one tensor of each layer twice: it is also kept less its mean."""
        self._twice = dict(tensors)
        self._bytes_of.clear()

    def _of_sample(self, *layers: str) -> int:
        """Return the bytes that one sample of what some layers need takes."""
        if layers not in self._bytes_of:
            held = {name for layer in layers for name in self._needed[layer]}
            centred = [self._twice[layer] for layer in layers if layer in self._twice]
            self._bytes_of[layers] = sum(map(self._trace.of_sample, [*held, *centred]))
        return self._bytes_of[layers]

    def blocks(self, layer: str, x: Inputs) -> Iterator[Block]:
        """Yield the tensors a layer needs, for all samples, in one block or, where memory is short, in several."""
        if self._samples is not x:
            self._samples = x
            self._kept.clear()
        whole = self._of_sample(*self._needed) * len(x) <= self._bytes_kept
        names = self._all if whole else self._needed[layer]
        if tuple(names) in self._kept:
            yield self._kept[tuple(names)]
            return
        self._kept.clear()  # before the new tensors take their place
        fitting = max(self._batch, self._bytes_kept // max(1, self._of_sample(layer)))
        size = len(x) if whole else max(1, fitting // self._batch * self._batch)
        for start in range(0, len(x), size):
            stop = min(start + size, len(x))
            block = Block(start, stop, self._run(names, x[start:stop]))
            if (start, stop) == (0, len(x)):
                self._kept = {tuple(names): block}
            yield block

    def mean(self, layer: str, tensor: str, x: Inputs) -> NDArray[np.float64]:
        """Return a tensor of a layer averaged over samples, as one sample of it, samples first and of size 1."""
        rows = self._trace.rows[tensor]
        total: NDArray[np.float64] | None = None
        for start in range(0, len(x), self._batch):
            value = self._run(self._needed[layer], x[start : start + self._batch])[tensor]
            part = by_sample(value, rows.axis, rows.multiple).sum(axis=0, dtype=np.float64, keepdims=True)
            total = part if total is None else total + part
        assert total is not None
        return total / len(x)

    def centred(self, tensor: str, value: NDArray[np.generic], mean: NDArray[np.float64]) -> NDArray[np.generic]:
        """Return a tensor less a mean of it, in the tensor's own layout and type."""
        rows = self._trace.rows[tensor]
        difference = by_sample(value, rows.axis, rows.multiple) - mean.astype(value.dtype)
        return np.ascontiguousarray(np.moveaxis(difference, 0, rows.axis).reshape(value.shape))

    def _run(self, names: Sequence[str], x: Inputs) -> Tensors:
        """Return tensors for some samples, computed batch by batch."""
        data = self._network.spec.name
        inner = [name for name in names if name != data]
        joined: Tensors = {}
        for start in range(0, len(x), self._batch):
            batch = x[start : start + self._batch]
            found = dict(zip(inner, self._runner(inner).tensors(batch, inner), strict=True)) if inner else {}
            for name, value in found.items():
                rows = self._trace.rows[name]
                own = self._rows(value, name, len(batch))
                if name not in joined:
                    shape = list(own.shape)
                    shape[rows.axis] = len(x) * rows.multiple
                    joined[name] = np.empty(shape, own.dtype)
                places = slice(start * rows.multiple, (start + len(batch)) * rows.multiple)
                joined[name][(slice(None),) * rows.axis + (places,)] = own
        return {**joined, data: x.astype(self._trace.types[data], copy=False)} if data in names else joined

    def _rows(self, value: NDArray[np.generic], name: str, count: int) -> NDArray[np.generic]:
        """Return the rows of the first samples, where a fixed batch was filled up."""
        rows = self._trace.rows[name]
        return value.take(np.arange(count * rows.multiple), axis=rows.axis) if self._network.plain.batch else value

    def _runner(self, names: Sequence[str]) -> Runner:
        """Return the session that computes some tensors; only the last one is kept open."""
        key = tuple(names)
        if key not in self._runners:
            self._runners.clear()
            part = cut_at(self._network.proto, names)
            self._runners[key] = self._network.runner(part, self._provider)
        return self._runners[key]


def by_sample(value: NDArray[Any], axis: int, multiple: int) -> NDArray[Any]:
    """Return a tensor with the samples as its first axis and what belongs to each of them behind, axes in order.

    A sample with several rows keeps them as an axis of their own, where they were.
    """
    shape = value.shape
    split = value.reshape(*shape[:axis], shape[axis] // multiple, multiple, *shape[axis + 1 :])
    return np.moveaxis(split, axis, 0)
