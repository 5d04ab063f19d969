"""What was checked of a model, and what came of it: the one result that all reports for machines are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from onnxcausal.analysis.comparing.comparison import ClassChange, ComparisonFile
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord
from onnxcausal.analysis.result.analysis import titled


class Status(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    """It holds."""
    FAILED = "failed"
    """It does not."""
    SKIPPED = "skipped"
    """It could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        rule: kind of check: a measure of a gate, or a key of `HELP`.
        name: the check as a user knows it: the gate as it was written.
        status: what came of it.
        message: what was found, one sentence.
        target: the class it is of; None for the whole model.
        title: the class as it is shown; empty for the whole model.
        layer: the op it is of; None for all of them.
    """

    rule: str
    name: str
    status: Status
    message: str
    target: int | None = None
    title: str = ""
    layer: str | None = None

    @property
    def subject(self) -> str:
        """What it is of, in words."""
        return f"class {self.title}" if self.title else "the model"


@dataclass(frozen=True, slots=True)
class Checked:
    """All checks of one model.

    Attributes:
        model_file: path of the model, as a user gave it, or its name where only an analysis of it is at hand.
        model_sha256: hash of the model.
        onnxcausal: version of the program.
        checks: the checks.
        notes: what they rest on beside the model: settings from files, numbers that were read; one sentence each.
    """

    model_file: str
    model_sha256: str
    onnxcausal: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    def having(self, status: Status) -> list[Check]:
        """Return the checks of which something came."""
        return [check for check in self.checks if check.status is status]


HELP = {
    "analysed": "Every class that was asked for has a causal graph.",
    "unchanged": "Accuracy, mean outcome and effects of the class are those of the other model, within sampling.",
    "classes": "Every class that must have a causal graph has one.",
    "data": "Labels and inputs are those of data, and not made up.",
    "settings": "No setting that came with the model decides what gates measure.",
    "layers": "Every layer has a partner in the other model, so that their nodes can be compared.",
}
"""What the checks that are no gates say when they pass."""


def _others(graph: GraphRecord) -> str:
    others = graph.rejected
    return "" if others is None else f", and on {others.correct} of {others.examined} without the class"


def checks_of_analysis(record: AnalysisFile) -> tuple[Check, ...]:
    """Return one check a class: whether it could be analysed."""
    of_own = " that the model labelled itself" if record.data.synthetic else ""
    found = [
        Check(
            "analysed",
            "analysed",
            Status.PASSED,
            f"right on {graph.correct} of {graph.examined} samples tried{of_own}{_others(graph)}",
            graph.target,
            titled(graph.target, graph.class_name),
        )
        for graph in record.graphs
    ]
    skipped = [
        Check(
            "analysed",
            "analysed",
            Status.SKIPPED,
            entry.reason,
            entry.target,
            titled(entry.target, entry.class_name),
        )
        for entry in record.skipped
    ]
    return tuple(found + skipped)


def not_compared(comparison: ComparisonFile) -> dict[int, str]:
    """Return the classes of which one analysis alone has a graph, each with the reason."""
    lost = [found.target for found in comparison.classes if found.distance is None]
    return dict.fromkeys(sorted({*lost, *comparison.not_compared}), "only one of the two has a graph of it")


def checks_of_comparison(comparison: ComparisonFile, missing: Mapping[int, str], source: str = "") -> tuple[Check, ...]:
    """Return one check a class, and one of the layers: whether they are those of the other model.

    Args:
        comparison: what changed.
        missing: classes that must be compared and are not, each with the reason: they fail.
        source: what was read and not measured, for the messages.
    """
    known = {found.target: found for found in comparison.classes}
    absent = [_absent(target, missing[target], source) for target in sorted(missing) if target not in known]
    same = comparison.same_model
    return (
        check_of_layers(comparison, source),
        *(_unchanged(found, missing.get(found.target, ""), source, same_model=same) for found in comparison.classes),
        *absent,
    )


def check_of_layers(comparison: ComparisonFile, source: str = "") -> Check:
    """Return whether every layer has a partner in the other model."""
    alone = [record for record in comparison.layers if record.by is None]
    named = "; ".join(f"{record.old or record.new}: {record.reason}" for record in alone[:3])
    told = f"{len(alone)} layer(s) have no partner: {named}" if alone else "every layer has a partner"
    return Check(
        "layers",
        "layers",
        Status.FAILED if alone and not comparison.same_model else Status.PASSED,
        told + _from(source),
        layer=alone[0].new or alone[0].old if alone else None,
    )


def what_changed(found: ClassChange) -> str:
    """Return what of a class differs beyond sampling, in words; empty where nothing does."""
    parts = []
    if found.accuracy is not None and found.accuracy.beyond_sampling:
        parts.append("accuracy")
    if found.outcome is not None and found.outcome.beyond_sampling:
        parts.append("mean outcome")
    if found.changed:
        parts.append(f"{found.changed} node(s)")
    return ", ".join(parts)


def _unchanged(found: ClassChange, missing: str, source: str, *, same_model: bool) -> Check:
    """Return whether a class is as in the other model; it must be compared where `missing` says why it is not."""
    changed = found.beyond_sampling and not same_model
    failed = changed or bool(missing)
    layer = max(found.layers, key=lambda layer: layer.beyond_sampling, default=None)
    parts = [f"beyond sampling: {what_changed(found)}"] if changed else []
    parts += [missing] if missing else []
    return Check(
        "unchanged",
        "unchanged",
        Status.FAILED if failed else Status.PASSED,
        (", and ".join(parts) or "no difference beyond sampling") + _from(source),
        found.target,
        titled(found.target, found.class_name),
        layer.new if changed and layer is not None and layer.beyond_sampling else None,
    )


def _absent(target: int, reason: str, source: str) -> Check:
    """Return the failed check of a class that was not compared at all."""
    return Check("unchanged", "unchanged", Status.FAILED, reason + _from(source), target, titled(target, None))


def _from(source: str) -> str:
    """Return what is said of numbers that were read."""
    return f" ({source})" if source else ""
