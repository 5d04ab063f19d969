"""What a repair does to a model on samples it was not chosen on, and the file format `NAME.repair.json`, version 1."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from onnxcausal.analysis.formats.analysis_file import DataRecord, Index, ModelRecord, Sha256, Share, ToolRecord
from onnxcausal.analysis.formats.masks import MasksFile
from onnxcausal.analysis.formats.reading import read_record
from onnxcausal.analysis.formats.record import Record

FORMAT: Final = "onnxcausal-sideeffects/1"
RECORDS: Final = "*.repair.json"
"""Names of such files: each stands beside the model file that was written, or that masks were planned for."""
SCHEMA_FILE = "sideeffects-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""

Count = Annotated[int, Field(ge=0)]


class ChangeRecord(Record):
    """Accuracy before and after on the same samples.

    `p` is of McNemar's exact test, two-sided; `interval` is of the change, at level 0.95 (Tango 1998); `least` is its
    one-sided lower bound at that level.
    """

    n: Annotated[int, Field(ge=1)]
    before: Share
    after: Share
    lost: Count
    gained: Count
    p: Share
    interval: tuple[float, float]
    least: float


class ClassRecord(Record):
    """One class; `protected` ones must not lose more than the settings say.

    `p_adjusted` holds for all protected classes together (Holm 1979); of others it is their own.
    """

    target: Index
    name: str | None
    protected: bool
    change: ChangeRecord
    p_adjusted: Share


class MovedRecord(Record):
    """How many samples of a class are decided as another one, before and after."""

    label: Index
    decided: Index
    before: Count
    after: Count


class QualityRecord(Record):
    """How sure a model is: calibration error (Guo et al. 2017, 15 bins), mean log-probability of the right class."""

    calibration_error: Share
    log_probability: float


class CostRecord(Record):
    """What a file takes: bytes, its weights in other files included, and milliseconds for one sample.

    Milliseconds are the median of runs of both files in turns, and depend on the machine.
    """

    bytes: Count
    milliseconds: Annotated[float, Field(ge=0)]


class ControlRecord(Record):
    """As many nodes of the same layers, chosen otherwise, and masked alike.

    `repeats` is the number of choices, where chance chooses; numbers are means over them. `gains` counts those that
    raise the objective significantly (McNemar's p below 0.05), `losses` those with a protected class
    that is significantly worse (Holm's correction over classes). `value` is the change of the objective, `best` that of
    the choice that raises it most.
    """

    method: str
    repeats: Annotated[int, Field(ge=1)]
    overall: float
    classes: dict[int, float]
    gains: Count
    losses: Count
    value: float
    best: float


class NodesRecord(Record):
    """Nodes of a layer that are masked."""

    layer: str
    nodes: list[Index]


class PlanRecord(Record):
    """What is masked; `tried` tells what the other plans do on the samples to choose on."""

    stage: str
    portion: Share
    beta: Share
    replace: str
    nodes: list[NodesRecord]
    tried: list["TriedRecord"]


class TriedRecord(Record):
    """One plan on the samples to choose on: what it raises, and what the protected class that loses most loses."""

    stage: str
    portion: Share
    nodes: Count
    beta: Share
    replace: str
    value: Share
    worst: float


class PartRecord(Record):
    """Positions of samples in the data by class: to choose on, and to report on."""

    search: dict[int, list[Index]]
    report: dict[int, list[Index]]


class SideEffectsFile(Record):
    """The content of `NAME.repair.json`.

    `plan` and `objective`, the samples it is about and those of them that are as they should be, are null where masks
    were verified, not chosen. `cost` holds the file before and after, where one was made. `refused` tells why the gate
    is not passed; a file is written all the same where the portion was set by hand, masks where they alone were asked
    for.
    """

    format: Literal["onnxcausal-sideeffects/1"] = FORMAT
    tool: ToolRecord
    model: ModelRecord
    data: DataRecord
    analysis_sha256: Sha256 | None
    settings: dict[str, Any]
    plan: PlanRecord | None
    masks: MasksFile
    split: PartRecord
    objective: ChangeRecord | None
    overall: ChangeRecord
    classes: list[ClassRecord]
    moved: list[MovedRecord]
    agreement: Share
    quality: tuple[QualityRecord, QualityRecord]
    cost: list[CostRecord]
    controls: list[ControlRecord]
    refused: list[str]
    notes: list[str]


def to_json(found: SideEffectsFile) -> str:
    """Return the content of `NAME.repair.json`, ending in a newline."""
    return json.dumps(found.model_dump(mode="json", exclude={"masks"}) | {"masks": _masks(found)}, indent=1) + "\n"


def read_side_effects(path: Path) -> SideEffectsFile:
    """Return the record of a repair.

    Raises:
        ConfigError: there is no such file, it is damaged, or of another format.
    """
    remedy = "repair the model again, or leave the file out"
    return read_record(path, SideEffectsFile, FORMAT, what="record of a repair", remedy=remedy)


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(SideEffectsFile.model_json_schema(), indent=1) + "\n"


def _masks(found: SideEffectsFile) -> dict[str, Any]:
    return found.masks.model_dump(mode="json", exclude_none=True)
