"""Two parts of the held-out samples: one to choose a repair on, one to report it on; and what a model decides there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.evaluation.paired import Hits
from onnxcausal.onnxgraph.memory import free_memory
from onnxcausal.onnxgraph.network import Network
from onnxcausal.pipeline.protocols.subject import FEWEST, Subject
from onnxcausal.samples.source import Batch, Indices, Inputs, Samples

BLOCK = 256
"""Samples read at once."""
KEPT_SHARE = 0.1
"""Share of the free memory in which the inputs of a part may stay, to be read once."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some of the held-out samples.

    Attributes:
        samples: the data.
        positions: of the samples in the data, by class.
        limit: bytes of inputs that are kept once they are read.
    """

    samples: Samples
    positions: Mapping[int, Indices]
    limit: float
    _kept: list[Batch] = field(default_factory=list)

    def blocks(self) -> Iterator[Batch]:
        """Yield the samples class by class, some at a time; those that cannot be read are left out if that is set."""
        if self._kept:
            yield from self._kept
            return
        order = np.concatenate(list(self.positions.values()))
        kept: list[Batch] = []
        size = 0
        for start in range(0, len(order), BLOCK):
            batch = self.samples.read(order[start : start + BLOCK])
            size += batch.x.nbytes
            if size <= self.limit:
                kept.append(batch)
            yield batch
        if size <= self.limit:
            self._kept.extend(kept)

    def of_class(self, target: int, count: int) -> Inputs:
        """Return the first samples of a class, `[samples, ...]`."""
        return self.samples.read(self.positions[target][:count]).x


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What a model decides on the samples of a part.

    Attributes:
        labels: class of each sample, `[samples]`.
        decided: class that is decided, `[samples]`.
        confidence: probability of that class, `[samples]`.
        log_probability: logarithm of the probability of the right class, `[samples]`, in nats.
    """

    labels: NDArray[np.int64]
    decided: NDArray[np.int64]
    confidence: Floats
    log_probability: Floats

    @property
    def right(self) -> Hits:
        """Which samples are decided rightly, `[samples]`."""
        return np.asarray(self.decided == self.labels)

    def accuracy(self, target: int) -> float:
        """Return the share of a class's samples that are decided rightly."""
        return float(self.right[self.labels == target].mean())


def split_held_out(subject: Subject, count: int) -> tuple[Part, Part]:
    """Return the part to choose on and the part to report on.

    Each class gives half of its held-out samples to either, `count` at most. A class with too few is left out, and the
    subject records it.

    Args:
        subject: what is repaired.
        count: samples of each class in either part, at most.

    Raises:
        SamplesError: no class has enough samples.
        ConfigError: the classes do not compete.
    """
    prepared = subject.prepared
    if not prepared.settings.task.compares:
        raise ConfigError(
            "the model decides for each class on its own",
            where=f"{prepared.network.model.name}, task {prepared.settings.task}",
            why="what masks do to the samples without a class, its false alarms, is not measured by accuracy per class",
            remedy="repair a model of one class a sample",
        )
    chosen: dict[int, Indices] = {}
    for target in prepared.samples.present.tolist():
        order = subject.free(target)
        if len(order) < 2 * FEWEST:
            subject.left_out.append(f"class {target} is left out: {len(order)} held-out sample(s) are too few")
            continue
        chosen[target] = order
    if not chosen:
        raise SamplesError(
            "too few samples are left to repair with",
            where=prepared.samples.source,
            why="the causal graphs looked at all of them but a few",
            remedy="analyse fewer of them with --samples, or name other data with --data",
        )
    limit = KEPT_SHARE * free_memory()
    search = {target: np.sort(order[: min(count, len(order) // 2)]) for target, order in chosen.items()}
    report = {target: np.sort(order[len(order) // 2 :][:count]) for target, order in chosen.items()}
    return Part(prepared.samples, search, limit), Part(prepared.samples, report, limit)


def decide(network: Network, part: Part, *, probabilities: bool = False) -> Decisions:
    """Return what a model decides on a part.

    Args:
        network: the model.
        part: the samples.
        probabilities: whether its scores are probabilities already.

    Raises:
        ModelError: it cannot be run.
        SamplesError: a sample cannot be read.
    """
    found = [
        (part.samples.labels[batch.indices], _log_probabilities(network, batch.x, known=probabilities))
        for batch in part.blocks()
        if len(batch.indices)
    ]
    labels = np.concatenate([label for label, _ in found]).astype(np.int64)
    logs = np.concatenate([log for _, log in found])
    rows = np.arange(len(logs))
    decided = logs.argmax(axis=1)
    return Decisions(labels, decided, np.exp(logs[rows, decided]), logs[rows, labels])


def _log_probabilities(network: Network, x: Inputs, *, known: bool) -> Floats:
    """Return the logarithms of the probabilities of all classes, `[samples, classes]`."""
    scores = network.scores(x).astype(np.float64)
    if known:
        return np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    if network.task is Task.BINARY:  # the scores are -s and s: the odds are those of s
        return np.asarray(special.log_expit(scores))
    return np.asarray(special.log_softmax(scores, axis=1))
