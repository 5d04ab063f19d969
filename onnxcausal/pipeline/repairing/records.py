"""What a repair leaves behind: its masks, and the record of what it changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, in_order
from onnxcausal.analysis.formats.side_effects import (
    ControlRecord,
    CostRecord,
    MovedRecord,
    NodesRecord,
    PartRecord,
    PlanRecord,
    SideEffectsFile,
    TriedRecord,
)
from onnxcausal.pipeline.heldout.change_records import change_record, class_records, positions_of, quality_records
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.preparing.provenance import data_record, reading_of, tool_record
from onnxcausal.pipeline.repairing.assess import Assessed
from onnxcausal.pipeline.repairing.choose import ChosenPlan
from onnxcausal.pipeline.repairing.controls import Control
from onnxcausal.pipeline.repairing.plan import Plan, features_of
from onnxcausal.pipeline.repairing.search import TriedPlan


def masks_file(subject: Subject, chosen: ChosenPlan, provenance: Mapping[str, Any]) -> MasksFile:
    """Return the masks of the plan, as they stand in a file."""
    plan, wiring = chosen.best.plan, subject.prepared.wiring
    layers = {layer.name: layer for layer in wiring.flow.layers}
    entries = [
        MaskRecord(layer=name, parents=np.sort(features_of(wiring, layers[name], nodes)).tolist(), beta=plan.beta)
        for name, nodes in plan.nodes.items()
    ]
    model = subject.network.model
    return in_order(
        MasksFile(
            model=ModelRecord(file=model.name, sha256=model.sha256),
            reading=reading_of(subject.prepared.origin),
            masks=entries,
            means=chosen.masking.means(plan),
            provenance=dict(provenance),
        )
    )


def side_effects_of(
    subject: Subject,
    masks: MasksFile,
    assessed: Assessed,
    chosen: ChosenPlan,
    *,
    refused: Sequence[str],
    cost: Sequence[CostRecord],
) -> SideEffectsFile:
    """Return the record of what a chosen plan changes.

    Args:
        subject: what is repaired.
        masks: the plan's masks, with their provenance.
        assessed: what they change.
        chosen: the plan.
        refused: why the gate is not passed.
        cost: of the two files.
    """
    found = side_effects_file(
        subject.prepared,
        masks,
        assessed,
        (chosen.search, chosen.report),
        protected=chosen.objective.protected,
        settings=masks.provenance["settings"],
        cost=cost,
        notes=chosen.notes,
    )
    more = {
        "analysis_sha256": masks.provenance.get("analysis_sha256"),
        "plan": plan_record(chosen.best.plan, chosen.tried),
        "refused": list(refused),
    }
    return found.model_copy(update=more)


def side_effects_file(
    prepared: Prepared,
    masks: MasksFile,
    assessed: Assessed,
    split: tuple[HeldOutSamples | None, HeldOutSamples],
    *,
    protected: Sequence[int],
    settings: Mapping[str, Any],
    notes: Sequence[str] = (),
    cost: Sequence[CostRecord] = (),
) -> SideEffectsFile:
    """Return the record of what masks change, whoever chose them.

    Args:
        prepared: the model and data.
        masks: the masks.
        assessed: what they change.
        split: samples the masks were chosen on, where they were, and samples this is measured on.
        protected: classes that are protected.
        settings: of the repair.
        notes: what a reader must know.
        cost: of the two files.
    """
    search, report = split
    found = assessed.found
    return SideEffectsFile(
        tool=tool_record(prepared.origin),
        model=masks.model,
        data=data_record(prepared.origin),
        analysis_sha256=None,
        settings=dict(settings),
        plan=None,
        masks=masks,
        split=PartRecord(search={} if search is None else positions_of(search), report=positions_of(report)),
        objective=None if assessed.objective is None else change_record(assessed.objective),
        overall=change_record(found.overall),
        classes=class_records(found, prepared.classes.names, protected),
        moved=[MovedRecord(**held._asdict()) for held in found.moved],
        agreement=found.agreement,
        quality=quality_records(found),
        cost=list(cost),
        controls=[_control(held) for held in assessed.controls],
        refused=[],
        notes=list(notes),
    )


def plan_record(plan: Plan, tried: Sequence[TriedPlan]) -> PlanRecord:
    """Return the record of a plan and of all that were tried."""
    return PlanRecord(
        stage=plan.stage,
        portion=plan.portion,
        beta=plan.beta,
        replace=plan.replace,
        nodes=[NodesRecord(layer=layer, nodes=nodes.tolist()) for layer, nodes in plan.nodes.items()],
        tried=[
            TriedRecord(
                stage=held.plan.stage,
                portion=held.plan.portion,
                nodes=held.plan.size,
                beta=held.plan.beta,
                replace=held.plan.replace,
                value=held.value,
                worst=held.worst,
            )
            for held in tried
        ],
    )


def _control(held: Control) -> ControlRecord:
    return ControlRecord(
        method=held.method,
        repeats=held.repeats,
        overall=held.overall,
        classes=dict(held.classes),
        gains=held.gains,
        losses=held.losses,
        value=held.value,
        best=held.best,
    )
