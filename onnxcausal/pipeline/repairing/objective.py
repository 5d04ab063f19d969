"""What a repair is for: which classes it is to help, and which it must not harm."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.class_lookup import by_index, readings
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.probability import log_probabilities
from onnxcausal.causal.repair import Aim
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.evaluation.accuracy_change import Hits
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.preparing.targets import resolve_targets


@dataclass(frozen=True, slots=True)
class Objective:
    """What a repair is for.

    Attributes:
        aim: what it is to raise.
        repaired: the classes it is to help.
        protected: classes whose accuracy it must not lower, those it is to help among them.
        spared: classes with a causal graph whose necessary nodes it must not mask.
        confused: with `fix-confusion`, the class that samples of the repaired one are taken for.
    """

    aim: Aim
    repaired: tuple[int, ...]
    protected: tuple[int, ...]
    spared: tuple[int, ...]
    confused: int | None = None

    def hits(self, decisions: Decisions) -> Hits:
        """Return of each sample that the objective is about whether it is as it should be, `[samples]`."""
        match self.aim:
            case Aim.CLASS_ACCURACY:
                return decisions.right[np.isin(decisions.labels, self.repaired)]
            case Aim.OVERALL:
                return decisions.right
            case Aim.FIX_CONFUSION:
                return np.asarray(decisions.decided[decisions.labels == self.repaired[0]] != self.confused)

    def value(self, decisions: Decisions) -> float:
        """Return what is to be raised, the share of hits."""
        return float(self.hits(decisions).mean())

    def weight(self, target: int, part: HeldOutSamples) -> float:
        """Return how much a repaired class counts: of all classes as many samples as it has."""
        if self.aim is not Aim.OVERALL:
            return 1.0
        return len(part.positions[target]) / max(map(len, part.positions.values()))

    def outcome(self, scores: NDArray[np.floating], target: int, *, task: Task, known: bool = False) -> Floats:
        """Return what the effects on samples of a class are measured on, `[samples]`, in nats.

        That is the log-probability of the class; of one that is confused with another, less that of the other.

        Args:
            scores: scores of the classes, `[samples, classes]`.
            target: the class of the samples.
            task: what the scores decide.
            known: whether they are probabilities already.
        """
        logs = log_probabilities(scores, task, known=known)
        if self.confused is not None and target == self.repaired[0]:
            return np.asarray(logs[:, target] - logs[:, self.confused])
        return np.asarray(logs[:, target])


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
        if list(repaired):
            raise _unknown(text)
        right, confused = (_classes(prepared, [part], "--objective")[0] for part in _pair(pair, prepared, text))
        if right == confused:
            raise _unknown(text)
        chosen = [right]
    if aim is Aim.OVERALL and list(repaired):
        raise ConfigError(
            "the objective is of all classes",
            where="--objective overall --class",
            why="the accuracy over all samples is no class's own",
            remedy="leave --class out, or take --objective class-accuracy",
        )
    held = set(present)
    kept = _classes(prepared, protected, "--protect")
    for target in chosen:
        _check(target, prepared, analysed)
    for target in (*chosen, *kept):
        _check_samples(target, prepared, held)
    spared = [target for target in analysed if not kept or target in {*kept, *chosen}]
    return Objective(aim, tuple(chosen), tuple(sorted({*(kept or held), *chosen})), tuple(spared), confused)


def _classes(prepared: Prepared, named: Iterable[str], flag: str) -> list[int]:
    """Return the classes of some indices or names."""
    given = tuple(named)
    if not given:
        return []
    try:
        return list(resolve_targets(given, prepared.samples, prepared.classes.count, prepared.classes.names))
    except ConfigError as error:
        raise ConfigError(error.what, where=flag, why=error.why, remedy=error.remedy) from error


def _pair(pair: str, prepared: Prepared, text: str) -> tuple[str, str]:
    """Return the two classes of `A:B`, whose names may have colons themselves.

    Raises:
        ConfigError: they are not two, or there are several ways to part them.
    """
    classes = by_index(prepared.classes.count, prepared.classes.names)
    places = [place for place, letter in enumerate(pair) if letter == ":"]
    ways = [(pair[:place], pair[place + 1 :]) for place in places]
    known = [way for way in ways if all(readings(part, classes) for part in way)]
    if len(known) == 1 or len(ways) == 1:
        return (known or ways)[0]
    raise _unknown(text)


def _check(target: int, prepared: Prepared, analysed: list[int]) -> None:
    """Refuse to repair a class without a causal graph."""
    if target not in analysed:
        raise ConfigError(
            "the class has no causal graph",
            where=f"class {title_of(target, prepared.classes.names)}",
            why=f"analysed are {', '.join(title_of(each, prepared.classes.names) for each in analysed)}",
            remedy="analyse it first, or repair one of these",
        )


def _check_samples(target: int, prepared: Prepared, held: set[int]) -> None:
    """Refuse to repair or protect a class without samples."""
    if target not in held:
        raise ConfigError(
            "the class has no samples to measure on",
            where=f"class {title_of(target, prepared.classes.names)}, {prepared.samples.source}",
            why="the causal graphs looked at all of them but a few, or there are none",
            remedy="analyse fewer of them with --samples, or name other data with --data",
        )


def _unknown(text: str) -> ConfigError:
    return ConfigError(
        "the objective cannot be read",
        where=f"--objective {text!r}",
        why="it is class-accuracy, overall, or fix-confusion A:B of two classes, without --class",
        remedy="write for example --objective 'fix-confusion 4:9': samples of class 4 that are taken for class 9",
    )
