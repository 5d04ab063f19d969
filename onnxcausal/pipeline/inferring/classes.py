"""The causal graphs of all target classes, and which classes have none."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.analysis import Skipped, title_of
from onnxcausal.analysis.result.decided import LOW_ACCURACY, Decided
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.causal.effects import FEWEST_SAMPLES
from onnxcausal.causal.graph import CausalGraph, Rejected
from onnxcausal.causal.significance import Role
from onnxcausal.causal.task import Task, is_right
from onnxcausal.onnxgraph.network.half_range import HalfRange
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.graph import infer_graph
from onnxcausal.pipeline.inferring.measure import asked_of
from onnxcausal.pipeline.preparing.file_decisions import OpenFile
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.selection import Selection, choose_correct, count_rejected
from onnxcausal.samples.synthetic import SOURCE

STEPPING = frozenset(["QuantizeLinear", "DynamicQuantizeLinear"])
"""Ops that round values to steps."""
TASKS = {
    Task.BINARY: "a single score decides between two classes by its sign; effects on class 0 are those on it negated",
    Task.MULTILABEL: "each class is decided on its own, by the sign of its score",
    Task.EMBEDDING: "an embedding is decided as the class whose centroid it is most like; the outcome is that likeness",
    Task.REGRESSION: "the outcome is the value of an output: every sample is used, however right the model is",
}
"""What a reader must know of models that do not choose one of several classes."""


@dataclass(slots=True, eq=False)
class Inferred:
    """What has been found so far, class by class.

    Attributes:
        graphs: graphs of the classes that could be analysed.
        skipped: the others.
        notes: what a reader must know, one sentence each.
        decided: what the model decides about the samples tried, where classes compete.
    """

    graphs: list[CausalGraph]
    skipped: list[Skipped]
    notes: list[str]
    decided: list[Decided] = field(default_factory=list)


def infer_classes(prepared: Prepared, progress: Progress, ledger: Checkpoint) -> Inferred:
    """Infer the graph of every target class that has enough samples.

    Args:
        prepared: the model, its layers and flow, the engine, the samples and the targets.
        progress: told what happens.
        ledger: keeps finished chunks.
    """
    settings = prepared.settings
    nodes = sum(asked_of(len(prepared.wiring.flow.nodes[layer.name]), settings) for layer in prepared.tested)
    inferred = Inferred([], [], [*_notes(prepared), *notes_of_left_out(prepared)])
    halves = HalfRange(prepared.network, prepared.wiring.trace)
    unreadable = list(prepared.reference.unreadable if prepared.reference else ())
    rates = list[tuple[int, int]]()
    progress.begin(nodes * len(prepared.classes.targets))
    for target in prepared.classes.targets:
        title = title_of(target, prepared.classes.names)
        progress.target(title)
        right = partial(is_right, target=target, task=settings.task)
        scores = prepared.network.scores
        with prepared.file.opened() as file:
            chosen = choose_correct(
                prepared.samples, target, settings.samples, settings.seed, scores, right=right, agreed=file.agrees
            )
            rejected = _rejected(prepared, target, chosen.examined, right, file)
        halves.see(chosen.x)
        unreadable += chosen.unreadable
        rates.append((chosen.correct, chosen.examined))
        if settings.task.compares and chosen.highest:
            inferred.decided.append(Decided(target, chosen.highest))
        usable = len(chosen.indices)
        if usable < FEWEST_SAMPLES:
            inferred.skipped.append(Skipped(target, _too_few(chosen), chosen.examined, chosen.correct, rejected))
            progress.skip(nodes)
            continue
        if usable < settings.samples:
            inferred.notes.append(f"class {title}: {usable} usable samples, {settings.samples} asked for")
        graph = infer_graph(prepared, target, chosen, progress, ledger)
        inferred.graphs.append(replace(graph, rejected=rejected))
    inferred.notes += [halves.note] if halves.note else []
    inferred.notes += _note_steps(prepared, inferred.graphs)
    inferred.notes += [*_note_accuracy(rates), *_note_unreadable(unreadable), *prepared.engine.notes]
    return inferred


def _rejected(
    prepared: Prepared,
    target: int,
    count: int,
    right: Callable[[NDArray[np.floating]], NDArray[np.bool_]],
    file: OpenFile,
) -> Rejected | None:
    """Return on how many other samples the model does not decide for a class; None where classes compete.

    Where each class is decided by itself, a model that always says yes is right on every sample of the class.
    """
    if prepared.settings.task is not Task.MULTILABEL:
        return None
    samples, scores = prepared.samples, prepared.network.scores
    correct, examined = count_rejected(
        samples, target, count, prepared.settings.seed, scores, right=right, agreed=file.agrees
    )
    return Rejected(examined, correct)


def _notes(prepared: Prepared) -> list[str]:
    """Return what a reader must know before the first number."""
    notes = [*prepared.samples.notes, *prepared.network.notes]
    remark = TASKS.get(prepared.settings.task)
    if remark and not prepared.network.decided_at:  # else a note of the network says how it decides
        notes.append(remark)
    if prepared.samples.synthetic:
        notes.append(f"{SOURCE}: no data was given, so effects are those on noise that the model labelled itself")
    present = prepared.samples.present
    if prepared.settings.task.compares and not prepared.samples.synthetic and len(present) == 1:
        title = title_of(int(present[0]), prepared.classes.names)
        notes.append(f"the data holds class {title} only: how right the model is on other classes is not known")
    if passed_over := prepared.wiring.passed_over:
        shown = ", ".join(passed_over[:5]) + (" ..." if len(passed_over) > 5 else "")  # noqa: PLR2004
        notes.append(f"{len(passed_over)} op(s) with weights are no layers and were not intervened on: {shown}")
    if prepared.classes.are_probabilities:
        notes.append(
            f"tensor {prepared.network.outcome.tensor} holds probabilities, whose effects shrink near 0 and 1; "
            "name the scores before them with --output if the model has them"
        )
    if squashed_by := prepared.network.outcome.squashed_by:
        notes.append(f"effects are measured before the final {squashed_by}, which is cut off")
    return notes


def notes_of_left_out(prepared: Prepared) -> list[str]:
    """Return what a reader must know of layers that were left out: which they are, and what is not known for it."""
    left_out, flow = prepared.left_out, prepared.wiring.flow
    if not left_out:
        return []
    notes = [f"{len(left_out)} of {len(flow.layers)} layers were left out and not tested: {listed(left_out)}"]
    read = {link.consumer for layer in prepared.tested for link in flow.links[layer.name]}
    if unknown := [name for name in left_out if name in read]:
        notes.append(
            f"which nodes of {listed(unknown)} are necessary is not known: for the layers above, "
            "all that lead on from there to the outcome count"
        )
    return notes


def _note_accuracy(rates: list[tuple[int, int]]) -> list[str]:
    """Return a note where the mean over the classes of how often the model is right is low.

    Of a class that it is seldom right on, more samples are tried: together they would count such classes more.
    """
    each = [correct / examined for correct, examined in rates if examined]
    if not each or fmean(each) >= LOW_ACCURACY:
        return []
    correct, examined = (sum(column) for column in zip(*rates, strict=True))
    of_classes = f", the mean over {len(each)} classes" if len(each) > 1 else ""
    share = f"{fmean(each):.0%} of the samples{of_classes} ({correct} of {examined} tried)"
    check = "check the preprocessing, the order of the classes, and that the data is what the model was made for"
    return [f"the model is right on only {share}: {check}"]


def _note_steps(prepared: Prepared, graphs: list[CausalGraph]) -> list[str]:
    """Return a note where dead nodes may only be below the steps to which a model rounds."""
    if not any(op.op_type in STEPPING for op in prepared.network.proto.graph.node):
        return []
    dead = sum(len(layer.having(Role.DEAD)) for graph in graphs for layer in graph.layers)
    told = "what they do may be less than half a step, which then shows as exactly nothing"
    return [f"the model rounds to steps: of the {dead} dead nodes, {told}"] if dead else []


def _note_unreadable(unreadable: list[str]) -> list[str]:
    names = sorted({Path(name).name for name in unreadable})
    return [f"{len(set(unreadable))} unreadable image(s) were left out, e.g. {names[0]}"] if names else []


def _too_few(chosen: Selection) -> str:
    if not len(chosen.indices):
        return f"no correctly classified sample among {chosen.examined}"
    usable = f"{len(chosen.indices)} correctly classified sample(s) among {chosen.examined}"
    return f"{usable}, at least {FEWEST_SAMPLES} needed"
