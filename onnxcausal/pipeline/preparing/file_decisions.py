"""Whether a file decides, by its own outputs, what the scores that are measured decide: on every sample that is used.

Samples are run as those who use the file run it: one by one and in batches of several sizes, or in batches of the size
that the model is fixed to (docs/method.md, "What the file itself decides").
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.network.deployed import DecidingOutput, Kind
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.stated import Flags, Scores, Stated, Vocabulary, differing, stated_by, unreadable
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import Batch, Indices, Inputs

MOST_EXCUSED = 0.1
"""Share of the samples on which a file may tie or round otherwise."""
FEW_EXCUSED = 3
"""So many of them prove nothing, whatever their share."""
DOUBLED = (16, 32)
"""Batches of usual sizes that are not reached one after the other."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to run a file on samples.

    Attributes:
        told: how, for people.
        sizes: samples of the first run, the second and so on; the last size is repeated.
        ahead: how many samples of other classes stand before them in each run.
    """

    told: str
    sizes: Sequence[int]
    ahead: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What the outputs say of samples that were run together.

    Attributes:
        samples: which.
        stated: what each output says, None where it cannot be read; None where the run fails.
    """

    samples: slice
    stated: Sequence[Stated | None] | None


@dataclass(frozen=True, slots=True, eq=False)
class FileDecisions:
    """What a file decides beside the scores of its network.

    Attributes:
        network: the model, cut at its scores.
        others: some samples of several classes, which stand beside those of one class in a batch.
        vocabulary: names of the classes.
        provider: execution provider.
    """

    network: Network
    others: Inputs
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    provider: Provider | None = None

    @contextmanager
    def opened(self) -> Iterator["OpenFile"]:
        """Give the file in a session, which is closed afterwards.

        Raises:
            ModelError: it cannot be run.
        """
        head = self.network.head
        if head is None or self.network.task is Task.REGRESSION:
            yield OpenFile(self, (), None, ())
            return
        runner, read = head.opened(self.provider)
        yield OpenFile(self, head.outputs, runner, read)

    def check(self, batch: Batch, scores: Scores) -> None:
        """Refuse a file that decides otherwise than the scores; arguments as for `OpenFile.agrees`.

        Raises:
            ModelError: it does.
        """
        with self.opened() as file:
            file.agrees(batch, scores)


class OpenFile:
    """A file in a session."""

    def __init__(
        self, held: FileDecisions, outputs: Sequence[DecidingOutput], runner: Runner | None, read: Sequence[str]
    ) -> None:
        """Take the session.

        Args:
            held: what is compared.
            outputs: the outputs by which the file decides.
            runner: the session; None where there is nothing to compare.
            read: the tensor that each output is read from.
        """
        self._held, self._outputs, self._runner, self._read = held, outputs, runner, read

    def agrees(self, batch: Batch, scores: Scores) -> Flags:
        """Return on which samples the file decides as the scores do: on all that it does not tie or round otherwise.

        Args:
            batch: the samples.
            scores: their scores, `[samples, classes]`; those that are not finite are not compared.

        Raises:
            ModelError: the file decides otherwise on a sample, or ties or rounds otherwise on too many.
        """
        agreed = np.ones(len(scores), np.bool_)
        finite = np.flatnonzero(np.isfinite(scores).all(axis=1))
        if self._runner is None or not len(finite):
            return agreed
        x, own = batch.x[finite], scores[finite]
        ran = [(way, list(self._ran(self._runner, way, x, own))) for way in self._ways(self._runner)]
        # A file that never takes a batch of some size decides nothing there.
        ran = [(way, runs) for way, runs in ran if any(run.stated is not None for run in runs)]
        if not ran:
            self._runner.tensors(x[:1], self._read)  # raises what is wrong
        for number, (way, runs) in enumerate(ran):
            for position, output in enumerate(self._outputs):
                if output.kind is not Kind.SCORES and _is_silent(ran[0][1], position):
                    continue
                stated = _together(runs, position, own)
                otherwise = self._compared(output, way, stated, own, batch.indices[finite])
                if not number:
                    agreed[finite[otherwise]] = False
        return agreed

    def _ways(self, runner: Runner) -> Iterator[_Way]:
        """Yield the ways to run the file; by the first one samples count as right."""
        most = runner.batch or self._held.network.batch
        if runner.batch is None:
            yield _Way("one by one", [1])
        else:
            yield _Way("one by one" if most == 1 else f"{most} at once", [most])
        ahead = min(len(self._held.others), most // 2)
        if ahead:
            yield _Way("in batches, beside samples of other classes", [most - ahead], ahead)
        if runner.batch is None and most > 1:
            yield _Way("in batches of two, three and more", range(2, most + 1))
        if runner.batch is None and most >= DOUBLED[-1]:
            yield _Way("in larger batches", DOUBLED)

    def _ran(self, runner: Runner, way: _Way, x: Inputs, own: Scores) -> Iterator[_Run]:
        """Run the file on all samples; yield what its outputs say, run after run."""
        ahead = self._held.others[: way.ahead]
        ahead_scores = self._held.network.scores(ahead) if len(ahead) else own[:0]
        start, sizes = 0, iter(way.sizes)
        size = next(sizes)
        while start < len(x):
            taken = slice(start, min(start + size, len(x)))
            start, size = taken.stop, next(sizes, size)
            try:
                values = runner.tensors(np.concatenate([ahead, x[taken]]), self._read)
            except ModelError:
                if runner.longest is not None:  # what may be endless is not tried again and again
                    raise
                yield _Run(taken, None)
                continue
            scores = np.concatenate([ahead_scores, own[taken]])
            missing = (runner.batch or len(scores)) - len(scores)
            scores = np.concatenate([scores, np.repeat(scores[-1:], missing, axis=0)])
            yield _Run(taken, self._stated(values, scores, slice(len(ahead), len(scores) - missing)))

    def _stated(self, values: Sequence[object], scores: Scores, kept: slice) -> list[Stated | None]:
        """Return what each output says of the samples that are asked about."""
        held = self._held
        stated = [
            stated_by(output, value, scores, held.network.task, held.vocabulary)
            for output, value in zip(self._outputs, values, strict=True)
        ]
        # Where scores tie, it is open which of their classes a label names.
        tied = np.zeros(scores.shape, np.bool_)
        for one in stated:
            tied |= False if one is None else one.tied
        return [None if one is None else Stated(one.decided[kept], tied[kept], one.said[kept]) for one in stated]

    def _compared(self, output: DecidingOutput, way: _Way, stated: Stated, own: Scores, places: Indices) -> Flags:
        """Return on which samples an output says otherwise than the scores.

        Raises:
            ModelError: on some it is no rounding, or on too many.
        """
        network = self._held.network
        assert network.head is not None
        otherwise, excused = differing(stated, own, coarse=network.head.coarse)
        wrong = np.flatnonzero(otherwise & ~excused)
        if not len(wrong) and excused.sum() <= max(FEW_EXCUSED, MOST_EXCUSED * len(own)):
            return otherwise
        shown = wrong[0] if len(wrong) else np.flatnonzero(excused)[0]
        scores_say = _classes(own[shown], network.task)
        raise ModelError(
            "the file decides otherwise than the scores that are measured",
            where=f"{network.model.name}, output {output.name}",
            why=f"on {otherwise.sum()} of {len(own)} samples ({way.told}) "
            + ("" if len(wrong) else "it ties or rounds, and ")
            + f"it says another class than tensor {network.outcome.tensor}: of sample {places[shown]} the output says "
            f"{stated.said[shown]}, the scores say {scores_say}",
            remedy="what follows the scores changes the decision, or other samples of the batch do: export the model "
            "without it, or with a batch size of 1, or name the output that decides with --output",
        )


def _together(runs: Sequence[_Run], position: int, own: Scores) -> Stated:
    """Return what an output says in all runs."""
    found = []
    for run in runs:
        stated = None if run.stated is None else run.stated[position]
        found.append(unreadable(own[run.samples]) if stated is None else stated)
    said = [text for one in found for text in one.said]
    decided = [one.decided.astype(np.int64) for one in found]
    if len({one.ndim for one in decided}) > 1:  # each class on its own, beside runs of which nothing can be read
        decided = [np.broadcast_to(one.reshape(len(one), -1), (len(one), own.shape[1])) for one in decided]
    return Stated(np.concatenate(decided), np.concatenate([one.tied for one in found]), said)


def _is_silent(runs: Sequence[_Run], position: int) -> bool:
    """Whether an output holds no label for each sample in any run."""
    return all(run.stated is None or run.stated[position] is None for run in runs)


def _classes(scores: Scores, task: Task) -> str:
    """Return what the scores of one sample decide, for people."""
    if task is Task.MULTILABEL:
        return ", ".join(map(str, np.flatnonzero(scores > 0))) or "no class"
    return f"class {int(scores.argmax())}"
