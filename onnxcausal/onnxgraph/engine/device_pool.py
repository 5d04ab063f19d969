"""Several devices: one process for each, which share the units of a probe."""

import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import onnx

from onnxcausal.analysis.result.settings import Precision
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.interface import EVERY, Findings, Probe, ScoresToOutcome
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.walk_back import OutcomeTensor
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.deadline import Watch, watched
from onnxcausal.onnxgraph.runner.memory import Memory
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import Inputs, InputSpec


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What a process needs to open an engine of its own.

    Attributes:
        model: the model.
        spec: the input that takes the samples.
        outcome: tensor of the class scores.
        proto: the model cut there, as it is run.
        example: a sample.
        reference: reference samples, if a mean stands in for what is taken away.
        provider: execution provider, on the process's own device.
        memory: bound on memory in bytes.
        precision: of the arithmetic.
        watch: how runs are watched; None for a file that is trusted.
    """

    model: Model
    spec: InputSpec
    outcome: OutcomeTensor
    proto: onnx.ModelProto
    example: Inputs
    reference: Inputs | None
    provider: Provider | None
    memory: int
    precision: Precision
    watch: Watch | None = None

    def open(self) -> SuffixEngine:
        """Return an engine."""
        runner = Runner(self.proto, self.spec, self.model.name, self.provider)
        network = Network(self.model, self.spec, self.outcome, self.proto, runner)
        return SuffixEngine(
            network,
            find_wiring(network, self.example),
            reference=self.reference,
            provider=self.provider,
            memory=Memory.of(self.memory, network.plain.device),
            precision=self.precision,
        )


class PoolEngine(SuffixEngine):
    """The suffix engine on several devices: units of a probe go to one process per device, in turn.

    Everything but the effects is done in this process.
    """

    def __init__(
        self,
        network: Network,
        wiring: Wiring,
        recipes: Sequence[Recipe],
        *,
        memory: Memory | None = None,
        precision: Precision = Precision.FP32,
    ) -> None:
        """Start the processes, which end with this one.

        Args:
            network: the model, cut at its class scores.
            wiring: its layers, and the shapes of one run.
            recipes: one for each process; they differ in the device alone, and their reference samples are used here.
            memory: how much this process may take.
            precision: of the arithmetic.
        """
        first = recipes[0]
        super().__init__(
            network, wiring, reference=first.reference, provider=first.provider, memory=memory, precision=precision
        )
        context = multiprocessing.get_context("spawn")  # a forked process cannot use its parent's device
        self._pipes: list[Connection] = []
        self._held: Inputs | None = None
        for recipe in recipes:
            ours, theirs = context.Pipe()
            context.Process(target=_serve, args=(theirs, recipe), daemon=True).start()
            theirs.close()
            self._pipes.append(ours)

    def recall(self, findings: Findings) -> None:
        """Take over what an interrupted run found, in every process."""
        super().recall(findings)
        for number in range(len(self._pipes)):
            self._send(number, ("recall", findings))

    def effects(self, probe: Probe, x: Inputs, outcome: ScoresToOutcome, *, columns: slice = EVERY) -> Floats:
        """Return the effect of the intervention on each unit, `[units, samples]`, in the outcome's unit.

        Raises:
            OnnxCausalError: what a process raised.
        """
        numbers = range(len(self._pipes))
        if self._held is not x:
            self._held = x
            for number in numbers:
                self._send(number, ("samples", x))
        shares = [np.arange(number, len(probe), len(self._pipes)) for number in numbers]
        for number, units in enumerate(shares):
            self._send(number, ("effects", probe.of(units), outcome, columns))
        start, stop, _ = columns.indices(len(x))
        effects = np.empty((len(probe), stop - start))
        answers = [self._receive(number) for number in numbers]
        for units, answer in zip(shares, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            effects[units], findings = answer
            self._merge(findings)
        return effects

    def _merge(self, findings: Findings) -> None:
        """Take over what a process found: of deviations the largest."""
        own = self.findings["deviation"]
        found = findings["deviation"]
        largest = {name: max(float(own.get(name, 0.0)), float(size)) for name, size in found.items()}
        super().recall({**findings, "deviation": largest})

    def _send(self, number: int, message: object) -> None:
        try:
            self._pipes[number].send(message)
        except OSError as error:
            raise _ended(number) from error

    def _receive(self, number: int) -> Any:  # noqa: ANN401  # effects and findings, or an error
        try:
            return self._pipes[number].recv()
        except (EOFError, OSError) as error:
            raise _ended(number) from error


def _ended(number: int) -> ModelError:
    return ModelError(
        "a process that shared the work has ended",
        where=f"process {number + 1}",
        why="it was killed, most likely because memory ran out",
        remedy="give a smaller --memory, or fewer --devices; finished work is kept",
    )


def _serve(pipe: Connection, recipe: Recipe) -> None:
    """Answer until the other end closes: samples are held, interventions on them are run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with watched(recipe.watch):
        _answer(pipe, recipe)


def _answer(pipe: Connection, recipe: Recipe) -> None:
    engine: SuffixEngine | None = None
    x: Inputs | None = None
    known: Findings = {}
    while True:
        try:
            kind, *asked = pipe.recv()
        except (EOFError, OSError):
            return
        if kind == "samples":
            (x,) = asked
            continue
        if kind == "recall":
            (known,) = asked
            continue
        try:
            if engine is None:
                engine = recipe.open()
                engine.recall(known)
            assert x is not None
            probe, outcome, columns = asked
            pipe.send((engine.effects(probe, x, outcome, columns=columns), engine.findings))
        except Exception as error:  # noqa: BLE001  # whatever it is, the parent must hear of it
            pipe.send(error)
