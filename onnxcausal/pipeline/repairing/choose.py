"""The plan of a repair: the best of many on the part of the samples that is there to choose."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxcausal.errors import NothingToAnalyseError
from onnxcausal.onnxgraph.original import Original
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.protocols.subject import Subject
from onnxcausal.pipeline.repairing.aims import Objective, objective_of
from onnxcausal.pipeline.repairing.candidates import candidates_of, measure_removals
from onnxcausal.pipeline.repairing.masking import Masking, open_masking
from onnxcausal.pipeline.repairing.parts import Part, split_held_out
from onnxcausal.pipeline.repairing.reach import find_reach
from onnxcausal.pipeline.repairing.search import Tried, best_of, decided_by, search
from onnxcausal.pipeline.repairing.settings import Options


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A plan, and what it was chosen from.

    Attributes:
        objective: what the repair is for.
        best: the plan, and what it does on the samples it was chosen on.
        tried: all plans.
        masking: masks nodes.
        search: the samples to choose on.
        report: the samples to report on.
        notes: what a reader must know.
    """

    objective: Objective
    best: Tried
    tried: Sequence[Tried]
    masking: Masking
    search: Part
    report: Part
    notes: tuple[str, ...]


def choose(original: Original, subject: Subject, options: Options, progress: Progress) -> Chosen:
    """Return the best plan.

    Args:
        original: the model file.
        subject: the model, its causal graphs and data.
        options: settings of the repair.
        progress: told what happens.

    Raises:
        NothingToAnalyseError: none is better than the model as it is.
        OnnxCausalError: as its subclasses say.
    """
    part, report = split_held_out(subject, options.count)
    objective = objective_of(subject, options.objective, options.repaired, options.protected, part.positions)
    notes: list[str] = []
    reach = find_reach(
        original, subject.prepared, options.form, beta=options.beta, replace=options.replace, notes=notes
    )
    unknown = len([target for target in objective.protected if target not in subject.routes])
    if unknown:
        notes.append(f"{unknown} class(es) were not analysed: their accuracy is protected, their nodes are not known")
    removals = measure_removals(subject, objective, part, reach.layers, progress)
    candidates = candidates_of(subject, objective, removals)
    masking = open_masking(subject, part)
    found = search(
        subject, objective, part, candidates, options.portion, masking=masking, reach=reach, progress=progress
    )
    tried = list(found)
    before = objective.value(decided_by(subject, subject.network, part))
    best = best_of(tried, before, None if options.portion is not None else options.max_drop)
    if best is None:
        raise _nothing(subject, tried, before)
    return Chosen(objective, best, tried, masking, part, report, (*subject.notes, *subject.left_out, *notes))


def _nothing(subject: Subject, tried: Sequence[Tried], before: float) -> NothingToAnalyseError:
    best = max((held.value for held in tried), default=None)
    if best is None:
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
