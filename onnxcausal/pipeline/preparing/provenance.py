"""What every file of results says of the programs and the data."""

from onnxcausal.analysis.formats.analysis_file import DataRecord, ToolRecord
from onnxcausal.analysis.formats.masks import ReadingRecord
from onnxcausal.pipeline.preparing.prepare import Prepared


def tool_record(prepared: Prepared) -> ToolRecord:
    """Return which programs made the numbers."""
    return ToolRecord(**prepared.versions, providers=list(prepared.engine.providers))


def data_record(prepared: Prepared) -> DataRecord:
    """Return which data the numbers are of."""
    samples = prepared.samples
    return DataRecord(source=samples.source, sha256=prepared.data_sha256, synthetic=samples.synthetic)


def reading_of(prepared: Prepared) -> ReadingRecord:
    """Return how the model was read, as it stands among masks."""
    return ReadingRecord.model_validate({key: prepared.reading.get(key) for key in ReadingRecord.model_fields})
