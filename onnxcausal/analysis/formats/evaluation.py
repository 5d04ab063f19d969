"""The result of an evaluation, and its file format `evaluation-PROTOCOL.json`, version 1."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from onnxcausal.analysis.formats.analysis_file import DataRecord, Index, ModelRecord, Sha256, ToolRecord
from onnxcausal.analysis.formats.reading import read_record
from onnxcausal.analysis.formats.record import Record
from onnxcausal.analysis.formats.settings_record import CompleteSettings, SettingsRecord
from onnxcausal.analysis.result.settings import recorded
from onnxcausal.filesystem.json_text import read_json

FORMAT: Final = "onnxcausal-evaluation/1"
SCHEMA_FILE = "evaluation-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""


class Protocol(StrEnum):
    """What is evaluated (Ahmad et al. 2023, sec. 5)."""

    RELIABILITY = "reliability"
    """How often each node is selected again when beta or the images change."""
    STABILITY = "stability"
    """How much maps change under noise on the input."""
    FAITHFULNESS = "faithfulness"
    """How fast the prediction goes when what maps point at is removed."""
    FIDELITY = "fidelity"
    """What masking the strongest nodes does to the class, and to the others."""
    SUFFICIENCY = "sufficiency"
    """How well the graph alone separates the class from the others."""


@dataclass(frozen=True, slots=True)
class EstimateRecord:
    """One number of an evaluation with its interval at level 0.95.

    Attributes:
        method: what was measured: an explanation method, a choice of nodes, a kind of run.
        measure: the quantity.
        mean: its value.
        low: lower end of its interval.
        high: upper end.
        n: of how many samples, runs or classes.
        target: the class; None for a mean over classes.
        layer: the layer; None where it concerns all of them.
        at: where on a curve it stands: a portion, a share of edges, the upper end of a range of beta.
    """

    method: str
    measure: str
    mean: float
    low: float
    high: float
    n: int
    target: int | None = None
    layer: str | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The result of one protocol.

    Attributes:
        protocol: which.
        tool: versions that made the numbers.
        model: the model.
        data: the data.
        settings: settings of the causal graphs.
        options: settings of the protocol.
        analysis_data: hash of the data that the graphs were inferred from.
        inferred_on: positions of those samples, by class.
        evaluated_on: positions of the samples the evaluation is on, by class.
        measured: the numbers.
        class_names: name of each class, if known.
        notes: what a reader must know, one sentence each.
    """

    protocol: Protocol
    tool: ToolRecord
    model: ModelRecord
    data: DataRecord
    settings: SettingsRecord
    options: Mapping[str, object]
    analysis_data: str
    inferred_on: Mapping[int, list[int]]
    evaluated_on: Mapping[int, list[int]]
    measured: tuple[EstimateRecord, ...]
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def where(self, **wanted: object) -> list[EstimateRecord]:
        """Return the numbers whose attributes have the given values."""
        return [held for held in self.measured if all(getattr(held, name) == value for name, value in wanted.items())]


class SplitRecord(Record):
    """The samples the graphs were inferred from, and those that were evaluated; positions by class."""

    analysis_data_sha256: Sha256
    inferred_on: dict[int, list[Index]]
    evaluated_on: dict[int, list[Index]]


class MeasuredRecord(Record):
    """One number; `target` and `layer` are null where it concerns all of them, `at` where it is on no curve."""

    target: Index | None
    layer: str | None
    method: str
    at: float | None
    measure: str
    mean: float
    interval: tuple[float, float]
    n: Annotated[int, Field(ge=1)]


class EvaluationFile(Record):
    """The content of `evaluation-PROTOCOL.json`."""

    format: Literal["onnxcausal-evaluation/1"] = FORMAT
    protocol: Protocol
    tool: ToolRecord
    model: ModelRecord
    data: DataRecord
    settings: CompleteSettings
    options: dict[str, Any]
    split: SplitRecord
    records: list[MeasuredRecord]
    notes: list[str]


def to_json(evaluation: Evaluation) -> str:
    """Return the content of `evaluation-PROTOCOL.json`, ending in a newline."""
    found = EvaluationFile(
        protocol=evaluation.protocol,
        tool=evaluation.tool,
        model=evaluation.model,
        data=evaluation.data,
        settings=evaluation.settings,
        options=dict(evaluation.options),
        split=SplitRecord(
            analysis_data_sha256=evaluation.analysis_data,
            inferred_on=dict(evaluation.inferred_on),
            evaluated_on=dict(evaluation.evaluated_on),
        ),
        records=[_record(held) for held in evaluation.measured],
        notes=list(evaluation.notes),
    )
    held = found.model_dump(mode="json")
    held["settings"] = recorded(held["settings"])
    return json.dumps(held, indent=1, allow_nan=False) + "\n"


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(EvaluationFile.model_json_schema(), indent=1) + "\n"


def read_evaluation(path: Path) -> EvaluationFile:
    """Return the evaluation in a file.

    Raises:
        ConfigError: there is no such file, it is damaged, or of another format.
    """
    remedy = "run onnxcausal evaluate again, or leave the file out"
    return read_record(path, EvaluationFile, FORMAT, what="evaluation", remedy=remedy)


def model_of_evaluation(path: Path) -> str:
    """Return the hash of the model that a file evaluates; empty where it is no such file."""
    try:
        held = read_json(path)
        return str(held["model"]["sha256"]) if held["format"] == FORMAT else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _record(held: EstimateRecord) -> MeasuredRecord:
    return MeasuredRecord(
        target=held.target,
        layer=held.layer,
        method=held.method,
        at=held.at,
        measure=held.measure,
        mean=held.mean,
        interval=(held.low, held.high),
        n=held.n,
    )
