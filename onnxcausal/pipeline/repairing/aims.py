"""What a repair is for: which classes it is to help, and which it must not harm."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result import title_of
from onnxcausal.causal.outcome import Floats, OutcomeKind, outcome_of
from onnxcausal.causal.repair import Aim
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.classes import resolve_targets
from onnxcausal.pipeline.prepare import Prepared
from onnxcausal.pipeline.protocols.subject import Subject
from onnxcausal.pipeline.repairing.parts import Decisions


@dataclass(frozen=True, slots=True)
class Objective:
    """What a repair is for.

    Attributes:
        aim: what it is to raise.
        repaired: the classes it is to help.
        protected: classes it must not harm, those it is to help among them.
        confused: with `fix-confusion`, the class that samples of the repaired one are taken for.
    """

    aim: Aim
    repaired: tuple[int, ...]
    protected: tuple[int, ...]
    confused: int | None = None

    def value(self, decisions: Decisions) -> float:
        """Return what is to be raised, 0 to 1."""
        match self.aim:
            case Aim.CLASS_ACCURACY:
                return float(np.mean([decisions.accuracy(target) for target in self.repaired]))
            case Aim.OVERALL:
                return float(decisions.right.mean())
            case Aim.FIX_CONFUSION:
                (target,) = self.repaired
                return float((decisions.decided[decisions.labels == target] != self.confused).mean())

    def outcome(self, scores: NDArray[np.floating], target: int) -> Floats:
        """Return what the effects on samples of a class are measured on, `[samples]`.

        That is the log-probability of the class; of one that is confused with another, its score less the other's.
        """
        if self.confused is not None and target == self.repaired[0]:
            return np.asarray(scores[:, target].astype(np.float64) - scores[:, self.confused])
        return outcome_of(scores, target, OutcomeKind.LOG_PROB)


def objective_of(
    subject: Subject, text: str, repaired: Iterable[str], protected: Iterable[str], present: Iterable[int]
) -> Objective:
    """Return what a repair is for, as a user writes it.

    Args:
        subject: what is repaired.
        text: `class-accuracy`, `overall` or `fix-confusion A:B`.
        repaired: classes, by index or name; none: all that were analysed.
        protected: classes that must not be harmed besides; none: all that have samples.
        present: classes that have samples to measure on.

    Raises:
        ConfigError: there is no such objective or class, or it cannot be measured.
    """
    prepared, analysed = subject.prepared, list(subject.routes)
    name, _, pair = text.strip().partition(" ")
    if name not in list(Aim) or bool(pair) != (name == Aim.FIX_CONFUSION):
        raise _unknown(text)
    aim = Aim(name)
    confused = None
    chosen = _classes(prepared, repaired, "--class") or analysed
    if aim is Aim.FIX_CONFUSION:
        named = pair.split(":")
        if len(named) != 2 or list(repaired):  # noqa: PLR2004  # a class and the one it is taken for
            raise _unknown(text)
        right, confused = (_classes(prepared, [part], "--objective")[0] for part in named)
        chosen = [right]
    if aim is Aim.OVERALL and list(repaired):
        raise ConfigError(
            "the objective is of all classes",
            where="--objective overall --class",
            why="the accuracy over all samples is no class's own",
            remedy="leave --class out, or take --objective class-accuracy",
        )
    held = set(present)
    kept = _classes(prepared, protected, "--protect") or sorted(held)
    for target in chosen:
        _check(target, prepared, analysed, held)
    return Objective(aim, tuple(chosen), tuple(sorted({*kept, *chosen} & held)), confused)


def _classes(prepared: Prepared, named: Iterable[str], flag: str) -> list[int]:
    """Return the classes of some indices or names."""
    given: tuple[int | str, ...] = tuple(int(text) if text.strip().isdigit() else text.strip() for text in named)
    if not given:
        return []
    try:
        return list(resolve_targets(given, prepared.samples, prepared.classes, prepared.class_names))
    except ConfigError as error:
        raise ConfigError(error.what, where=flag, why=error.why, remedy=error.remedy) from error


def _check(target: int, prepared: Prepared, analysed: list[int], held: set[int]) -> None:
    """Refuse to repair a class without a causal graph or without samples."""
    title = title_of(target, prepared.class_names)
    if target not in analysed:
        raise ConfigError(
            "the class has no causal graph",
            where=f"class {title}",
            why=f"analysed are {', '.join(title_of(each, prepared.class_names) for each in analysed)}",
            remedy="analyse it first, or repair one of these",
        )
    if target not in held:
        raise ConfigError(
            "the class has no samples to measure on",
            where=f"class {title}, {prepared.samples.source}",
            why="the causal graphs looked at all of them but a few, or there are none",
            remedy="analyse fewer of them with --samples, or name other data with --data",
        )


def _unknown(text: str) -> ConfigError:
    return ConfigError(
        "the objective cannot be read",
        where=f"--objective {text!r}",
        why="it is class-accuracy, overall, or fix-confusion A:B without --class",
        remedy="write for example --objective 'fix-confusion 4:9': samples of class 4 that are taken for class 9",
    )
