"""What every file of results says of the programs and the data."""

from onnxcausal.analysis.file import DataRecord, ToolRecord
from onnxcausal.pipeline.prepare import Prepared


def tool_record(prepared: Prepared) -> ToolRecord:
    """Return which programs made the numbers."""
    return ToolRecord(**prepared.versions, providers=list(prepared.engine.providers))


def data_record(prepared: Prepared) -> DataRecord:
    """Return which data the numbers are of."""
    samples = prepared.samples
    return DataRecord(source=samples.source, sha256=prepared.data_sha256, synthetic=samples.synthetic)
