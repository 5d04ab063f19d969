"""The record of a compression."""

from collections.abc import Sequence

from onnxcausal.analysis.formats.compression import (
    CompressionFile,
    LostRecord,
    OtherOrderRecord,
    RefitsRecord,
    RefittedLayerRecord,
    TriedSizeRecord,
    UnfitRecord,
)
from onnxcausal.analysis.formats.side_effects import CostRecord, MovedRecord, PartRecord
from onnxcausal.pipeline.compressing.choose import ChosenSize, TriedSize
from onnxcausal.pipeline.compressing.controls import Other
from onnxcausal.pipeline.compressing.smaller import Press, SmallerFile
from onnxcausal.pipeline.heldout.change_records import change_record, class_records, positions_of, quality_records
from onnxcausal.pipeline.heldout.changes import SideEffects
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.preparing.provenance import data_record, tool_record


def compression_file(
    press: Press,
    chosen: ChosenSize,
    measured: tuple[SideEffects, Sequence[Other]],
    parts: tuple[HeldOutSamples, HeldOutSamples],
    *,
    refused: str,
    notes: Sequence[str],
    cost: Sequence[CostRecord],
) -> CompressionFile:
    """Return the record of a compression.

    Args:
        press: makes the files.
        chosen: the smaller file.
        measured: what it changes, and what others as small do.
        parts: samples to choose on, and samples to report on.
        refused: why the file is not written.
        notes: what a reader must know.
        cost: of the two files.
    """
    prepared, settings = press.subject.prepared, press.provenance["settings"]
    found, others = measured
    return CompressionFile(
        tool=tool_record(prepared.origin),
        model=chosen.smaller.masks.model,
        data=data_record(prepared.origin),
        analysis_sha256=press.provenance.get("analysis_sha256"),
        settings=dict(settings),
        masks=chosen.smaller.masks,
        parameters=(press.parameters, chosen.smaller.parameters),
        lost=_lost(chosen.smaller),
        refit=_refit(chosen.smaller) if settings["refit"] else None,
        split=PartRecord(search=positions_of(parts[0]), report=positions_of(parts[1])),
        tried=[_tried(entry) for entry in chosen.tried],
        overall=change_record(found.overall),
        classes=class_records(found, prepared.classes.names),
        moved=[MovedRecord(**held._asdict()) for held in found.moved],
        agreement=found.agreement,
        quality=quality_records(found),
        cost=list(cost),
        others=[_other(held) for held in others],
        refused=refused,
        notes=list(notes),
    )


def _lost(smaller: SmallerFile) -> list[LostRecord]:
    return [
        LostRecord(
            layer=lost.layer,
            parents=len(lost.parents),
            children=len(lost.children),
            of_parents=lost.of_parents,
            of_children=lost.of_children,
        )
        for lost in smaller.repaired.removed
    ]


def _refit(smaller: SmallerFile) -> RefitsRecord:
    return RefitsRecord(
        layers=[
            RefittedLayerRecord(layer=one.name, ridge=one.ridge, left=min(1.0, one.left)) for one in smaller.refitted
        ],
        unfit=[UnfitRecord(layer=one.name, why=one.why) for one in smaller.unfit],
    )


def _tried(entry: TriedSize) -> TriedSizeRecord:
    return TriedSizeRecord(
        parameters=entry.parameters,
        difference=entry.change.difference,
        least=entry.change.least(),
        latency=entry.latency,
    )


def _other(held: Other) -> OtherOrderRecord:
    return OtherOrderRecord(
        method=held.method,
        parameters=held.parameters,
        overall=change_record(held.found.overall),
        classes={target: change.difference for target, change in held.found.classes.items()},
    )
