"""The format of `analysis.json`."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.formats.analysis_file import SCHEMA_FILE, AnalysisFile, schema, to_json
from onnxcausal.analysis.formats.output_folder import effects_archive
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.result.analysis import Analysis

SHIPPED = Path(__file__).parents[3] / "models"
SCHEMA = SCHEMAS / SCHEMA_FILE


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(SHIPPED / "digits_lenet.onnx", targets=[3, 7], samples=20)


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA.read_text() == schema()


def test_an_analysis_is_valid_by_the_shipped_schema_and_read_back_equal(analysis: Analysis) -> None:
    written = to_json(analysis)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(written))
    assert AnalysisFile.model_validate_json(written).graphs[0].target == 3


def test_what_is_not_in_the_format_is_refused(analysis: Analysis) -> None:
    record = json.loads(to_json(analysis)) | {"time": "now"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, json.loads(SCHEMA.read_text()))


def test_the_file_holds_what_the_result_holds_in_full(analysis: Analysis) -> None:
    record = json.loads(to_json(analysis))
    assert record["format"] == "onnxcausal-analysis/2"
    assert record["model"]["sha256"] == analysis.model_sha256
    assert record["data"] == {"source": "digits.npz", "sha256": analysis.data_sha256, "synthetic": False}
    for graph, written in zip(analysis.graphs, record["graphs"], strict=True):
        assert written["sample_indices"] == graph.samples.tolist()
        assert written["outcome"]["mean"] == graph.observed.mean()
        assert written["layers"][0]["name"] == "/fc3/Gemm"
        for layer, described in zip(graph.layers, written["layers"], strict=True):
            assert [node["ate"] for node in described["nodes"]] == layer.ate.tolist()
            assert [node["role"] for node in described["nodes"]] == [role.value for role in layer.roles]
            assert described["parents"] == len(described["nodes"])


def test_the_effects_are_stored_by_target_and_position(analysis: Analysis, tmp_path: Path) -> None:
    (tmp_path / "effects.npz").write_bytes(effects_archive(analysis))
    with np.load(tmp_path / "effects.npz", allow_pickle=False) as effects:
        assert set(effects.files) == {"data"} | {
            f"{target}/{layer}" for target in (3, 7) for layer in (*range(5), "observed")
        }
        assert effects["data"] == "digits.npz"
        assert effects["7/1"].shape == (120, 20)
        held = analysis.graph(3).layers[0].effects
        assert held is not None
        np.testing.assert_array_equal(effects["3/0"], held.te)


def test_reference_samples_are_recorded_with_the_mean_alone(analysis: Analysis) -> None:
    with_mean = analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=20, replace="mean")
    assert len(json.loads(to_json(with_mean))["data"]["reference_indices"]) == 20
    assert "reference_indices" not in json.loads(to_json(analysis))["data"]
