"""A record of a repair for the tests of what is made of it."""

from typing import Any

from onnxcausal.analysis.formats.analysis_file import DataRecord, ModelRecord, ToolRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile
from onnxcausal.analysis.formats.side_effects import (
    ChangeRecord,
    ClassRecord,
    ControlRecord,
    CostRecord,
    MovedRecord,
    NodesRecord,
    PartRecord,
    PlanRecord,
    QualityRecord,
    SideEffectsFile,
)


def recorded(name: str, sha256: str = "0" * 64, classes: int = 2) -> SideEffectsFile:
    """Return a record in which everything that a model or its data name has this name."""
    model = ModelRecord(file=name, sha256=sha256)
    change = ChangeRecord(n=40, before=0.5, after=0.75, lost=0, gained=10, p=0.002, interval=(0.1, 0.4), least=0.12)
    settings: dict[str, Any] = {"objective": name}
    return SideEffectsFile(
        tool=ToolRecord(onnxcausal="0", onnxruntime="0", providers=[name]),
        model=model,
        data=DataRecord(source=name, sha256="1" * 64, synthetic=False),
        analysis_sha256=None,
        settings=settings,
        plan=PlanRecord(
            stage="free", portion=0.5, beta=0.0, replace="zero", nodes=[NodesRecord(layer=name, nodes=[1, 2])], tried=[]
        ),
        masks=MasksFile(model=model, masks=[MaskRecord(layer=name, parents=[1, 2], beta=0.0)]),
        split=PartRecord(search={0: [1]}, report={0: [2]}),
        objective=change,
        overall=change,
        classes=[
            ClassRecord(target=target, name=name, protected=target > 0, change=change, p_adjusted=0.004)
            for target in range(classes)
        ],
        moved=[MovedRecord(label=0, decided=1, before=20, after=10)],
        agreement=0.75,
        quality=(
            QualityRecord(calibration_error=0.1, log_probability=-0.5),
            QualityRecord(calibration_error=0.2, log_probability=-0.4),
        ),
        cost=[CostRecord(bytes=1000, milliseconds=1.0), CostRecord(bytes=1100, milliseconds=1.0)],
        controls=[
            ControlRecord(
                method="random nodes", repeats=10, overall=0.0, classes={0: 0.0}, gains=0, losses=1, value=0.0, best=0.1
            )
        ],
        refused=[],
        notes=[name],
    )
