"""The record of a compression."""

from collections.abc import Mapping, Sequence
from typing import Any

from onnxcausal.analysis.compression import (
    CompressionFile,
    LostRecord,
    OtherOrderRecord,
    RefitsRecord,
    RefittedLayerRecord,
    TriedSizeRecord,
    UnfitRecord,
)
from onnxcausal.analysis.file import DataRecord, ToolRecord
from onnxcausal.analysis.sideeffects import ClassRecord, CostRecord, MovedRecord, PartRecord, QualityRecord
from onnxcausal.pipeline.compressing.choose import Chosen, TriedSize
from onnxcausal.pipeline.compressing.compare import Other
from onnxcausal.pipeline.compressing.smaller import Press, Smaller
from onnxcausal.pipeline.repairing.parts import Part
from onnxcausal.pipeline.repairing.record import change_record, positions_of
from onnxcausal.pipeline.repairing.sideeffects import SideEffects


def compression_file(
    press: Press,
    chosen: Chosen,
    measured: tuple[SideEffects, Sequence[Other]],
    parts: tuple[Part, Part],
    *,
    settings: Mapping[str, Any],
    analysis_sha256: str | None,
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
        settings: of the compression.
        analysis_sha256: hash of the analysis.
        refused: why the file is not written.
        notes: what a reader must know.
        cost: of the two files.
    """
    prepared = press.subject.prepared
    names = prepared.class_names
    found, others = measured
    return CompressionFile(
        tool=ToolRecord(
            onnxcausal=prepared.versions["onnxcausal"],
            onnxruntime=prepared.versions["onnxruntime"],
            providers=list(prepared.engine.providers),
        ),
        model=chosen.smaller.masks.model,
        data=DataRecord(
            source=prepared.samples.source, sha256=prepared.data_sha256, synthetic=prepared.samples.synthetic
        ),
        analysis_sha256=analysis_sha256,
        settings=dict(settings),
        masks=chosen.smaller.masks,
        parameters=(press.parameters, chosen.smaller.parameters),
        lost=_lost(chosen.smaller),
        refit=_refit(chosen.smaller) if settings["refit"] else None,
        split=PartRecord(search=positions_of(parts[0]), report=positions_of(parts[1])),
        tried=[_tried(entry) for entry in chosen.tried],
        overall=change_record(found.overall),
        classes=[
            ClassRecord(
                target=target,
                name=names[target] if names else None,
                protected=False,
                change=change_record(change),
                p_adjusted=change.p,
            )
            for target, change in found.classes.items()
        ],
        moved=[MovedRecord(**held._asdict()) for held in found.moved],
        agreement=found.agreement,
        quality=(
            QualityRecord(calibration_error=found.calibration[0], log_probability=found.log_probability[0]),
            QualityRecord(calibration_error=found.calibration[1], log_probability=found.log_probability[1]),
        ),
        cost=list(cost),
        others=[_other(held) for held in others],
        refused=refused,
        notes=list(notes),
    )


def _lost(smaller: Smaller) -> list[LostRecord]:
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


def _refit(smaller: Smaller) -> RefitsRecord:
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
