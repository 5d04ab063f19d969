"""Outcomes under interventions: what every engine offers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.settings import EngineKind
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.samples.source import Inputs

ScoresToOutcome: TypeAlias = Callable[[NDArray[np.floating]], Floats]
"""Outcome `[samples]` of class scores `[samples, classes]`."""


Findings: TypeAlias = Mapping[str, Mapping[str, str | float]]
"""What runs showed, by kind and layer; plain values, which can be kept in a file."""
EVERY = slice(None)
"""All samples."""
Probe: TypeAlias = PathProbe
"""Interventions of one kind, one unit at a time.

Every kind is a frozen value of a module of its own and offers what is asked without knowing the kind: `len`, its units;
`of`, some of them; `joint`, all of them at once as one; `key`, what tells it from others in a journal; `layers`, those
whose weights it changes. A new kind joins this alias as `PathProbe | NewProbe`; mypy then points at the `match` of each
engine, which says how the kind is run.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """The null intervention.

    Attributes:
        outcome: outcome of each sample, `[samples]`.
        floor: an effect below this may be float noise, in the outcome's unit.
    """

    outcome: Floats
    floor: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one intervention on one sample takes.

    Attributes:
        work: multiply-adds.
        row_bytes: what its tensors take at most at once.
        how: in words.
    """

    work: int
    row_bytes: int
    how: str


class Engine(Protocol):
    """Runs a model, and runs it under interventions.

    Attributes:
        name: the engine's name, as recorded.
        providers: execution providers in use.
        replace: what stands in for what interventions on paths take away; given by the reference samples that the
            engine was opened with, or their absence.
    """

    name: EngineKind
    providers: tuple[str, ...]
    replace: Replace

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how the numbers came about, one sentence each."""
        ...

    @property
    def findings(self) -> Findings:
        """What the runs so far showed and later ones must know, to be recalled by a run that goes on."""
        ...

    def recall(self, findings: Findings) -> None:
        """Take over what an interrupted run found."""
        ...

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the unmodified model's class scores, `[samples, classes]`."""
        ...

    def observe(self, x: Inputs, outcome: ScoresToOutcome) -> Observation:
        """Return the outcome of the null intervention, and its float noise."""
        ...

    def effects(
        self,
        probe: Probe,
        x: Inputs,
        outcome: ScoresToOutcome,
        *,
        columns: slice = EVERY,
    ) -> Floats:
        """Return the effect of the intervention on each unit, `[units, samples]`, in the outcome's unit.

        An effect is the outcome under the intervention less that of the null intervention in the same session; what
        changes nothing is exactly 0.

        Args:
            probe: the interventions.
            x: inputs, `[samples, ...]`.
            outcome: the scalar of the class scores.
            columns: the samples to do this on, without a step; what the model computes on all of `x` may be kept for
                the next call with the same `x`.
        """
        ...

    def sweep(self, probe: PathProbe, betas: Sequence[float], x: Inputs, outcome: ScoresToOutcome) -> Floats:
        """Return the effect on each node for several factors on its paths, `[betas, nodes, samples]`.

        Args:
            probe: the interventions; its own beta is not used.
            betas: the factors.
            x: inputs, `[samples, ...]`.
            outcome: the scalar of the class scores.
        """
        ...

    def cost(self, probe: Probe) -> Cost:
        """Return what one intervention of a kind on one sample takes: on one unit, whichever."""
        ...

    def bounds(self, probe: Probe, x: Inputs) -> Floats | None:
        """Return an upper bound on what each unit can do, `[units]`; None if not known.

        Of paths: on what each contributes to the layer's output, the mean over the samples of a bound on the Euclidean
        norm; exactly 0 where a node is dead or has no path to a target.
        """
        ...
