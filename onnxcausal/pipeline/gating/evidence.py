"""What gates read in place of measuring it: the baseline, and evaluations; named by a user, and bound to the analysis.

A file cannot prove itself: what is in it is held together where that can be computed anew, and the rest is said to be
read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onnxcausal.analysis.comparing.snapshot import Snapshot, read_snapshot
from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.evaluation import EvaluationFile, MeasuredRecord, Protocol, read_evaluation
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256
from onnxcausal.analysis.formats.settings_record import differing
from onnxcausal.analysis.gating.gates import Gate
from onnxcausal.analysis.gating.measures import protocol_of
from onnxcausal.errors import ConfigError
from onnxcausal.evaluation.intervals import mean_of
from onnxcausal.pipeline.gating.policy import Place

TOLERANCE = 1e-9
"""Of what is computed anew, beside numbers of the order of 1."""
SHOWN = 12
"""Digits of a hash in a message; the note has all."""
REMEDY = "evaluate the model again, with the data and the settings of the analysis"
LARGEST = {"AUROC": 1.0, "appearance": 1.0, "class accuracy": np.inf}
"""What numbers that gates are of can be at most, by measure; they lie within their intervals."""
UNBOUND = ("engine",)
"""Settings that change no number."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """An evaluation that was read.

    Attributes:
        path: its file.
        sha256: hash of that.
        held: what is in it.
    """

    path: Path
    sha256: str
    held: EvaluationFile

    @property
    def source(self) -> str:
        """Where its numbers are from, for a message."""
        return f"read from {self.path}, sha256 {self.sha256[:SHOWN]}, not measured"


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """An analysis that was read, to be compared with.

    Attributes:
        path: its folder or file.
        sha256: hash of its file.
        by: who named it.
        held: what is in it.
    """

    path: Path
    sha256: str
    by: str
    held: Snapshot

    @property
    def source(self) -> str:
        """Where its numbers are from, for a message."""
        return f"baseline read from {self.path}, sha256 {self.sha256[:SHOWN]}, not measured"

    def note(self, made: AnalysisFile) -> str:
        """Return what is to be said of it beside an analysis that was made now."""
        record = self.held.record
        data = "the same data" if record.data.sha256 == made.data.sha256 else f"other data ({record.data.sha256})"
        model = (
            "the same model" if record.model.sha256 == made.model.sha256 else f"a model of hash {record.model.sha256}"
        )
        named = f"the baseline, named by {self.by}, was read from {self.path} (sha256 {self.sha256})"
        return f"{named} and not measured: of {model}, on {data}"


def read_baseline(place: Place) -> Baseline:
    """Return the baseline.

    Raises:
        ConfigError: there is none, it is damaged, or contradicts itself.
    """
    if not place.path.exists():
        raise ConfigError(
            "there is no baseline yet",
            where=str(place.path),
            why="it holds the analysis of a model that was found good",
            remedy="make it from such a model: the same command with --update-baseline",
        )
    held = read_snapshot(place.path)
    return Baseline(place.path, analysis_sha256(place.path), place.by, held)


def read_evaluations(
    gates: Iterable[Gate], folder: Place | None, beside: Sequence[Path], stem: str
) -> dict[Protocol, Evaluated]:
    """Return the evaluations that gates are of.

    Args:
        gates: the gates.
        folder: the folder that a user named.
        beside: folders where one may lie that nobody named: none of them is read.
        stem: the model's name without its suffix.

    Raises:
        ConfigError: one is missing, or contradicts itself.
    """
    found: dict[Protocol, Evaluated] = {}
    for gate in gates:
        protocol = protocol_of(gate.measure)
        if protocol is None or protocol in found:
            continue
        name = f"evaluation-{protocol.value}.json"
        if folder is None or not (folder.path / name).is_file():
            lying = [place for place in beside if (place / name).is_file()]
            if folder is None and lying:
                raise _nobody_named(gate, lying[0] / name)
            raise ConfigError(
                "a gate is of an evaluation that is not there",
                where=gate.text,
                why=f"there is no {name} in {' or '.join(map(str, [folder.path] if folder else beside))}",
                remedy=f"run onnxcausal evaluate {protocol.value} {stem}.onnx, and name its folder with --evaluation",
            )
        path = folder.path / name
        held = read_evaluation(path)
        if problem := next(_contradictions(held, protocol), ""):
            raise ConfigError("the evaluation contradicts itself", where=str(path), why=problem, remedy=REMEDY)
        found[protocol] = Evaluated(path, analysis_sha256(path), held)
    return found


def check_bound(evaluated: Evaluated, made: AnalysisFile) -> None:
    """Make sure that an evaluation is of the analysis at hand: of its model, data, settings and graphs.

    Raises:
        ConfigError: it is of another one.
    """
    held = evaluated.held
    if held.model.sha256 != made.model.sha256:
        why = f"it is of {held.model.file} with the hash {held.model.sha256}; this model has {made.model.sha256}"
        raise _other("model", evaluated, why)
    for sha256 in (held.data.sha256, held.split.analysis_data_sha256):
        if sha256 != made.data.sha256:
            raise _other("data", evaluated, f"they have the hash {sha256}; those of the analysis {made.data.sha256}")
    for key, (there, here) in differing(held.settings, made.settings).items():
        if key not in UNBOUND:
            raise _other("settings", evaluated, f"{key} was {there!r}, and is {here!r} in the analysis")
    for graph in made.graphs:
        inferred = held.split.inferred_on.get(graph.target)
        if inferred is not None and sorted(inferred) != sorted(graph.sample_indices):
            raise _other("graphs", evaluated, f"that of class {graph.target} was inferred from other samples")


def _other(what: str, evaluated: Evaluated, why: str) -> ConfigError:
    of = "another model" if what == "model" else f"other {what}"
    return ConfigError(f"the evaluation is of {of}", where=str(evaluated.path), why=why, remedy=REMEDY)


def _nobody_named(gate: Gate, lying: Path) -> ConfigError:
    return ConfigError(
        "a gate is of an evaluation that nobody named",
        where=f"{gate.text}: {lying}",
        why="a file that lies there cannot prove that it was measured, and may have come with the model",
        remedy=f"if you made it, name its folder: --evaluation {lying.parent}",
    )


def _contradictions(held: EvaluationFile, protocol: Protocol) -> Iterator[str]:
    """Yield what in a file cannot be so."""
    if held.protocol is not protocol:
        yield f"its protocol is {held.protocol.value}"
    seen = set()
    for record in held.records:
        identity = (record.target, record.layer, record.method, record.at, record.measure)
        if identity in seen:
            yield f"{_told(record)} is there twice"
        seen.add(identity)
        if record.measure in LARGEST:
            yield from _impossible(record)
    yield from _wrong_means(held)
    for target, evaluated in held.split.evaluated_on.items():
        same_data = held.data.sha256 == held.split.analysis_data_sha256
        if protocol is not Protocol.RELIABILITY and same_data:
            both = {*evaluated} & {*held.split.inferred_on.get(target, [])}
            if both:
                yield f"class {target} was evaluated on samples that its graph was inferred from"


def _impossible(record: MeasuredRecord) -> Iterator[str]:
    """Yield why a number cannot be what it says."""
    low, high = record.interval
    if not low - TOLERANCE <= record.mean <= high + TOLERANCE:
        yield f"{_told(record)} is {record.mean:.6g}, outside its interval of {low:.6g} to {high:.6g}"
    if not 0 <= record.mean <= LARGEST[record.measure]:
        yield f"{_told(record)} is {record.mean:.6g}, which it cannot be"


def _wrong_means(held: EvaluationFile) -> Iterator[str]:
    """Yield the means over classes that are not those of the classes' numbers.

    Where a mean stands at no place on a curve, each class may stand at its own.
    """
    of_classes: dict[tuple[str | None, str, str], list[tuple[float | None, float]]] = {}
    for record in held.records:
        if record.target is not None:
            of_classes.setdefault((record.layer, record.method, record.measure), []).append((record.at, record.mean))
    for record in held.records:
        if record.target is not None:
            continue
        numbers = of_classes.get((record.layer, record.method, record.measure), [])
        values = [mean for at, mean in numbers if record.at in (None, at)]
        if not values:
            yield f"{_told(record)} is of no class"
            continue
        again = mean_of(np.array(values))
        stated = [record.mean, *record.interval]
        if record.n != again.n or not np.allclose(stated, again[:3], rtol=TOLERANCE, atol=TOLERANCE):
            yield f"{_told(record)} is {record.mean:.6g}, and not what its {again.n} classes give: {again.mean:.6g}"


def _told(record: MeasuredRecord) -> str:
    of = "the mean over classes" if record.target is None else f"class {record.target}"
    return f"{record.measure} ({record.method}) of {of}"
