"""The settings of the method: written once, for the sidecar, for a run and for its record."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from annotated_types import Ge, Gt, Le, Lt, MinLen

from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import OutcomeKind
from onnxcausal.causal.significance import Rule
from onnxcausal.causal.task import Task

LARGEST = 2**63 - 1
"""Whole number that files hold."""
FEWEST_IN_BUDGET = 2
"""One intervention on a node, one on all others jointly."""
OPTIONAL: Final = ("layers", "skip_layers")
"""Settings that are recorded only where they are set: without them a record is what it was before they existed."""
Patterns = Annotated[tuple[Annotated[str, MinLen(1)], ...], MinLen(1)]
"""What names layers; the forms are those of `layer_choice`."""


class EngineKind(StrEnum):
    """How interventions are run."""

    SUFFIX = "suffix"
    """The part of the model after the layer, many interventions at once."""
    REFERENCE = "reference"
    """The whole model for every intervention."""


class Precision(StrEnum):
    """The arithmetic in which interventions are run."""

    FP32 = "fp32"
    """As the model's own types say."""
    TF32 = "tf32"
    """Products with a mantissa of 10 bits, on NVIDIA devices."""
    FP16 = "fp16"
    """Half precision."""


@dataclass(frozen=True, slots=True)
class Method:
    """What can be set of the method.

    Attributes:
        rule: how roles are decided.
        alpha: level of the false discovery rate and of the intervals.
        coverage: share of the summed ATE that the strongest nodes carry.
        beta: factor on the weights of a path.
        replace: what stands in for what is taken away.
        outcome: which scalar of the class scores.
        samples: samples asked for per class.
        seed: of every random choice.
        engine: name of the engine.
        adaptive: whether a node is measured on as many samples only as settle its role.
        budget: most interventions on one layer for one class; None tests every node.
        precision: of the arithmetic.
        layers: the layers that are tested; None: all.
        skip_layers: layers that are left out all the same; None: none.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    rule: Rule = Rule.PAIRED
    alpha: Annotated[float, Gt(0), Lt(1)] = 0.05
    coverage: Annotated[float, Gt(0), Le(1)] = 0.8
    beta: Annotated[float, Ge(0), Le(1)] = 0.0
    replace: Replace = Replace.ZERO
    outcome: OutcomeKind = OutcomeKind.LOGIT
    samples: Annotated[int, Ge(2), Le(LARGEST)] = 100
    seed: Annotated[int, Ge(0), Le(LARGEST)] = 0
    engine: EngineKind = EngineKind.SUFFIX
    adaptive: bool = False
    budget: Annotated[int, Ge(FEWEST_IN_BUDGET), Le(LARGEST)] | None = None
    precision: Precision = Precision.FP32
    layers: Patterns | None = None
    skip_layers: Patterns | None = None


@dataclass(frozen=True, slots=True)
class Settings(Method):
    """What was set of the method, and what the model's scores decide.

    Attributes:
        task: what the scores decide.
    """

    task: Task = Task.CLASSIFICATION


def by_key(settings: Method) -> dict[str, Any]:
    """Return settings by key, as they are recorded: without optional ones that are not set."""
    return recorded(asdict(settings))


def recorded(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what is recorded of settings by key: all but optional ones that are not set."""
    return {key: value for key, value in settings.items() if value is not None or key not in OPTIONAL}
