"""The plan of a repair: the best of many on the part of the samples that is there to choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.errors import NothingToAnalyseError, SamplesError
from onnxcausal.evaluation.accuracy_change import samples_needed
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.pipeline.heldout.split import HeldOutSamples, decided_by, split_held_out
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.repairing.candidates import candidates_of, measure_removals
from onnxcausal.pipeline.repairing.feasible import Reach, find_reach
from onnxcausal.pipeline.repairing.objective import Objective, objective_of
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.pipeline.repairing.plan import Masking, open_masking
from onnxcausal.pipeline.repairing.search import TriedPlan, best_of, search


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPlan:
    """A plan, and what it was chosen from.

    Attributes:
        objective: what the repair is for.
        best: the plan, and what it does on the samples it was chosen on.
        tried: all plans.
        free: nodes of each layer that no spared class needs, by the layer's name.
        masking: masks nodes.
        search: the samples to choose on.
        report: the samples to report on.
        notes: what a reader must know.
    """

    objective: Objective
    best: TriedPlan
    tried: Sequence[TriedPlan]
    free: Mapping[str, NDArray[np.int64]]
    masking: Masking
    search: HeldOutSamples
    report: HeldOutSamples
    notes: tuple[str, ...]


def choose(
    original: Original, subject: Subject, options: RepairOptions, progress: Progress, *, gated: bool
) -> ChosenPlan:
    """Return the best plan.

    Args:
        original: the model file.
        subject: the model, its causal graphs and data.
        options: settings of the repair.
        progress: told what happens.
        gated: whether a repair that may harm will be refused.

    Raises:
        NothingToAnalyseError: none is better than the model as it is.
        OnnxCausalError: as its subclasses say.
    """
    part, report = split_held_out(subject, options.count)
    objective = objective_of(subject, options.objective, options.repaired, options.protected, part.positions)
    if gated:
        _check_power(subject, objective, report, options.max_drop)
    notes: list[str] = []
    reach = find_reach(
        original, subject.prepared, options.form, beta=options.beta, replace=options.replace, notes=notes
    )
    unknown = len([target for target in objective.protected if target not in subject.routes])
    if unknown:
        notes.append(f"{unknown} class(es) were not analysed: their accuracy is protected, their nodes are not known")
    removals = measure_removals(subject, objective, part, reach.layers, progress)
    candidates = candidates_of(subject, objective, part, removals)
    masking = open_masking(subject, part)
    before = decided_by(subject, subject.network, part)
    found = search(
        subject,
        objective,
        part,
        candidates,
        options.portion,
        before=before,
        masking=masking,
        reach=reach,
        progress=progress,
    )
    tried = list(found)
    best = best_of(tried, objective.value(before), None if options.portion is not None else options.max_drop)
    if best is None:
        raise _nothing(subject, reach, notes, tried, objective.value(before))
    told = (*subject.notes, *subject.left_out, *notes)
    return ChosenPlan(objective, best, tried, removals.nodes, masking, part, report, told)


def _check_power(subject: Subject, objective: Objective, report: HeldOutSamples, most_lost: float) -> None:
    """Refuse to look for what could not be shown on so few samples.

    Raises:
        SamplesError: even where no sample of a protected class is lost, a larger loss cannot be excluded.
    """
    needed = samples_needed(most_lost)
    others = [target for target in objective.protected if target not in objective.repaired]
    short = [target for target in others if len(report.positions[target]) < needed]
    if short:
        first = short[0]
        more = f", and of {len(short) - 1} more" if len(short) > 1 else ""
        count = "no number of samples is enough" if needed == np.inf else f"{needed:,.0f} are needed"
        raise SamplesError(
            "too few samples to exclude a loss",
            where=f"{subject.prepared.samples.source}, --max-drop {most_lost:.2%}",
            why=f"class {title_of(first, subject.prepared.classes.names)}{more}: {len(report.positions[first])} "
            f"samples to report on, where {count} even if none of them is lost; as many are needed to choose on",
            remedy="give more samples or a larger --max-drop; or set --portion, which reports and does not refuse",
        )


def _nothing(
    subject: Subject, reach: Reach, notes: Sequence[str], tried: Sequence[TriedPlan], before: float
) -> NothingToAnalyseError:
    best = max((held.value for held in tried), default=None)
    if not reach.layers:
        why = "; ".join(notes) or "no layer has neurons as its parents"
    elif best is None:
        why = "every node is necessary to a class, or its removal helps none that is to be repaired"
    else:
        why = f"the objective is {before:.2%} as it is; of {len(tried)} plans the best reaches {best:.2%}"
        why += ", and loses too much in a protected class" if best > before else ""
    return NothingToAnalyseError(
        "no repair is better than the model as it is",
        where=subject.network.model.name,
        why=why,
        remedy="protect fewer classes with --protect, allow more with --max-drop, or analyse with --outcome margin",
    )
