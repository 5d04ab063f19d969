"""The format of `masks.json`."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import (
    SCHEMA_FILE,
    MaskRecord,
    MasksFile,
    MeanRecord,
    check_model,
    read_masks,
    schema,
    to_json,
)
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.errors import ConfigError

SCHEMA = SCHEMAS / SCHEMA_FILE
MODEL = ModelRecord(file="model.onnx", sha256="a" * 64)
ENTRY = {"layer": "fc", "parents": [1], "beta": 0.0}
VALID = {"format": "onnxcausal-masks/1", "model": {"file": "model.onnx", "sha256": "a" * 64}, "masks": [ENTRY]}


def masks(*entries: MaskRecord) -> MasksFile:
    return MasksFile(model=MODEL, masks=list(entries), provenance={"settings": {"portion": 0.2}})


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA.read_text() == schema()


def test_entries_are_written_one_a_line_sorted_and_joined(tmp_path: Path) -> None:
    first = MaskRecord(layer="fc2", parents=[5, 3], beta=0.0)
    second = MaskRecord(layer="fc1", parents=[2], children=[1, 0], beta=0.5)
    third = MaskRecord(layer="fc2", parents=[4, 3], beta=0.0)
    written = to_json(masks(first, second, third))
    assert written == to_json(masks(third, second, first, first))
    assert [line.strip() for line in written.splitlines() if '"layer"' in line] == [
        '{"layer": "fc1", "parents": [2], "children": [0, 1], "beta": 0.5},',
        '{"layer": "fc2", "parents": [3, 4, 5], "beta": 0.0}',
    ]
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(written))
    (tmp_path / "masks.json").write_text(written)
    assert to_json(read_masks(tmp_path / "masks.json")) == written


def test_means_are_written_one_layer_a_line_sorted_and_joined(tmp_path: Path) -> None:
    parts = [
        MeanRecord(layer="fc2", parents=[5, 3], values=[0.5, -1.0]),
        MeanRecord(layer="fc1", parents=[0], values=[0.1]),
        MeanRecord(layer="fc2", parents=[3, 4], values=[-1.0, 2.0]),
    ]
    entry = MaskRecord(layer="fc2", parents=[3], beta=0.0)
    written = to_json(MasksFile(model=MODEL, masks=[entry], means=parts))
    assert written == to_json(MasksFile(model=MODEL, masks=[entry], means=[*parts[::-1], parts[1]]))
    assert [line.strip() for line in written.splitlines() if '"values"' in line] == [
        '{"layer": "fc1", "parents": [0], "values": [0.1]},',
        '{"layer": "fc2", "parents": [3, 4, 5], "values": [-1.0, 2.0, 0.5]}',
    ]
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(written))
    (tmp_path / "masks.json").write_text(written)
    assert to_json(read_masks(tmp_path / "masks.json")) == written


def test_two_different_means_of_a_parent_are_refused(tmp_path: Path) -> None:
    parts = [{"layer": "fc", "parents": [1, 2], "values": [0.5, value]} for value in (0.25, 0.75)]
    (tmp_path / "masks.json").write_text(json.dumps(VALID | {"means": parts}))
    with pytest.raises(ConfigError, match="parent 2 has two different means") as caught:
        read_masks(tmp_path / "masks.json")
    assert "0.25 and 0.75: they were made from different data" in caught.value.why
    assert "layer fc" in caught.value.where


def test_no_masks_are_masks(tmp_path: Path) -> None:
    (tmp_path / "masks.json").write_text(to_json(masks()))
    assert read_masks(tmp_path / "masks.json").masks == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": "onnxcausal-masks/2"}, "its format is 'onnxcausal-masks/2', this version reads"),
        ({"format": None}, "its format is None"),
        ({"masks": [ENTRY | {"beta": 1.5}]}, "masks.0.beta: Input should be less than or equal to 1"),
        ({"masks": [ENTRY | {"parents": [-1]}]}, "masks.0.parents.0"),
        ({"masks": [ENTRY | {"parents": []}]}, "masks.0.parents"),
        ({"masks": [ENTRY | {"children": []}]}, "masks.0.children"),
        ({"masks": [ENTRY | {"colour": "red"}]}, "masks.0.colour"),
        ({"means": [{"layer": "fc", "parents": [1, 2], "values": [0.5]}]}, "2 parents have 1 values"),
        ({"means": [{"layer": "fc", "parents": [], "values": []}]}, "means.0.parents"),
        ({"model": {"file": "model.onnx", "sha256": "short"}}, "model.sha256"),
        ({"provenance": {"loss": float("nan")}}, "NaN is no number"),
    ],
)
def test_what_is_not_in_the_format_is_refused_by_name(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    (tmp_path / "masks.json").write_text(json.dumps(VALID | change))
    with pytest.raises(ConfigError, match="the masks cannot be read") as caught:
        read_masks(tmp_path / "masks.json")
    assert named in caught.value.why


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "masks.json").write_bytes(content)
    with pytest.raises(ConfigError, match="the masks cannot be read"):
        read_masks(tmp_path / "masks.json")
    with pytest.raises(ConfigError, match="the masks cannot be read"):
        read_masks(tmp_path / "none.json")


def test_the_masks_of_another_model_are_refused_with_both_hashes() -> None:
    check_model(masks(), "a" * 64, "masks.json")
    with pytest.raises(ConfigError, match="of another model") as caught:
        check_model(masks(), "b" * 64, "masks.json")
    assert "a" * 64 in caught.value.why
    assert "b" * 64 in caught.value.why
