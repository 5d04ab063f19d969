"""Two parts of the held-out samples: one to choose a repair on, one to report it on; and what a model decides there."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.probability import log_probabilities
from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.evaluation.accuracy_change import Hits
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.runner.memory import free_memory
from onnxcausal.pipeline.heldout.subject import FEWEST, Subject
from onnxcausal.pipeline.preparing.file_decisions import FileDecisions
from onnxcausal.samples.source import Batch, Indices, Inputs, Samples

BLOCK = 256
"""Samples read at once."""
KEPT_SHARE = 0.1
"""Share of the free memory in which the inputs of a part may stay, to be read once."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutSamples:
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

    def without(self, targets: Collection[int]) -> "HeldOutSamples":
        """Return the part without some classes."""
        if not targets:
            return self
        kept = {target: held for target, held in self.positions.items() if target not in targets}
        return HeldOutSamples(self.samples, kept, self.limit)


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


def split_held_out(subject: Subject, count: int | None = None) -> tuple[HeldOutSamples, HeldOutSamples]:
    """Return the part to choose on and the part to report on.

    Each class gives half of its held-out samples to either, `count` at most, in an order drawn by chance. Samples that
    cannot be read are in neither, if that is allowed at all. A class with too few is left out, and the subject records
    it.

    Args:
        subject: what is repaired.
        count: samples of each class in either part, at most; None: all.

    Raises:
        SamplesError: no class has enough samples, or they are made up.
        ConfigError: the classes do not compete.
    """
    prepared = subject.prepared
    _check(subject)
    limit = KEPT_SHARE * free_memory()
    search: dict[int, Indices] = {}
    report: dict[int, Indices] = {}
    for target in prepared.samples.present.tolist():
        order = subject.free(target)
        middle = len(order) // 2
        search[target], report[target] = order[:middle][:count], order[middle:][:count]
    parts = [_readable(HeldOutSamples(prepared.samples, held, limit)) for held in (search, report)]
    few = [target for target in search if min(len(part.positions[target]) for part in parts) < FEWEST]
    for target in few:
        held = " and ".join(str(len(part.positions[target])) for part in parts)
        subject.left_out.append(
            f"class {title_of(target, prepared.classes.names)} is left out: {held} held-out sample(s) to choose and to "
            "report on are too few"
        )
    if len(few) == len(search):
        raise SamplesError(
            "too few samples are left to repair with",
            where=prepared.samples.source,
            why="the causal graphs looked at all of them but a few",
            remedy="analyse fewer of them with --samples, or name other data with --data",
        )
    return parts[0].without(few), parts[1].without(few)


def _check(subject: Subject) -> None:
    """Refuse what accuracy does not measure."""
    prepared = subject.prepared
    if not prepared.settings.task.compares:
        raise ConfigError(
            "the model decides for each class on its own",
            where=f"{prepared.network.model.name}, task {prepared.settings.task}",
            why="what masks do to the samples without a class, its false alarms, is not measured by accuracy per class",
            remedy="repair a model of one class a sample",
        )
    if prepared.samples.synthetic:
        raise SamplesError(
            "labelled data are needed",
            where=prepared.samples.source,
            why="what the model itself labelled cannot show where it is wrong",
            remedy="name data with --data, or in a sidecar",
        )


def _readable(part: HeldOutSamples) -> HeldOutSamples:
    """Return a part without the samples that cannot be read."""
    read = np.concatenate([np.empty(0, np.int64), *(batch.indices for batch in part.blocks())])
    if len(read) == sum(map(len, part.positions.values())):
        return part
    kept = {target: held[np.isin(held, read)] for target, held in part.positions.items()}
    return HeldOutSamples(part.samples, kept, part.limit)


def decide(
    network: Network, part: HeldOutSamples, *, probabilities: bool = False, file: FileDecisions | None = None
) -> Decisions:
    """Return what a model decides on a part.

    Args:
        network: the model.
        part: the samples.
        probabilities: whether its scores are probabilities already.
        file: what must decide the same; None for a model that is in no file.

    Raises:
        ModelError: it cannot be run, or the file decides otherwise.
        SamplesError: a sample cannot be read.
    """
    found = []
    for batch in part.blocks():
        if len(batch.indices):
            scores = network.scores(batch.x)
            if file is not None:
                file.check(batch, scores)
            found.append(_decided(scores, network, part.samples.labels[batch.indices], known=probabilities))
    return _joined(found)


def decide_both(
    files: tuple[FileDecisions, FileDecisions], part: HeldOutSamples, *, probabilities: bool = False
) -> tuple[Decisions, Decisions, float]:
    """Return what two model files decide on a part, and the largest difference of their scores.

    Args:
        files: the files with their networks, whose scores are of the same classes.
        part: the samples.
        probabilities: whether their scores are probabilities already.

    Raises:
        ModelError: one cannot be run, or a file decides otherwise than its scores.
        SamplesError: a sample cannot be read.
    """
    found: tuple[list[Decisions], list[Decisions]] = [], []
    largest = 0.0
    for batch in part.blocks():
        if len(batch.indices):
            labels = part.samples.labels[batch.indices]
            scores = [file.network.scores(batch.x) for file in files]
            largest = max(largest, _apart(*scores))
            for held, of_model, file in zip(found, scores, files, strict=True):
                file.check(batch, of_model)
                held.append(_decided(of_model, file.network, labels, known=probabilities))
    return _joined(found[0]), _joined(found[1]), largest


def _apart(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the largest difference of scores; infinite where one is a number and the other is none."""
    alike = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.abs(other[~alike].astype(np.float64) - one[~alike])
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _decided(
    scores: NDArray[np.floating], network: Network, labels: NDArray[np.int64] | NDArray[np.bool_], *, known: bool
) -> Decisions:
    """Return what scores of a model decide."""
    logs = log_probabilities(scores, network.task, known=known)
    labels, rows, decided = labels.astype(np.int64), np.arange(len(logs)), logs.argmax(axis=1)
    return Decisions(labels, decided, np.exp(logs[rows, decided]), logs[rows, labels])


def _joined(found: Sequence[Decisions]) -> Decisions:
    """Return the decisions on one sample after the other."""
    names = [held.name for held in fields(Decisions)]
    return Decisions(*(np.concatenate([getattr(held, name) for held in found]) for name in names))


def decided_by(subject: Subject, network: Network, part: HeldOutSamples) -> Decisions:
    """Return what a form of the model decides on a part."""
    prepared = subject.prepared
    file = prepared.file if network is prepared.network else None
    return decide(network, part, probabilities=prepared.classes.are_probabilities, file=file)
