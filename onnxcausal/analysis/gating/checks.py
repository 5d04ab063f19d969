"""What was checked of a model, and what came of it: the one result that all reports for machines are made from."""

from dataclasses import dataclass
from enum import StrEnum

from onnxcausal.analysis.comparing.comparison import ClassChange, ComparisonFile
from onnxcausal.analysis.formats.analysis_file import AnalysisFile
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
        rule: kind of check: a measure of a gate, `analysed`, `unchanged` or `layers`.
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
    """

    model_file: str
    model_sha256: str
    onnxcausal: str
    checks: tuple[Check, ...]

    def having(self, status: Status) -> list[Check]:
        """Return the checks of which something came."""
        return [check for check in self.checks if check.status is status]


HELP = {
    "analysed": "Every class that was asked for has a causal graph.",
    "unchanged": "Accuracy, mean outcome and effects of the class are those of the other model, within sampling.",
    "layers": "Every layer has a partner in the other model, so that their nodes can be compared.",
}
"""What the checks that are no gates say when they pass."""


def checks_of_analysis(record: AnalysisFile) -> tuple[Check, ...]:
    """Return one check a class: whether it could be analysed."""
    found = [
        Check(
            "analysed",
            "analysed",
            Status.PASSED,
            f"right on {graph.correct} of {graph.examined} samples tried",
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


def checks_of_comparison(comparison: ComparisonFile) -> tuple[Check, ...]:
    """Return one check a class, and one of the layers: whether they are those of the other model."""
    alone = [record for record in comparison.layers if record.by is None]
    named = "; ".join(f"{record.old or record.new}: {record.reason}" for record in alone[:3])
    layers = Check(
        "layers",
        "layers",
        Status.FAILED if alone and not comparison.same_model else Status.PASSED,
        f"{len(alone)} layer(s) have no partner: {named}" if alone else "every layer has a partner",
        layer=alone[0].new or alone[0].old if alone else None,
    )
    return (layers, *(_unchanged(found, same_model=comparison.same_model) for found in comparison.classes))


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


def _unchanged(found: ClassChange, *, same_model: bool) -> Check:
    failed = found.beyond_sampling and not same_model
    layer = max(found.layers, key=lambda layer: layer.beyond_sampling, default=None)
    return Check(
        "unchanged",
        "unchanged",
        Status.FAILED if failed else Status.PASSED,
        f"beyond sampling: {what_changed(found)}" if failed else "no difference beyond sampling",
        found.target,
        titled(found.target, found.class_name),
        layer.new if failed and layer is not None and layer.beyond_sampling else None,
    )
