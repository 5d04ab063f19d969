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
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.onnxgraph.runner.sessions import FilledMemoryError
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
    """What the outputs hold of samples that were run together.

    Attributes:
        samples: which.
        values: rows of each output, None where it does not have one for each sample; None where the run fails.
    """

    samples: slice
    values: Sequence[object] | None


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
        ran = [(way, list(self._ran(self._runner, way, x))) for way in self._ways(self._runner)]
        # A file that never takes a batch of some size decides nothing there.
        ran = [(way, runs) for way, runs in ran if any(run.values is not None for run in runs)]
        if not ran:
            self._runner.tensors(x[:1], self._read)  # raises what is wrong
        silent = [one is None for one in self._stated(ran[0][1], own)]
        for number, (way, runs) in enumerate(ran):
            for output, stated, says_nothing in zip(self._outputs, self._stated(runs, own), silent, strict=True):
                if says_nothing and output.kind is not Kind.SCORES:
                    continue
                said = unreadable(own) if stated is None else stated
                otherwise = self._compared(output, way, said, own, batch.indices[finite])
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

    def _ran(self, runner: Runner, way: _Way, x: Inputs) -> Iterator[_Run]:
        """Run the file on all samples; yield what its outputs hold, run after run."""
        ahead, start, sizes = self._held.others[: way.ahead], 0, iter(way.sizes)
        size = next(sizes)
        while start < len(x):
            taken = slice(start, min(start + size, len(x)))
            start, size = taken.stop, next(sizes, size)
            given = np.concatenate([ahead, x[taken]])
            try:
                values = runner.tensors(given, self._read)
            except (StoppedError, FilledMemoryError):  # a bound that was reached is told, and not tried again and again
                raise
            except ModelError:
                yield _Run(taken, None)
                continue
            rows = runner.batch or len(given)
            yield _Run(taken, [_rows(value, rows, slice(len(ahead), len(given))) for value in values])

    def _stated(self, runs: Sequence[_Run], own: Scores) -> list[Stated | None]:
        """Return what each output says of all samples, None where it can be read of none."""
        held, found = self._held, list[Stated | None]()
        tied = np.zeros(own.shape, np.bool_)
        for position, output in enumerate(self._outputs):
            parts = [(run.samples, None if run.values is None else run.values[position]) for run in runs]
            said = [
                (
                    samples,
                    None
                    if value is None
                    else stated_by(
                        output,
                        value,
                        own[samples],
                        held.network.task,
                        held.vocabulary,
                        decided_at=held.network.decided_at,
                    ),
                )
                for samples, value in _joined(parts)
            ]
            one = _together(said, own)
            if output.kind is Kind.SCORES:
                tied |= False if one is None else one.tied
            elif one is not None:  # where scores tie, it is open which of their classes a label names
                one = Stated(one.decided, one.tied | tied, one.said)
            found.append(one)
        return found

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


def _rows(value: object, rows: int, kept: slice) -> object:
    """Return some rows of what an output holds; None where it does not have so many as there were samples."""
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim):
        return value[kept] if len(value) == rows else value if rows == 1 else None
    return value if rows == 1 else None


def _joined(parts: Sequence[tuple[slice, object]]) -> Sequence[tuple[slice, object]]:
    """Return rows of several runs as those of one, where they have one form."""
    arrays = [value for _, value in parts if isinstance(value, np.ndarray) and value.ndim]
    forms = {(value.shape[1:], value.dtype) for value in arrays}
    each = all(len(value) == held.stop - held.start for value, (held, _) in zip(arrays, parts, strict=False))
    if len(arrays) < len(parts) or len(forms) > 1 or not each:
        return parts
    return [(slice(0, parts[-1][0].stop), np.concatenate(arrays))]


def _together(parts: Sequence[tuple[slice, Stated | None]], own: Scores) -> Stated | None:
    """Return what an output says in all runs, None where it can be read in none."""
    if all(one is None for _, one in parts):
        return None
    found = [unreadable(own[samples]) if one is None else one for samples, one in parts]
    decided = [one.decided.astype(np.int64) for one in found]
    if len({one.ndim for one in decided}) > 1:  # each class on its own, beside runs of which nothing can be read
        decided = [np.broadcast_to(one.reshape(len(one), -1), (len(one), own.shape[1])) for one in decided]
    said = [text for one in found for text in one.said]
    return Stated(np.concatenate(decided), np.concatenate([one.tied for one in found]), said)


def _classes(scores: Scores, task: Task) -> str:
    """Return what the scores of one sample decide, for people."""
    if task is Task.MULTILABEL:
        return ", ".join(map(str, np.flatnonzero(scores > 0))) or "no class"
    return f"class {int(scores.argmax())}"
