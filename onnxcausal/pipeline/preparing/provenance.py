"""What every file of results says of the programs and the data."""

from collections.abc import Mapping
from dataclasses import dataclass

from onnxcausal.analysis.formats.analysis_file import DataRecord, ToolRecord
from onnxcausal.analysis.formats.masks import ReadingRecord


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where the numbers of a run come from, as its records say.

    Attributes:
        data_source: name of the data, without its folder.
        data_sha256: hash of the data.
        synthetic: whether the inputs were made up.
        preprocess: preprocessing that was set and applied, by key.
        reading: how the model is read, where that was set, by key.
        versions: version of each program that makes the numbers.
        providers: execution providers of the sessions.
        inputs: the inputs that the data gives side by side; none where it is of one.
    """

    data_source: str
    data_sha256: str
    synthetic: bool
    preprocess: Mapping[str, object]
    reading: Mapping[str, object]
    versions: Mapping[str, str]
    providers: tuple[str, ...]
    inputs: tuple[str, ...] = ()


def tool_record(origin: Origin) -> ToolRecord:
    """Return which programs made the numbers."""
    return ToolRecord(**origin.versions, providers=list(origin.providers))


def data_record(origin: Origin) -> DataRecord:
    """Return which data the numbers are of."""
    return DataRecord(source=origin.data_source, sha256=origin.data_sha256, synthetic=origin.synthetic)


def reading_of(origin: Origin) -> ReadingRecord:
    """Return how the model was read, as it stands among masks."""
    return ReadingRecord.model_validate({key: origin.reading.get(key) for key in ReadingRecord.model_fields})
